"""The OCPP half of an agent with a relay, a raw pile before it and an operator's system behind."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from central_system import CentralSystem, Heard
from ocpp_gateway import PILES
from raw_pile import RawPile

from edge_agent.core.facts import ConnectorFacts, PileFacts
from edge_agent.core.occupancy import FusionRules
from edge_agent.core.ocpp_admission import Door
from edge_agent.core.picture import LivePicture
from edge_agent.host_clock import HostClock
from edge_agent.parts import new_id
from edge_agent.piles.ocpp_pile import OcppSettings
from edge_agent.piles.ocpp_server import OcppServer, Ports
from edge_agent.piles.relay import Relay
from edge_agent.piles.relay_policy import OfflinePolicy
from edge_agent.piles.relay_room import ROOM_BYTES
from edge_agent.piles.relay_store import RelayStore
from edge_agent.piles.relay_upstream import UpstreamSettings
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.transactions import TransactionBook
from edge_agent.watch import Watch

IDENTITY = "site 7/P1"
MUST_ARRIVE = ("StartTransaction", "MeterValues", "StopTransaction", "TransactionEvent")


class Site:
    """An agent's OCPP side with a relay, and the operator's system; `more` are upstream settings.

    `central` may be replaced before `open_central`; `scheme` is how the operator's is dialled.
    """

    def __init__(
        self,
        folder: Path,
        *,
        version: str = "ocpp1.6",
        policy: str = "cached",
        tokens: tuple[str, ...] = (),
        room_bytes: int = ROOM_BYTES,
        configures: bool = True,
        scheme: str = "ws",
        **more: Any,
    ) -> None:
        self.version = version
        self.central: Any = CentralSystem(subprotocol=version)
        self.pile = RawPile(version)
        self.alarms: list[tuple[str, str, str]] = []
        self._folder = folder
        self._policy = policy
        self._tokens = frozenset(tokens)
        self._room_bytes = room_bytes
        self._configures = configures
        self._scheme = scheme
        self.more = more
        self._port = 0

    async def open_central(self) -> None:
        """Opens the operator's system, on the port of before."""
        await self.central.open(self._port)
        self._port = self.central.port

    async def start(self) -> None:
        """Starts the agent's half; `stop` and `start` are a restart."""
        clock = HostClock()
        self.spool = Spool(self._folder, new_id)
        await self.spool.start()
        facts = PileFacts("P1", "P1", (ConnectorFacts("IEC_62196_T2", "AC_3_PHASE", 22.0),) * 2)
        rules = dict.fromkeys(facts.evse_ids, FusionRules(60.0, 30.0, 0.05))
        picture = LivePicture(rules, heartbeat_s=20.0, new_id=new_id)
        self.watch = Watch(picture, rules, [facts], self.spool, clock)
        wishes = {"meter_value_sample_interval_s": 5.0, "clock_aligned_data_interval_s": 60.0}
        told = OcppSettings(
            20.0, 5.0, wishes, settle_s=0.05, shown_s=0.3, configures=self._configures
        )
        self.link = PILES[self.version](
            "P1",
            facts.evse_ids,
            told,
            self.watch,
            TransactionBook(self.spool),
            clock.now_ms,
            new_id,
        )
        self.store = RelayStore(self._folder, clock.now_ms, self._room_bytes)
        self.relay = Relay(
            IDENTITY,
            self.version,
            self.link,
            self.store,
            UpstreamSettings(
                f"{self._scheme}://127.0.0.1:{self._port}/ocpp",
                **{
                    "password": b"operators-password",
                    "backoff_base_s": 0.05,
                    "backoff_cap_s": 0.1,
                    **self.more,
                },
            ),
            OfflinePolicy(self._policy, self._tokens, self.store, clock.now_ms),
            lambda *told: self.alarms.append(told),
            new_id,
            random.Random(7),
        )
        self.server = OcppServer(
            Ports(("127.0.0.1", 0)),
            [Door(IDENTITY, (self.version,))],
            {IDENTITY: self.relay},
            beside=self.relay.run,
        )
        await self.server.start()
        self._jobs = asyncio.create_task(self.server.run(), name="test:server")

    async def dial(self) -> None:
        """Connects the raw pile."""
        await self.pile.dial(self.server.url_of(IDENTITY))

    async def stop(self) -> None:
        """Stops the agent's half."""
        self._jobs.cancel()
        await asyncio.gather(self._jobs, return_exceptions=True)
        await self.server.close()
        await self.store.close()
        await self.spool.close()

    async def close(self) -> None:
        """Stops everything."""
        await self.pile.hang_up()
        await self.stop()
        await self.central.close()

    async def until_ready(self, ready: bool = True) -> None:
        """Waits until the operator's system answers the pile, or no longer."""
        await until(lambda: self.relay.ready is ready)

    async def until_delivered(self) -> None:
        """Waits until nothing waits for the operator's system."""
        async with asyncio.timeout(60):
            while await self.waiting():
                await asyncio.sleep(0.01)

    async def waiting(self) -> int:
        """How many messages wait for the operator's system."""
        return (await self.store.waiting(IDENTITY)).messages

    def delivered(self) -> list[Heard]:
        """Transaction messages as the operator's system has to count them: each id once."""
        found: dict[str, Heard] = {}
        for heard in self.central.heard:
            if heard.action in MUST_ARRIVE:
                found.setdefault(heard.message_id, heard)
        return list(found.values())


async def until(met: Any, deadline_s: float = 60.0) -> None:
    """Returns once `met` gives true."""
    async with asyncio.timeout(deadline_s):
        while not met():
            await asyncio.sleep(0.01)
