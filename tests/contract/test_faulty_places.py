"""Rows of the list of faults about cars and places, against a real coordinator process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from served_brain import HERE, asking, station
from small_town import SmallTown, open_town

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BROKEN, CHARGING = nouns.EVSE_STATUS_OUTOFORDER, nouns.EVSE_STATUS_CHARGING
OFFER_S = 30.0
ENDS_WITHIN_S = 1.0
OCCUPIED, EXPIRED = 3, 6


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmallTown]:
    stations = [station("A", 1.0, evse_count=2), station("B", 2.0)]
    async with open_town(tmp_path, stations) as opened:
        yield opened


class Guided:
    """A car that follows its guidance."""

    def __init__(self, town: SmallTown, recommendation_id: str) -> None:
        self._call = town.cars.Guide()
        self._opening = wire.GuideOpen(recommendation_id=recommendation_id)

    async def open(self) -> None:
        """Returns with the promise as it stands."""
        await self._call.write(wire.GuideRequest(open=self._opening))
        await self.changed_to("")

    async def changed_to(self, code: str) -> wire.Promise:
        """The next promise that was changed for this reason."""
        async with asyncio.timeout(60):
            while True:
                message = await self._call.read()
                assert message is not grpc.aio.EOF
                if message.HasField("promise") and message.promise.change.code == code:
                    return message.promise

    def hang_up(self) -> None:
        """Ends the stream."""
        self._call.cancel()


async def test_C12_cars_of_a_faulty_station_hear_of_another_the_higher_level_first(
    town: SmallTown,
) -> None:
    """Two cars lose their piles at once: the needier gets the one that is left, within 2 s."""
    took_s = []
    async with town.agent() as agent:
        for turn in range(3):
            await town.report(agent)
            await town.known(A_1=nouns.EVSE_STATUS_AVAILABLE, A_2=nouns.EVSE_STATUS_AVAILABLE)
            calm = await town.confirmed(f"calm-{turn}", soc_pct=70.0)
            needy = await town.confirmed(f"needy-{turn}", soc_pct=6.0)
            cars = [Guided(town, p.recommendation_id) for p in (calm, needy)]
            for car in cars:
                await car.open()

            await town.report(agent, A_1=BROKEN, A_2=BROKEN)
            since_s = time.monotonic()
            first, second = await asyncio.gather(
                *(car.changed_to("PILE_FAILED") for car in reversed(cars))
            )
            took_s.append(time.monotonic() - since_s)

            assert {calm.choice.evse.evse_id, needy.choice.evse.evse_id} == {"A-1*1", "A-2*1"}
            assert needy.level < calm.level  # the lower number goes first
            assert first.choice.evse.evse_id == "B-1*1"
            assert first.choice.hold.queue_position == 0
            assert second.choice.evse.evse_id != "B-1*1" or second.choice.hold.queue_position == 1
            for car, promise in zip(cars, (calm, needy), strict=True):
                car.hang_up()
                name = promise.recommendation_id
                await town.cars.Release(wire.ReleaseRequest(recommendation_id=name))

    print(f"re-recommended within {min(took_s):.3f} s at best, {max(took_s):.3f} s at worst")
    # The machine may be busy with others; the coordinator itself is not slow three times.
    assert min(took_s) <= 2.0


async def test_C13_full_district_says_why_and_when_something_frees(town: SmallTown) -> None:
    """Every pile charges and all turns behind are given away: no place, the reason, the instant."""
    async with town.agent() as agent:
        await town.report(agent, A_1=CHARGING, A_2=CHARGING, B_1=CHARGING)
        await town.known(A_1=CHARGING, A_2=CHARGING, B_1=CHARGING)
        for number in range(20):
            answer = await town.ask(f"car-{number}")
            if not answer.HasField("promise"):
                break

    assert not answer.HasField("promise")
    assert answer.empty_reason == "NOTHING_FREE"
    assert answer.empty_text
    assert answer.next_free_at.seconds > time.time() - 5.0


async def test_C13_district_out_of_order_invents_neither_a_place_nor_an_instant(
    town: SmallTown,
) -> None:
    """Every pile is broken: no place, the reason, and no promise of when."""
    async with town.agent() as agent:
        await town.report(agent, A_1=BROKEN, A_2=BROKEN, B_1=BROKEN)
        await town.known(A_1=BROKEN, A_2=BROKEN, B_1=BROKEN)
        answer = await town.ask("car-1")

    assert not answer.HasField("promise")
    assert answer.empty_reason == "NOTHING_REACHABLE"
    assert answer.empty_text
    assert not answer.HasField("next_free_at")


async def test_C13_place_that_nobody_hears_of_is_never_called_free(tmp_path: Path) -> None:
    """The agent is gone: what is still recommended is UNKNOWN and says so."""
    async with open_town(tmp_path, [station("A", 1.0)], stale_after_s=1.0) as town:
        async with town.agent() as agent:
            await town.report(agent)
        await town.known(A_1=nouns.EVSE_STATUS_UNKNOWN)
        choice = (await town.ask("car-1")).promise.choice

    assert choice.status == nouns.EVSE_STATUS_UNKNOWN


def with_position(latitude_deg: float, longitude_deg: float) -> wire.RecommendRequest:
    request = asking("car-1")
    request.position.latitude_deg, request.position.longitude_deg = latitude_deg, longitude_deg
    return request


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (with_position(NAN, HERE[1]), "position.latitude_deg"),
        (with_position(HERE[0], INF), "position.longitude_deg"),
        (with_position(HERE[1], HERE[0]), "position.latitude_deg"),
        (with_position(-41.0, -72.0), "position"),
        (asking("car-1", soc_pct=300.0), "soc_pct"),
        (asking("car-1", soc_pct=-1.0), "soc_pct"),
        (asking("car-1", soc_pct=NAN), "soc_pct"),
        (asking("car-1", target_soc_pct=NAN), "target_soc_pct"),
    ],
    ids=["nan", "inf", "swapped", "elsewhere", "soc-300", "soc-below-0", "soc-nan", "target-nan"],
)
async def test_V4_numbers_that_cannot_be_are_refused_with_their_field(
    town: SmallTown, request_: Message, field: str
) -> None:
    """INVALID_ARGUMENT names the field; the next request is answered."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await town.cars.Recommend(request_, timeout=30)
    after = await town.ask("car-2")

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in named_fields(refused.value)
    assert after.promise.choice.hold.claim_id


