"""One coordinator process, its stations, and an agent by hand that says what their EVSEs do."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from coordinator_process import CoordinatorProcess
from served_brain import asking
from wire_agent import WireAgent, batch

from city_sim.messages import station_message
from coordinator.core.pile import Station
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

CALL_S = 60.0
AVAILABLE = nouns.EVSE_STATUS_AVAILABLE


@dataclass
class SmallTown:
    """The process, and what speaks to it; `dial` anew after a restart."""

    process: CoordinatorProcess
    stations: Sequence[Station]
    spool_id: str = "spool-1"
    acked: int = 0
    _next_seq: int = 1
    _open: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def evse_ids(self) -> list[str]:
        """All of them."""
        return [e.evse_id for s in self.stations for pile in s.piles for e in pile.evses]

    async def dial(self) -> None:
        """Speaks to the process as it runs now."""
        await self._open.aclose()
        channel = grpc.aio.insecure_channel(self.process.address)
        await self._open.enter_async_context(channel)
        self.cars = rpc.ChargingServiceStub(channel)
        self.operator = operator_rpc.OperatorServiceStub(channel)

    async def tell_stations(self) -> None:
        """Imports them."""
        messages = [station_message(station) for station in self.stations]
        await self.operator.PutStations(op.PutStationsRequest(stations=messages), timeout=CALL_S)

    @contextlib.asynccontextmanager
    async def agent(self) -> AsyncIterator[WireAgent]:
        """The agent of all piles, its stream open."""
        piles = [pile for s in self.stations for pile in station_message(s).piles]
        async with WireAgent(self.process.address, spool_id=self.spool_id, piles=piles) as agent:
            yield agent

    def rows(self, **status: nouns.EvseStatus.ValueType) -> edge.ReportBatch:
        """One row for each EVSE, free unless told otherwise, e.g. `A_1=...` for A-1*1."""
        given = {f"{name.replace('_', '-')}*1": value for name, value in status.items()}
        names = sorted(self.evse_ids)
        statuses = [given.get(name, AVAILABLE) for name in names]
        first = self._next_seq
        self._next_seq += len(names)
        return batch(self.spool_id, first, names, statuses, at_ms=int(time.time() * 1000))

    async def report(self, agent: WireAgent, **status: nouns.EvseStatus.ValueType) -> None:
        """Says what the EVSEs do; returns when that is durable."""
        last = self._next_seq + len(self.evse_ids) - 1
        await agent.send(edge.ConnectRequest(batch=self.rows(**status)))
        async with asyncio.timeout(CALL_S):
            await agent.acked_through(last)
        self.acked = last

    def resume_at(self, number: int) -> None:
        """The next record has this number: what came after was never acknowledged."""
        self._next_seq = number

    async def known(self, **status: nouns.EvseStatus.ValueType) -> None:
        """Returns once the coordinator believes this of these EVSEs."""
        wanted = {f"{name.replace('_', '-')}*1": value for name, value in status.items()}
        async with asyncio.timeout(CALL_S):
            while True:
                request = op.OperatorServiceListPilesRequest()
                live = await self.operator.ListPiles(request, timeout=CALL_S)
                now = {e.evse.evse_id: e.status for e in live.evses}
                if all(now.get(name) == value for name, value in wanted.items()):
                    return
                await asyncio.sleep(0.05)

    async def ask(self, car: str, number: int = 1, **wishes: object) -> wire.RecommendResponse:
        """The answer to a car."""
        return await self.cars.Recommend(asking(car, number, **wishes), timeout=CALL_S)

    async def confirmed(self, car: str, **wishes: object) -> wire.Promise:
        """A firm promise to a car."""
        promise = (await self.ask(car, **wishes)).promise
        request = wire.ConfirmRequest(recommendation_id=promise.recommendation_id)
        return (await self.cars.Confirm(request, timeout=CALL_S)).promise

    async def holds(self, recommendation_id: str) -> str:
        """The EVSE that is still held for this answer; empty if none."""
        request = wire.GetRecommendationRequest(recommendation_id=recommendation_id)
        promise = (await self.cars.GetRecommendation(request, timeout=CALL_S)).promise
        return promise.choice.evse.evse_id if promise.choice.hold.claim_id else ""

    async def close(self) -> None:
        """Hangs up."""
        await self._open.aclose()


@contextlib.asynccontextmanager
async def open_town(
    folder: Path,
    stations: Sequence[Station],
    environment: dict[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[SmallTown]:
    """A coordinator that knows the stations; it is stopped in the end, if it still runs."""
    process = CoordinatorProcess(folder, agent_open=True, **settings)
    process.log = folder / "coordinator.log"
    process.environment = environment or {}
    await process.start()
    town = SmallTown(process, stations)
    try:
        await town.dial()
        await town.tell_stations()
        yield town
    finally:
        await town.close()
        await process.stop()
