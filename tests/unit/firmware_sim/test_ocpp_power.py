"""Charging profiles: what is in force, how they stack, and that the pile keeps to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from example_system import ExampleSystem
from hypothesis import given
from hypothesis import strategies as st
from ocpp.v16 import call as call16
from ocpp.v201 import call as call201
from ocpp_simulator import SimulatedStation, simulated

from firmware_sim.core.charging_profile import (
    STATION_MAX,
    TX,
    TX_DEFAULT,
    Connector,
    Period,
    Profile,
    composite,
    limit_kw,
)

IDLE = Connector(1, "", None, 3, 230.0)
BUSY = Connector(1, "7", 0, 3, 230.0)


def profile(purpose: str, watts: float, **more: Any) -> Profile:
    facts = {"profile_id": 1, "connector": 0, "stack_level": 0, "kind": "Absolute", "unit": "W",
             "set_ms": 0, "start_ms": 0, "periods": (Period(0, watts),), **more}  # fmt: skip
    return Profile(purpose=purpose, **facts)


def test_transaction_profile_replaces_the_default_and_the_maximum_bounds_both() -> None:
    """TxProfile before TxDefaultProfile, the smaller of it and the station's maximum counts."""
    default, own = profile(TX_DEFAULT, 7000), profile(TX, 9000, connector=1, transaction="7")
    most = profile(STATION_MAX, 8000)

    assert limit_kw([default, own], BUSY, 0) == 9.0
    assert limit_kw([default, own, most], BUSY, 0) == 8.0
    assert limit_kw([default, own, most], IDLE, 0) == 7.0
    assert limit_kw([], IDLE, 0) is None


def test_higher_stack_level_counts_and_a_connector_before_the_station() -> None:
    """Of one purpose the highest level that says something now, the connector's own first."""
    low, high = profile(TX_DEFAULT, 5000), profile(TX_DEFAULT, 3000, stack_level=2)
    own = profile(TX_DEFAULT, 6000, connector=1)

    assert limit_kw([low, high], IDLE, 0) == 3.0
    assert limit_kw([low, high, own], IDLE, 0) == 6.0
    assert limit_kw([low, high, own], Connector(2, "", None, 3, 230.0), 0) == 3.0


def test_profile_says_nothing_outside_of_its_time() -> None:
    """Validity, duration and begin each end it; a lower one is then in force."""
    short = profile(TX_DEFAULT, 3000, stack_level=1, duration_s=60, valid_from_ms=10_000)
    long = profile(TX_DEFAULT, 5000)

    assert [limit_kw([short, long], IDLE, at_ms) for at_ms in (0, 10_000, 59_999, 60_000)] == [
        5.0, 3.0, 3.0, 5.0,
    ]  # fmt: skip


def test_profile_recurs_daily_and_relative_ones_begin_with_the_transaction() -> None:
    """The second night is like the first; ten minutes after the begin the second period counts."""
    night = profile(TX_DEFAULT, 3000, kind="Recurring", recurrency="Daily", duration_s=3600)
    steps = (Period(0, 6000), Period(600, 4000))
    own = profile(TX, 0, connector=1, kind="Relative", periods=steps, start_ms=None)
    car = Connector(1, "7", 1_000_000, 3, 230.0)

    assert limit_kw([night], IDLE, 86_400_000 + 1000) == 3.0
    assert limit_kw([night], IDLE, 86_400_000 + 3_600_000) is None
    assert limit_kw([own], car, 1_000_000) == 6.0
    assert limit_kw([own], car, 1_600_000) == 4.0


def test_amperes_are_those_of_each_phase() -> None:
    """16 A on three phases are 11.04 kW, on one 3.68 kW."""
    limit = profile(TX_DEFAULT, 16, unit="A")

    assert limit_kw([limit], IDLE, 0) == pytest.approx(11.04)
    assert limit_kw([limit], Connector(1, "", None, 1, 230.0), 0) == pytest.approx(3.68)