def named_fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Fields that a refusal blames."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    bad = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
    return [violation.field for violation in bad.field_violations]


def ended(database: Path, claim_id: str) -> dict[int, float]:
    """When a claim came into each of its states, by the journal."""
    found: dict[int, float] = {}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        for at_s, claims in connection.execute("SELECT at_s, claims FROM step ORDER BY seq"):
            for claim in json.loads(claims):
                if claim[0] == claim_id:
                    found.setdefault(claim[6], at_s)
    return found


async def test_V5_offer_to_a_car_that_disappears_ends_after_30_s(tmp_path: Path) -> None:
    """Nothing more is heard of the car: the place is free a second later, for somebody else."""
    async with open_town(tmp_path, [station("A", 1.0)]) as town:
        gone = (await town.ask("car-1")).promise
        journal, claim_id = town.process.data_dir / "claims.db", gone.choice.hold.claim_id
        async with asyncio.timeout(OFFER_S * 2):
            while EXPIRED not in (states := ended(journal, claim_id)):
                await asyncio.sleep(0.2)
        other = (await town.ask("car-2")).promise

    lasted_s = states[EXPIRED] - states[1]
    print(f"the offer lasted {lasted_s:.2f} s")
    assert other.choice.evse.evse_id == gone.choice.evse.evse_id
    assert other.choice.hold.queue_position == 0
    assert OFFER_S <= lasted_s <= OFFER_S + ENDS_WITHIN_S + 1.0


async def test_V5_firm_promise_to_a_car_that_disappears_ends_with_its_lease(
    tmp_path: Path,
) -> None:
    """Nothing more is heard of a car under way: its lease ends, and the place is free at once."""
    speed = 120.0
    config = f"[clock]\nepoch_at_ms = {int(time.time() * 1000)}\n"
    config += f"anchor_s = {time.monotonic()}\nspeed = {speed}\n"
    async with open_town(tmp_path, [station("A", 1.0)], more=config) as town:
        gone = await town.confirmed("car-1")
        until_s = gone.choice.hold.until.seconds + gone.choice.hold.until.nanos / 1e9
        journal, claim_id = town.process.data_dir / "claims.db", gone.choice.hold.claim_id
        async with asyncio.timeout(60):
            while max(states := ended(journal, claim_id)) <= OCCUPIED:
                await asyncio.sleep(0.1)
        other = (await town.ask("car-2")).promise

    late_s = (max(states.values()) - until_s) / speed
    print(f"free {late_s:.2f} s after the lease")
    assert other.choice.hold.queue_position == 0
    assert -0.1 <= late_s <= ENDS_WITHIN_S + 1.0
