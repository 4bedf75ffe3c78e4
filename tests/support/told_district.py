"""A coordinator process under load, and what it told its agent and its cars; made to be killed.

What the disk says of that is judged by `told_ledger.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from coordinator_process import CoordinatorProcess
from served_brain import asking, station
from told_ledger import Told
from wire_agent import WireAgent, batch

from city_sim.messages import station_message
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc

STATION = station("A", 1.0, evse_count=24)
EVSES = [pile.evses[0].evse_id for pile in STATION.piles]
SPOOL = "spool-1"
ROWS = 12
ON_THE_WAY = 6  # batches without an ack
CARS = 3  # that ask at once
CALL_S = 60.0


class ToldDistrict:
    """One district over many lives of its coordinator; `told` outlives them all."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.process = CoordinatorProcess(folder, agent_open=True, **settings)
        self.process.log = folder / "coordinator.log"
        self.told = Told()
        self._unacked: dict[int, edge.ReportBatch] = {}
        self._next_seq = 1
        self._next_car = 0

    async def open(self) -> None:
        """Starts the coordinator for the first time and tells it the station."""
        await self.process.start()
        async with grpc.aio.insecure_channel(self.process.address) as channel:
            operator = operator_rpc.OperatorServiceStub(channel)
            stations = [station_message(STATION)]
            await operator.PutStations(op.PutStationsRequest(stations=stations), timeout=CALL_S)

    @contextlib.asynccontextmanager
    async def load(self, rng: random.Random) -> AsyncIterator[None]:
        """Reports, asks, confirms and gives back meanwhile; calls that fail are not told."""
        begun = asyncio.Event()
        async with grpc.aio.insecure_channel(self.process.address) as channel:
            cars = rpc.ChargingServiceStub(channel)
            tasks = [asyncio.create_task(self._report(begun), name="test:report")]
            tasks += [
                asyncio.create_task(self._ask(cars, rng, begun), name="test:ask")
                for _ in range(CARS)
            ]
            try:
                await asyncio.wait_for(begun.wait(), 60)
                yield
            finally:
                ended = await _cancelled(tasks)
        for error in ended:
            if not isinstance(error, grpc.aio.AioRpcError | asyncio.CancelledError | None):
                raise error

    async def holds(self, recommendation_id: str) -> str:
        """The EVSE that the coordinator still holds for this answer; empty if none."""
        async with grpc.aio.insecure_channel(self.process.address) as channel:
            cars = rpc.ChargingServiceStub(channel)
            request = wire.GetRecommendationRequest(recommendation_id=recommendation_id)
            promise = (await cars.GetRecommendation(request, timeout=CALL_S)).promise
        held = promise.choice.hold.kind in (wire.HOLD_KIND_SOFT, wire.HOLD_KIND_FIRM)
        return promise.choice.evse.evse_id if held else ""

    async def _report(self, begun: asyncio.Event) -> None:
        """One stream: what has no ack is sent again as it was, then more."""
        piles = list(station_message(STATION).piles)
        try:
            async with WireAgent(self.process.address, spool_id=SPOOL, piles=piles) as agent:
                self.told.welcomed(agent.welcome.stored)
                for first in sorted(self._unacked):
                    await agent.send(edge.ConnectRequest(batch=self._unacked[first]))
                while True:
                    while len(self._unacked) < ON_THE_WAY:
                        await agent.send(edge.ConnectRequest(batch=self._next_batch()))
                    ack = await agent.ack()
                    self.told.acked(ack.stored)
                    for first in [f for f in self._unacked if self.told.is_acked(f + ROWS - 1)]:
                        del self._unacked[first]
                    begun.set()
        except EOFError:
            return

    def _next_batch(self) -> edge.ReportBatch:
        first = self._next_seq
        self._next_seq += ROWS
        names = [EVSES[(first + i) % len(EVSES)] for i in range(ROWS)]
        made = batch(SPOOL, first, names, at_ms=int(time.time() * 1000) - ROWS)
        self._unacked[first] = made
        self.told.rows.update(
            {first + i: (name, made.observed_at_ms[i]) for i, name in enumerate(names)}
        )
        return made

    async def _ask(
        self, cars: rpc.ChargingServiceAsyncStub, rng: random.Random, begun: asyncio.Event
    ) -> None:
        """One car after the other; most go on their way, all give back in the end."""
        await begun.wait()
        waiting: list[str] = []
        while True:
            self._next_car += 1
            answer = await cars.Recommend(asking(f"car-{self._next_car}"), timeout=CALL_S)
            await asyncio.sleep(0.002)
            hold = answer.promise.choice.hold
            if not hold.claim_id:
                for name in waiting:
                    await self._release(cars, name)
                waiting.clear()
                continue
            name = answer.promise.recommendation_id
            self.told.granted(name, hold.claim_id)
            if rng.random() < 0.7:
                await cars.Confirm(wire.ConfirmRequest(recommendation_id=name), timeout=CALL_S)
                self.told.confirmed(name)
            waiting.append(name)
            if len(waiting) > 4:
                await self._release(cars, waiting.pop(rng.randrange(len(waiting))))

    async def _release(self, cars: rpc.ChargingServiceAsyncStub, name: str) -> None:
        # From here on it may be given back already, whether or not we hear of it.
        self.told.releasing(name)
        try:
            await cars.Release(wire.ReleaseRequest(recommendation_id=name), timeout=CALL_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                raise
            return
        self.told.released(name)


async def _cancelled(tasks: list[asyncio.Task[None]]) -> list[BaseException | None]:
    """How the tasks ended; asked again and again, as `wait_for` may swallow a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)
    return [asyncio.CancelledError() if task.cancelled() else task.exception() for task in tasks]
