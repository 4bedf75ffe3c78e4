"""The OCPP half of an agent with its real spool, and a station that speaks raw frames to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from edge_agent.core.facts import ConnectorFacts, PileFacts
from edge_agent.core.occupancy import FusionRules
from edge_agent.core.ocpp_admission import Door
from edge_agent.core.picture import LivePicture
from edge_agent.core.reading import EvseStatus, OcppStatus, Record, RecordKind
from edge_agent.host_clock import HostClock
from edge_agent.parts import new_id
from edge_agent.piles.ocpp16 import Ocpp16Pile
from edge_agent.piles.ocpp201 import Ocpp201Pile
from edge_agent.piles.ocpp_pile import OcppPile, OcppSettings
from edge_agent.piles.ocpp_server import OcppServer, Ports
from edge_agent.uplink import memory
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.transactions import TransactionBook
from edge_agent.watch import Watch

DEADLINE_S = 60.0
PILES: dict[str, type[OcppPile]] = {"ocpp1.6": Ocpp16Pile, "ocpp2.0.1": Ocpp201Pile}


async def until(met: Callable[[], Any], deadline_s: float = DEADLINE_S) -> None:
    """Returns once `met` does not give a false value any more."""
    async with asyncio.timeout(deadline_s):
        while not met():
            await asyncio.sleep(0.01)


@dataclass
class Gateway:
    """One pile `B-01` with two EVSEs behind a listening port."""

    version: str
    spool: Spool
    pile: OcppPile
    server: OcppServer
    watch: Watch

    @property
    def url(self) -> str:
        """Where the station dials."""
        return self.server.url_of("B-01")

    @property
    def number(self) -> int:
        """The server's port."""
        return int(self.server.url.rstrip("/").rpartition(":")[2])

    async def records(self, *kinds: RecordKind) -> list[Record]:
        """What lies in the spool, of all kinds or of some."""
        run = await self.spool.call(lambda file: file.read_run(0, 1 << 62, 500, 1 << 20))
        return [r for r in (run.records if run else ()) if not kinds or r.kind in kinds]

    def status(self, evse: int = 1) -> EvseStatus | None:
        """The present status of an EVSE."""
        fused = self.watch.fused(self.pile.evse_ids[evse - 1])
        return fused.status if fused else None

    def raw(self, evse: int = 1) -> OcppStatus:
        """The present OCPP word of an EVSE."""
        reading = self.pile.words[evse].reading
        return reading.ocpp if reading else OcppStatus.UNSPECIFIED

    def stamp(self, ago_s: float = 0.0) -> str:
        """A timestamp of now, or of a while ago."""
        moment = datetime.fromtimestamp(self.pile.now_ms() / 1000 - ago_s, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@asynccontextmanager
async def gateway_of(
    folder: Path,
    version: str,
    port: int = 0,
    *,
    door: Door | None = None,
    ports: Ports | None = None,
    lenient: bool = False,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """A running gateway; `settings` are those of `OcppSettings`."""
    clock = HostClock()
    spool = Spool(folder, new_id)
    await spool.start()
    facts = PileFacts("B-01", "B-01", (ConnectorFacts("IEC_62196_T2", "AC_3_PHASE", 22.0),) * 2)
    rules = dict.fromkeys(facts.evse_ids, FusionRules(60.0, 30.0, 0.01))
    carried = await spool.call(memory.carried)
    picture = LivePicture(rules, heartbeat_s=20.0, new_id=new_id, carried=carried)
    watch = Watch(picture, rules, [facts], spool, clock)
    told = OcppSettings(
        **{"heartbeat_s": 20.0, "offline_grace_s": 0.1, "wishes": {}, "shown_s": 0.3, **settings}
    )
    book = TransactionBook(spool)
    pile = PILES[version]("B-01", facts.evse_ids, told, watch, book, clock.now_ms, new_id)
    server = OcppServer(
        ports or Ports(("127.0.0.1", port)),
        [door or Door("B-01", (version,), 0, ())],
        {"B-01": pile},
        accept_without_subprotocol=lenient,
    )
    await server.start()
    ticking = asyncio.create_task(watch.run(), name="test:watch")
    try:
        yield Gateway(version, spool, pile, server, watch)
    finally:
        ticking.cancel()
        await server.close()
        await spool.close()


@dataclass
class RawStation:
    """A station of hand-written frames; answers calls from `replies`, or with a CALLERROR.

    A reply that is a string is the error code of a CALLERROR; "never" is silence.
    """

    socket: ClientConnection
    replies: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answered: dict[str, asyncio.Future[list[Any]]] = field(default_factory=dict)
    count: int = 0

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload of the answer; fails on a CALLERROR."""
        frame = await self.frame(action, payload)
        assert frame[0] == 3, frame
        return dict(frame[2])

    async def frame(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """The whole frame that a call is answered with."""
        return await asyncio.wait_for(await self.put(action, payload), DEADLINE_S)

    async def put(self, action: str, payload: dict[str, Any]) -> asyncio.Future[list[Any]]:
        """Sends a call without waiting for its answer."""
        self.count += 1
        unique_id = f"s{self.count}"
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.answered[unique_id] = answer
        await self.socket.send(json.dumps([2, unique_id, action, payload]))
        return answer

    def wishes(self, action: str) -> list[dict[str, Any]]:
        """What it was asked, of one kind."""
        return [payload for name, payload in self.asked if name == action]

    async def read(self) -> None:
        """Takes frames until the connection ends."""
        try:
            async for raw in self.socket:
                frame = json.loads(raw)
                if frame[0] != 2:
                    self.answered.pop(frame[1]).set_result(frame)
                    continue
                self.asked.append((frame[2], frame[3]))
                reply = self.replies.get(frame[2], "NotImplemented")
                if callable(reply):
                    reply = reply(frame[3])
                if reply == "never":
                    continue
                told = [4, frame[1], reply, "", {}] if isinstance(reply, str) else None
                await self.socket.send(json.dumps(told or [3, frame[1], reply]))
        except ConnectionClosed:
            return


@asynccontextmanager
async def raw_station(gateway: Gateway, **replies: Any) -> AsyncIterator[RawStation]:
    """A raw station on a fresh connection; `replies` by action."""
    async with connect(gateway.url, subprotocols=[Subprotocol(gateway.version)]) as socket:
        station = RawStation(socket, dict(replies))
        reader = asyncio.create_task(station.read(), name="test:station")
        try:
            yield station
        finally:
            reader.cancel()
