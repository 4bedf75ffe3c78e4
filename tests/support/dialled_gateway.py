"""The OCPP half of an agent with its real spool, and a charge point of the `ocpp` package at it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from edge_agent.core.facts import ConnectorFacts, PileFacts
from edge_agent.core.occupancy import FusionRules
from edge_agent.core.ocpp_admission import Door, key_forms
from edge_agent.core.picture import LivePicture
from edge_agent.core.reading import Record
from edge_agent.host_clock import HostClock
from edge_agent.parts import new_id
from edge_agent.piles.ocpp16 import Ocpp16Pile, OcppSettings
from edge_agent.piles.ocpp_server import OcppServer, Ports
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.transactions import TransactionBook
from edge_agent.watch import Watch

NOW = "2026-11-22T10:00:00Z"
EVSE = "P/1*1"


@dataclass
class Gateway:
    """The OCPP half of an agent, with its real spool."""

    spool: Spool
    pile: Ocpp16Pile
    server: OcppServer
    watch: Watch
    closed: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url + "P%2F1"

    async def records(self) -> list[Record]:
        run = await self.spool.call(lambda file: file.read_run(0, 1 << 62, 500, 1 << 20))
        return list(run.records) if run else []


class Pile16(ChargePoint):  # type: ignore[misc]
    """A charge point made of the library; remembers what it was asked."""

    asked: list[tuple[str, dict[str, Any]]]
    reserve_status = "Accepted"

    @on("TriggerMessage")
    async def trigger(self, **wish: Any) -> Any:
        self.asked.append(("TriggerMessage", wish))
        return call_result.TriggerMessage(status="Rejected")

    @on("ChangeConfiguration")
    async def configure(self, **wish: Any) -> Any:
        self.asked.append(("ChangeConfiguration", wish))
        return call_result.ChangeConfiguration(status="Accepted")

    @on("ReserveNow")
    async def reserve(self, **wish: Any) -> Any:
        self.asked.append(("ReserveNow", wish))
        return call_result.ReserveNow(status=self.reserve_status)

    @on("CancelReservation")
    async def cancel(self, **wish: Any) -> Any:
        self.asked.append(("CancelReservation", wish))
        return call_result.CancelReservation(status="Accepted")

    @on("ChangeAvailability")
    async def availability(self, **wish: Any) -> Any:
        self.asked.append(("ChangeAvailability", wish))
        return call_result.ChangeAvailability(status="Accepted")


async def build(folder: Path, *, password: str = "", lenient: bool = False) -> Gateway:
    clock = HostClock()
    spool = Spool(folder, new_id)
    await spool.start()
    facts = PileFacts("P/1", "P/1", (ConnectorFacts("IEC_62196_T2", "AC_3_PHASE", 22.0),) * 2)
    rules = dict.fromkeys(facts.evse_ids, FusionRules(60.0, 30.0, 0.05))
    picture = LivePicture(rules, heartbeat_s=20.0, new_id=new_id)
    watch = Watch(picture, rules, [facts], spool, clock)
    settings = OcppSettings(20.0, 0.1, {"trigger_floor_s": 60.0})
    pile = Ocpp16Pile(
        "P/1",
        facts.evse_ids,
        settings,
        watch,
        TransactionBook(spool),
        clock.now_ms,
        new_id,
    )
    keys = key_forms(password.encode())
    door = Door("P/1", ("ocpp1.6",), int(bool(keys)), keys)
    server = OcppServer(
        Ports(("127.0.0.1", 0)), [door], {"P/1": pile}, accept_without_subprotocol=lenient
    )
    await server.start()
    return Gateway(spool, pile, server, watch)


@dataclass
class Dialled:
    """A connected charge point and the task that reads for it."""

    point: Pile16
    socket: ClientConnection
    reader: asyncio.Task[None]

    async def hang_up(self) -> None:
        await self.socket.close()
        self.reader.cancel()
        await asyncio.gather(self.reader, return_exceptions=True)


async def dial(gateway: Gateway, **options: Any) -> Dialled:
    socket = await connect(gateway.url, subprotocols=[Subprotocol("ocpp1.6")], **options)
    point = Pile16("P/1", socket, response_timeout=5)
    point.asked = []
    return Dialled(point, socket, asyncio.create_task(point.start(), name="test:pile"))


async def until(met: Any, deadline_s: float = 5.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not (await met() if asyncio.iscoroutinefunction(met) else met()):
            await asyncio.sleep(0.01)


def available(connector_id: int = 1, **more: Any) -> Any:
    return call.StatusNotification(
        connector_id=connector_id, error_code="NoError", status="Available", **more
    )