@given(
    st.lists(
        st.builds(
            profile,
            st.sampled_from((STATION_MAX, TX_DEFAULT)),
            st.integers(1000, 20_000),
            stack_level=st.integers(0, 3),
            connector=st.integers(0, 2),
            kind=st.sampled_from(("Absolute", "Recurring", "Relative")),
            start_ms=st.integers(-90_000, 90_000).map(lambda s: s * 1000),
            duration_s=st.none() | st.integers(1, 600),
            periods=st.lists(st.integers(0, 300), min_size=1, max_size=4, unique=True).map(
                lambda starts: tuple(Period(s, 1000 + s) for s in sorted({0, *starts}))
            ),
        ),
        max_size=4,
    ),
    st.integers(0, 599),
)
def test_composite_schedule_says_at_each_second_what_is_in_force(
    profiles: list[Profile], second: int
) -> None:
    """For every second the schedule and the limits agree, and it changes at each of its steps."""
    steps = composite(profiles, IDLE, 0, 600, 22.0)

    told = [kw for start_s, kw in steps if start_s <= second][-1]
    limit = limit_kw(profiles, IDLE, second * 1000)
    assert told == min(22.0, 22.0 if limit is None else limit)
    assert all(a[1] != b[1] for a, b in pairwise(steps))


class Grid:
    """A station of one version and its central system."""

    def __init__(self, system: ExampleSystem, station: SimulatedStation) -> None:
        self.system = system
        self.station = station
        self.is_old = system.version == "ocpp1.6"

    async def put(self, connector: int, purpose: str, watts: float, **more: Any) -> str:
        """Sends a profile; gives the answer."""
        schedule = {
            "charging_rate_unit": "W",
            "charging_schedule_period": [{"start_period": 0, "limit": watts}],
        }
        if not self.is_old:
            schedule["id"] = 1
            purpose = purpose.replace("ChargePoint", "ChargingStation")
        told = {
            "charging_profile_id" if self.is_old else "id": 1,
            "stack_level": 0,
            "charging_profile_purpose": purpose,
            "charging_profile_kind": "Relative",
            "charging_schedule": schedule if self.is_old else [schedule],
            **more,
        }
        kind = (call16 if self.is_old else call201).SetChargingProfile
        return str((await self.system.ask(kind(connector, told))).status)

    async def clear(self, number: int) -> str:
        """Takes a profile away; gives the answer."""
        kind = (call16 if self.is_old else call201).ClearChargingProfile
        return str((await self.system.ask(kind(number))).status)

    @property
    def power_kw(self) -> float:
        """What the first EVSE gives now."""
        return self.station.simulator.fleet.evse("B-01*1").power_kw


@pytest.fixture(params=("ocpp1.6", "ocpp2.0.1"))
async def grid(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Grid]:
    """A car charges at 60 kW at the first of two EVSEs."""
    async with AsyncExitStack() as stack:
        system = ExampleSystem(request.param)
        await system.open()
        stack.push_async_callback(system.close)
        station = await stack.enter_async_context(
            simulated(tmp_path, request.param, system.url(), mode="stepped")
        )
        await system.until(lambda: len(system.heard("StatusNotification")) >= 2)
        made = Grid(system, station)
        await station.plug(1)
        begin = "StartTransaction" if made.is_old else "TransactionEvent"
        await system.until(lambda: system.heard(begin))
        await station.advance(60)
        assert made.power_kw == pytest.approx(60.0)
        yield made
        assert system.wrong == []


async def test_pile_keeps_to_a_profile_from_the_moment_it_has_it(grid: Grid) -> None:
    """The power falls with the answer and rises when the profile is cleared."""
    put = await grid.put(1, "TxDefaultProfile", 20_000)
    limited = grid.power_kw
    gone = await grid.clear(1)
    unknown = await grid.clear(1)

    assert (put, limited) == ("Accepted", pytest.approx(20.0))
    assert (gone, unknown) == ("Accepted", "Unknown")
    assert grid.power_kw == pytest.approx(60.0)


