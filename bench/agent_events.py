"""What happens at the piles while the agent is measured: cars come and go, parts break, bays fill.

About two EVSEs in five charge, so that their meters move each second; the rest stand idle. The same
seed gives the same day. Everything is done through the simulator's own BenchService.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import NoReturn

import grpc

from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1.bench_service_pb2_grpc import BenchServiceStub

CHARGING_SHARE = 0.4
# 80 EVSEs see something happen every other second, which is far livelier than a real day.
EVENT_EVERY_S, EVSES_OF_THAT = 2.0, 80
# One event in so many breaks something for a few seconds, another moves a bay sensor.
FAULT_EVERY, BAY_EVERY = 8, 5
FAULT_S = 6.0
TIMEOUT_S = 10.0
FAULTS = ("GroundFailure", "OverCurrentFailure", "PilotFault")
SILENCE = "wire:silent"


async def plug_in_many(address: str, evse_ids: Sequence[str], rng: random.Random) -> set[str]:
    """The EVSEs that charge after this."""
    busy = set(rng.sample(sorted(evse_ids), round(len(evse_ids) * CHARGING_SHARE)))
    async with grpc.aio.insecure_channel(address) as channel:
        stub = BenchServiceStub(channel)
        for evse_id in sorted(busy):
            await stub.PlugIn(_car(evse_id, rng), timeout=TIMEOUT_S)
    return busy


async def live(
    address: str, busy: set[str], idle: set[str], faults: Sequence[str], rng: random.Random
) -> NoReturn:
    """Lets something happen now and then until cancelled; `faults` may befall a pile."""
    evse_ids = sorted(busy | idle)
    most = round(len(evse_ids) * CHARGING_SHARE)
    every_s = EVENT_EVERY_S * EVSES_OF_THAT / len(evse_ids)
    async with grpc.aio.insecure_channel(address) as channel:
        stub = BenchServiceStub(channel)
        number = 0
        while True:
            await asyncio.sleep(every_s)
            number += 1
            evse_id = rng.choice(evse_ids)
            if number % FAULT_EVERY == 0:
                kind = rng.choice(faults)
                await stub.InjectFault(
                    pb.InjectFaultRequest(evse_id=evse_id, fault=kind, duration_s=FAULT_S),
                    timeout=TIMEOUT_S,
                )
            elif number % BAY_EVERY == 0:
                taken = rng.random() < 0.5 or evse_id in busy
                wish = pb.SetBayRequest(evse_id=evse_id, occupied=taken)
                await stub.SetBay(wish, timeout=TIMEOUT_S)
            elif len(busy) >= most:
                evse_id = rng.choice(sorted(busy))
                busy.remove(evse_id)
                idle.add(evse_id)
                await stub.Unplug(pb.UnplugRequest(evse_id=evse_id), timeout=TIMEOUT_S)
            else:
                evse_id = rng.choice(sorted(idle))
                idle.remove(evse_id)
                busy.add(evse_id)
                await stub.PlugIn(_car(evse_id, rng), timeout=TIMEOUT_S)


def _car(evse_id: str, rng: random.Random) -> pb.PlugInRequest:
    return pb.PlugInRequest(
        evse_id=evse_id, battery_kwh=80, soc_pct=rng.uniform(10, 40), target_soc_pct=95
    )
