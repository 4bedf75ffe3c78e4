"""Cars that ask a coordinator without a pause while a test does something to it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from served_brain import asking, station

from city_sim.messages import station_message
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc


@dataclass
class Answers:
    """What the cars were told, newest last, and how long they waited."""

    told: list[wire.RecommendResponse] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def more(self, count: int = 3) -> list[wire.RecommendResponse]:
        """So many answers whose requests were made after this call."""
        # One may be under way.
        wanted = len(self.told) + count + 1
        while len(self.told) < wanted:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 60)
        return self.told[-count:]


@asynccontextmanager
async def asking_cars(address: str, at_least: int = 3) -> AsyncIterator[Answers]:
    """Three cars in turn; every request must be answered with a pile, or leaving this raises."""
    answers = Answers()
    async with grpc.aio.insecure_channel(address) as channel:
        operator = operator_rpc.OperatorServiceStub(channel)
        stations = [station_message(station(name, km, 4)) for name, km in (("A", 1.0), ("B", 2.0))]
        await operator.PutStations(op.PutStationsRequest(stations=stations), timeout=10)
        stub = rpc.ChargingServiceStub(channel)
        stop = asyncio.Event()

        async def ask() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                request = asking(f"car-{number % 3}", number, user_id="somebody")
                started_s = time.monotonic()
                answer = await stub.Recommend(request, timeout=20)
                assert answer.HasField("promise"), answer.empty_text
                answers.took_s.append(time.monotonic() - started_s)
                answers.told.append(answer)
                answers.news.set()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.005)

        task = asyncio.create_task(ask(), name="test:cars")
        try:
            more = asyncio.create_task(answers.more(at_least), name="test:first")
            await asyncio.wait({task, more}, return_when=asyncio.FIRST_COMPLETED)
            more.cancel()
            yield answers
        finally:
            stop.set()
            await task
