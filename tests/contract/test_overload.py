"""A district that is asked too much: who waits outside, and that nothing is promised twice."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from itertools import pairwise
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from served_brain import ServedBrain, asking, serve_brain, station

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.vehicle import ChargingRequest, Vehicle, WarningLevel
from coordinator.errors import Overloaded
from coordinator.usecases.admission import BOUNDS, Admission, Bounds
from coordinator.usecases.counters import Counters
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc

TIGHT = {
    WarningLevel.LOW: Bounds(4, 60.0),
    WarningLevel.MEDIUM: Bounds(8, 60.0),
    WarningLevel.HIGH: Bounds(1_000, 60.0),
}
SOC_PCT = {"high": 10.0, "medium": 30.0, "low": 70.0}


class Ticking(Clock):
    """Link time that a test moves on."""

    at_s = 100.0

    def link_s(self) -> float:
        return Ticking.at_s


async def ask(brain: ServedBrain, car: str, soc_pct: float) -> wire.RecommendResponse | float:
    """The answer, or how long to wait before asking again."""
    try:
        return await brain.client.Recommend(asking(car, soc_pct=soc_pct), timeout=30)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return again_s(error)


def again_s(error: Any) -> float:
    """What RetryInfo says."""
    info = error_details_pb2.RetryInfo()
    status = rpc_status.from_call(error)
    assert any(detail.Unpack(info) for detail in status.details)
    return float(info.retry_delay.ToNanoseconds() / 1e9)


async def test_C11_low_levels_wait_outside_first() -> None:
    """Beyond what can be answered low levels are refused with a time, high ones are answered."""
    async with serve_brain([station(f"S{n}", 1.0 + n / 10, 4) for n in range(20)]) as brain:
        brain.brain.recommender.admission.bounds = TIGHT
        asked = [(level, f"{level}-{n}") for n in range(20) for level in ("low", "medium", "high")]
        answers = await asyncio.gather(*(ask(brain, car, SOC_PCT[level]) for level, car in asked))
        refused = Counter(
            level
            for (level, _), answer in zip(asked, answers, strict=True)
            if isinstance(answer, float)
        )
        waits_s = [answer for answer in answers if isinstance(answer, float)]
        counted = brain.counters.values()

    assert refused["high"] == 0
    assert refused["low"] >= refused["medium"] > 0
    assert min(waits_s) >= 1.0
    assert counted["requests_shed"] == sum(refused.values())
    assert counted["requests_shed_low"] == refused["low"]
    assert counted["requests_under_way"] == 0


async def test_C11_who_comes_back_in_time_is_answered() -> None:
    """Refusals leave nothing behind: once the storm is over the same request is answered."""
    async with serve_brain([station("S", 1.0, 4)]) as brain:
        admission = brain.brain.recommender.admission
        admission.bounds = {level: Bounds(0, 60.0) for level in TIGHT}
        refused = await ask(brain, "car-1", 70.0)
        admission.bounds = TIGHT
        answer = await ask(brain, "car-1", 70.0)

    assert isinstance(refused, float)
    assert isinstance(answer, wire.RecommendResponse)
    assert answer.HasField("promise")


async def test_request_outlives_the_call_that_brought_it_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A car hangs up and asks again at once: the second call is answered, with one claim."""
    async with serve_brain([station("S", 1.0, 4)]) as brain:
        claims, granting = brain.brain.claims, asyncio.Event()
        claim, waiting = claims.claim, asyncio.Event()

        async def slow(*args: Any) -> Any:
            waiting.set()
            await granting.wait()
            return await claim(*args)

        asked: list[str] = []
        under_way = brain.brain.recommender._under_way
        made = under_way.made

        async def counted(name: str) -> Any:
            asked.append(name)
            return await made(name)

        monkeypatch.setattr(claims, "claim", slow)
        monkeypatch.setattr(under_way, "made", counted)
        first = brain.client.Recommend(asking("car-1"), timeout=60)
        await asyncio.wait_for(waiting.wait(), 60)
        others = [brain.client.Recommend(asking("car-1"), timeout=60) for _ in range(2)]
        waiting.clear()
        async with asyncio.timeout(60):
            while len(asked) < 3:
                await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait_for(waiting.wait(), 60)
        granting.set()
        answers = [await other for other in others]
        live = list(claims.table.live())

    assert first.cancelled()
    assert answers[0] == answers[1]
    assert [claim.claim_id for claim in live] == [answers[0].promise.choice.hold.claim_id]