async def test_profile_below_the_least_power_suspends_the_car(grid: Grid) -> None:
    """Nothing flows and the transaction goes on, suspended by the pile."""
    await grid.put(0, "ChargePointMaxProfile", 500)

    if grid.is_old:
        await grid.system.wait_for("StatusNotification", status="SuspendedEVSE")
    else:
        await grid.system.until(
            lambda: [
                event
                for event in grid.system.heard("TransactionEvent")
                if event["transactionInfo"]["chargingState"] == "SuspendedEVSE"
            ]
        )

    assert grid.power_kw == 0
    assert grid.station.simulator.fleet.evse("B-01*1").is_running


async def test_transaction_profile_goes_with_its_transaction(grid: Grid) -> None:
    """It is refused where nothing runs, and the next car charges without it."""
    idle = await grid.put(2, "TxProfile", 10_000)
    taken = await grid.put(1, "TxProfile", 10_000)
    limited = grid.power_kw
    await grid.station.unplug(1)
    await grid.station.plug(1)
    await grid.station.advance(60)
    gone = await grid.clear(1)

    assert (idle, taken, limited) == ("Rejected", "Accepted", pytest.approx(10.0))
    assert gone == "Unknown"
    assert grid.power_kw == pytest.approx(60.0)


@pytest.mark.parametrize(
    ("connector", "more"),
    [(9, {}), (1, {"stack_level": 99}), (0, {"charging_profile_purpose": "TxProfile"})],
)
async def test_profile_that_does_not_fit_is_refused(
    grid: Grid, connector: int, more: dict[str, Any]
) -> None:
    """A connector that is not there, a level too high, a transaction's profile for the station."""
    assert await grid.put(connector, "TxDefaultProfile", 10_000, **more) == "Rejected"


async def test_composite_schedule_is_told_in_either_unit(grid: Grid) -> None:
    """What is in force now in watts; an unknown connector is refused."""
    await grid.put(1, "TxDefaultProfile", 20_000)

    def ask(number: int) -> Any:
        if grid.is_old:
            return call16.GetCompositeSchedule(number, 600, "W")
        return call201.GetCompositeSchedule(600, number, "W")

    known, unknown = await grid.system.ask(ask(1)), await grid.system.ask(ask(9))

    schedule = known.charging_schedule if grid.is_old else known.schedule
    assert schedule["charging_schedule_period"] == [{"start_period": 0, "limit": 20_000}]
    assert str(unknown.status) == "Rejected"


async def test_remote_start_brings_its_profile_along(grid: Grid) -> None:
    """The second EVSE begins at the power that came with the request."""
    schedule: dict[str, Any] = {
        "charging_rate_unit": "W",
        "charging_schedule_period": [{"start_period": 0, "limit": 15_000}],
    }
    told: dict[str, Any] = {
        "charging_profile_id" if grid.is_old else "id": 3,
        "stack_level": 0,
        "charging_profile_purpose": "TxProfile",
        "charging_profile_kind": "Relative",
    }
    if grid.is_old:
        told["charging_schedule"] = schedule
        wish: Any = call16.RemoteStartTransaction("ANNA", 2, told)
    else:
        told["charging_schedule"] = [{"id": 1, **schedule}]
        token = {"id_token": "ANNA", "type": "Central"}
        wish = call201.RequestStartTransaction(token, 5, 2, charging_profile=told)
    answer = await grid.system.ask(wish)
    await grid.station.plug(2)
    begin = "StartTransaction" if grid.is_old else "TransactionEvent"
    await grid.system.until(lambda: [c for c in grid.system.heard(begin) if "ANNA" in str(c)])

    assert str(answer.status) == "Accepted"
    async with asyncio.timeout(60):
        while grid.station.simulator.fleet.evse("B-01*2").limit_kw != 15.0:
            await asyncio.sleep(0.02)
