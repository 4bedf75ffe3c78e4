"""What a soak does to a coordinator: cars that hang up, agents that come again, models that change.

How the process fares meanwhile is measured in `soak.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc

from bench.web import PLACE, batch, piles
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import edge_service_pb2_grpc as edge_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

CARS, CAR_TASKS = 300, 8
CALLS_A_CHANNEL = 40
SWAP_S = 10.0
OWN_POOL = [("grpc.use_local_subchannel_pool", 1)]
# What a caller is told in the ordinary course of a soak.
ORDINARY = frozenset({grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED})


class Load:
    """Everything that goes on; `done` counts it, `failed` what should not have happened."""

    def __init__(self, target: str, bundle: Path, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._target = target
        self._bundle = bundle
        self._rng = random.Random(seed)

    @property
    def swapped(self) -> bool:
        """Whether a change of models has come to an end."""
        return self.done["model_swaps"] + self.done["swaps_refused"] > 0

    async def run(self) -> None:
        """Goes on until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(CAR_TASKS):
                group.create_task(self._cars(number), name=f"soak:cars-{number}")
            for name, work in (
                ("agent", self._agent()),
                ("watches", self._watches()),
                ("swaps", self._swaps()),
            ):
                group.create_task(work, name=f"soak:{name}")

    async def _cars(self, task: int) -> None:
        """Cars of one task, one after the other, over connections that do not last."""
        number = 0
        while True:
            async with grpc.aio.insecure_channel(self._target, options=OWN_POOL) as channel:
                stub = charging_rpc.ChargingServiceStub(channel)
                for _ in range(CALLS_A_CHANNEL):
                    number += 1
                    car = f"car-{task}-{number % (CARS // CAR_TASKS)}"
                    with suppress(TimeoutError):
                        await self._noted(self._car(stub, car, f"{task}-{number}"))
            self.done["reconnects"] += 1

    async def _noted(self, work: Any) -> None:
        try:
            await work
        except grpc.aio.AioRpcError as error:
            if error.code() not in ORDINARY:
                self.failed[f"{error.code().name}: {error.details()}"] += 1

    async def _car(self, stub: charging_rpc.ChargingServiceStub, car: str, name: str) -> None:
        """One car's story."""
        where = nouns.Position(
            latitude_deg=PLACE[0] + self._rng.uniform(-0.05, 0.05),
            longitude_deg=PLACE[1] + self._rng.uniform(-0.05, 0.05),
        )
        request = charging.RecommendRequest(
            request_id=name,
            vehicle_id=car,
            soc_pct=self._rng.uniform(5.0, 80.0),
            position=where,
            vehicle=charging.VehicleProfile(battery_kwh=60.0),
        )
        call = stub.Recommend(request, timeout=20)
        if self._rng.random() < 0.3:
            await asyncio.sleep(self._rng.uniform(0.0, 0.02))
            call.cancel()
            self.done["cancelled"] += 1
            return
        answer = await call
        self.done["recommended"] += 1
        if not answer.HasField("promise"):
            return
        recommendation_id = answer.promise.recommendation_id
        if self._rng.random() < 0.5:
            await self._guided(stub, recommendation_id, where)
        release = charging.ReleaseRequest(recommendation_id=recommendation_id)
        await stub.Release(release, timeout=20)

    async def _guided(
        self, stub: charging_rpc.ChargingServiceStub, name: str, where: nouns.Position
    ) -> None:
        """A guidance that ends by hanging up."""
        call = stub.Guide()
        try:
            opening = charging.GuideOpen(recommendation_id=name)
            await call.write(charging.GuideRequest(open=opening))
            progress = charging.Progress(position=where, soc_pct=40.0)
            await call.write(charging.GuideRequest(progress=progress))
            async with asyncio.timeout(10):
                for _ in range(2):
                    if await call.read() is grpc.aio.EOF:
                        break
            self.done["guided"] += 1
        finally:
            call.cancel()

    async def _agent(self) -> None:
        """One agent that brings all piles and hangs up every few seconds."""
        names = [evse.evse_id for pile in piles() for evse in pile.evses]
        number = 1
        while True:
            async with grpc.aio.insecure_channel(self._target, options=OWN_POOL) as channel:
                call = edge_rpc.EdgeServiceStub(channel).Connect()
                hello = edge.Hello(
                    agent_id="soak", spool_id="bench", next_record_seq=number, piles=piles()
                )
                await call.write(edge.ConnectRequest(hello=hello))
                await call.read()
                for turn in range(60):
                    some = self._rng.sample(names, 50)
                    free = [nouns.EVSE_STATUS_AVAILABLE] * len(some)
                    await call.write(batch(number, some, free))
                    number += len(some)
                    if turn % 5 == 0:
                        await call.read()
                    await asyncio.sleep(0.1)
                call.cancel()
            self.done["agent_returns"] += 1

    async def _watches(self) -> None:
        """An operator who looks in and goes again."""
        async with grpc.aio.insecure_channel(self._target, options=OWN_POOL) as channel:
            stub = op_rpc.OperatorServiceStub(channel)
            while True:
                call = stub.Watch(op.OperatorServiceWatchRequest())
                with suppress(TimeoutError):
                    async with asyncio.timeout(2):
                        for _ in range(5):
                            await call.read()
                call.cancel()
                self.done["watches"] += 1

    async def _swaps(self) -> None:
        """Bundles that take turns."""
        async with grpc.aio.insecure_channel(self._target, options=OWN_POOL) as channel:
            stub = op_rpc.OperatorServiceStub(channel)
            while True:
                for folder in (str(self._bundle), ""):
                    request = op.ActivateModelRequest(bundle_path=folder)
                    try:
                        await stub.ActivateModel(request, timeout=120)
                        self.done["model_swaps"] += 1
                    except grpc.aio.AioRpcError as error:
                        # On a busy machine a bundle's trial takes too long.
                        if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                            raise
                        self.done["swaps_refused"] += 1
                    await asyncio.sleep(SWAP_S)