def test_refusal_names_the_bound_that_refused() -> None:
    """Too many, or too slow: whichever it was is told, with its figure."""
    admission = Admission(Counters(), District([]), Ticking())
    low = ChargingRequest("r", "c", Vehicle(60.0), 70.0, 22.5, 114.0)
    for _ in range(10):
        with admission.enter(low):
            Ticking.at_s += 0.1001
    admission.under_way = 70
    with pytest.raises(Overloaded, match=r"requests wait 7.0 s, at most 1 s"), admission.enter(low):
        pass
    admission.under_way = 500
    with pytest.raises(Overloaded, match="500 waiting, at most 500"), admission.enter(low):
        pass


@pytest.mark.slow
async def test_C11_storm_in_one_place_is_spread_and_nothing_is_promised_twice() -> None:
    """A thousand cars ask at once from one place: each EVSE is promised once at any instant."""
    stations = [station(f"S{n}", 0.5 + n / 10, 10) for n in range(30)]
    async with serve_brain(stations) as brain, grpc.aio.insecure_channel(brain.target) as channel:
        # However slow the machine is: nobody is refused because it would take long.
        patient = {level: Bounds(b.under_way, math.inf) for level, b in BOUNDS.items()}
        brain.brain.recommender.admission.bounds = patient
        stub = rpc.ChargingServiceStub(channel)
        calls = (
            stub.Recommend(asking(f"car-{n}", soc_pct=10.0), timeout=300) for n in range(1_000)
        )
        answers = await asyncio.gather(*calls, return_exceptions=True)
        live = brain.brain.claims.table.live()
        most = brain.counters.values()["requests_under_way"]

    answered = [a for a in answers if isinstance(a, wire.RecommendResponse)]
    shed = [a for a in answers if isinstance(a, grpc.aio.AioRpcError)]
    windows: dict[str, list[tuple[float, float]]] = {}
    for claim in live:
        windows.setdefault(claim.evse_id, []).append((claim.from_s, claim.to_s))
    assert len(answered) + len(shed) == 1_000
    assert all(e.code() is grpc.StatusCode.RESOURCE_EXHAUSTED for e in shed)
    # A station has thirty places; where many were shed not all stations are needed.
    needed = 30 if not shed else len(answered) // 40
    assert len({evse_id.split("-")[0] for evse_id in windows}) >= needed
    for taken in windows.values():
        assert all(one[1] <= other[0] for one, other in pairwise(sorted(taken)))
    assert most == 0


def test_wait_follows_from_how_fast_answers_come() -> None:
    """Ten answers a second with a hundred under way are a wait of ten seconds."""
    admission = Admission(Counters(), District([]), Ticking())
    request = ChargingRequest("r", "c", Vehicle(60.0), 50.0, 22.5, 114.0)
    for _ in range(11):
        with admission.enter(request):
            Ticking.at_s += 0.1
    admission.under_way = 100

    assert admission.wait_s() == pytest.approx(10.0, rel=0.15)


@pytest.mark.parametrize("pause_s", [0.5, 30.0, 3_600.0])
def test_a_rush_after_a_pause_is_not_refused_for_the_pause(pause_s: float) -> None:
    """Nobody asked for a while, or now and then only: who comes then does not wait for long."""
    admission = Admission(Counters(), District([]), Ticking())
    request = ChargingRequest("r", "c", Vehicle(60.0), 90.0, 22.5, 114.0)
    for _ in range(20):
        Ticking.at_s += pause_s
        with admission.enter(request):
            Ticking.at_s += 0.01
    Ticking.at_s += pause_s

    with contextlib.ExitStack() as stack:
        for _ in range(99):
            stack.enter_context(admission.enter(request))
        wait_s = admission.wait_s()

    assert wait_s < 1.0


def test_a_rush_that_stands_still_is_noticed() -> None:
    """Once a second has gone by without an answer, who can wait is refused."""
    admission = Admission(Counters(), District([]), Ticking())
    request = ChargingRequest("r", "c", Vehicle(60.0), 90.0, 22.5, 114.0)
    Ticking.at_s += 600.0

    with contextlib.ExitStack() as stack:
        for _ in range(99):
            stack.enter_context(admission.enter(request))
        Ticking.at_s += 2.0
        with pytest.raises(Overloaded, match="wait"):
            stack.enter_context(admission.enter(request))
