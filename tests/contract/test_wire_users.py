"""Records of drivers in a real coordinator: level, model and habits decide what a car is told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.protobuf.timestamp_pb2 import Timestamp
from served_brain import HERE, KM_LAT, asking
from wire_agent import pile

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow


def at(from_now_s: float) -> Timestamp:
    return Timestamp(seconds=int(time.time() + from_now_s))


class District:
    """Both clients of a coordinator with twenty piles, 10 km to the north."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.operator = operator_rpc.OperatorServiceStub(channel)
        self.car = charging_rpc.ChargingServiceStub(channel)

    async def set_up(self) -> None:
        """The station."""
        piles = [pile(f"P{number}", "S1") for number in range(20)]
        for facts in piles:
            facts.evses[0].connectors[0].standard = nouns.CONNECTOR_STANDARD_IEC_62196_T2_COMBO
        where = nouns.Position(latitude_deg=HERE[0] + 10.0 * KM_LAT, longitude_deg=HERE[1])
        station = nouns.Station(station_id="S1", position=where, piles=piles)
        await self.operator.PutStations(op.PutStationsRequest(stations=[station]), timeout=10)

    async def put(self, *users: op.UserRecord) -> op.PutUsersResponse:
        """Enters records."""
        return await self.operator.PutUsers(op.PutUsersRequest(users=users), timeout=10)

    async def ask(self, car: str, user: str = "") -> wire.Promise:
        """What a driver in no hurry is promised."""
        request = asking(car, user_id=user, soc_pct=90.0)
        return (await self.car.Recommend(request, timeout=10)).promise


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path)
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def district(coordinator: CoordinatorProcess) -> AsyncIterator[District]:
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        made = District(channel)
        await made.set_up()
        yield made


async def test_a_vip_is_served_first_until_the_record_ends(
    coordinator: CoordinatorProcess, district: District
) -> None:
    """Still for an hour: high; a minute ago: as everybody; by the car as by the name; kept."""
    await district.put(
        op.UserRecord(user_id="now", vip=True, vip_until=at(3_600), vehicle_ids=["their-car"]),
        op.UserRecord(user_id="past", vip=True, vip_until=at(-60)),
        op.UserRecord(user_id="never", vip_until=at(3_600)),
    )
    reasons = {user: (await district.ask(user, user)).level_reason for user in ("now", "past")}
    reasons["never"] = (await district.ask("never", "never")).level_reason
    by_car = await district.ask("their-car")

    await coordinator.kill()
    await coordinator.start()
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        again = await District(channel).ask("later", "now")

    assert reasons["now"] == by_car.level_reason == again.level_reason == "VIP"
    assert by_car.level == nouns.WARNING_LEVEL_HIGH
    assert "VIP" not in (reasons["past"], reasons["never"])


async def test_the_model_and_habits_of_a_driver_are_used(district: District) -> None:
    """A van uses more than the usual car, and its driver charges to 95 %."""
    usual = await district.ask("car-1", "nobody")
    habits = {"target_soc_pct": "95", "covered": "yes"}
    answer = await district.put(op.UserRecord(user_id="driver", vehicle_model="Van", habits=habits))

    told = await district.ask("car-2", "driver")

    assert answer.accepted_count == 1
    assert told.choice.arrival_soc_pct < usual.choice.arrival_soc_pct - 1.0
    assert (usual.choice.target_soc_pct, told.choice.target_soc_pct) == (
        pytest.approx(max(80.0, usual.choice.arrival_soc_pct)), 95.0,
    )  # fmt: skip


async def test_a_habit_that_means_nothing_is_named_and_the_rest_is_taken(
    district: District,
) -> None:
    """The faulty record is refused by the name of the habit."""
    answer = await district.put(
        op.UserRecord(user_id="good", habits={"select_by": "price"}),
        op.UserRecord(user_id="bad", habits={"select_by": "luck"}),
    )

    assert (answer.accepted_count, answer.rejected_count) == (1, 1)
    assert answer.errors[0].field == "users[1].habits[select_by]"
