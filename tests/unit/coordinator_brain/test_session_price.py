"""The price of this session: energy, time, standing idle, by the hours in which it happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import structlog
from served_brain import HERE, district_of, station

from coordinator.core.district import District
from coordinator.core.pile import Tariff, TariffElement
from coordinator.core.recommend.columns import Columns
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.pipeline import rank
from coordinator.core.recommend.price import breakdown, idle_s
from coordinator.core.recommend.tariff_clock import OneStay, Stay, TariffClock
from coordinator.core.vehicle import ChargePlace, ChargingRequest, Vehicle
from coordinator.store.memory import MemoryTelemetry
from coordinator.usecases.lists import Lists

ZONE = "Asia/Shanghai"
NIGHT = TariffElement("ENERGY", 0.4, start_time="22:00", end_time="06:00")
DAY = TariffElement("ENERGY", 1.2)


def at(clock: str, day: int = 25) -> float:
    """Domain time of a local clock time; the 25th of November 2026 is a Wednesday."""
    return datetime(
        2026, 11, day, int(clock[:2]), int(clock[3:]), tzinfo=ZoneInfo(ZONE)
    ).timestamp()


def paid(
    elements: tuple[TariffElement, ...], begin: str, hours: float, kwh: float = 10.0, **more: float
) -> list[float]:
    """Flat, energy, time, standing of a session that begins then, by a table made at 12:00."""
    tariff = Tariff("T", "CNY", elements, ZONE)
    clock = TariffClock([tariff], at("12:00"))
    during = Stay(
        at("12:00"), np.array([at(begin)]), np.array([hours * 3600.0]), np.array([kwh]),
        more.get("setup_s", 0.0), more.get("idle_s", 0.0),
    )  # fmt: skip
    return [round(float(part[0]), 6) for part in clock.parts(np.array([0]), during)]


@pytest.mark.parametrize(
    ("begin", "hours", "energy"),
    [
        ("12:00", 1.0, 12.0),
        ("20:59", 1.0, 12.0),
        ("21:30", 1.0, 8.0),  # half of it by night
        ("21:45", 1.0, 6.0),
        ("22:00", 1.0, 4.0),
        ("21:00", 10.0, 5.6),  # one hour before and one after the night
    ],
)
def test_energy_costs_what_the_hours_of_the_session_cost(
    begin: str, hours: float, energy: float
) -> None:
    """Not what it costs now: a session over the change pays each side its share."""
    assert paid((NIGHT, DAY), begin, hours)[1] == pytest.approx(energy)


def test_time_flat_and_standing_are_priced_too() -> None:
    """Time by the hours of the session; setup and idling by PARKING_TIME; the flat fee once."""
    elements = (
        TariffElement("TIME", 6.0, start_time="22:00", end_time="06:00"),
        TariffElement("TIME", 3.0),
        TariffElement("FLAT", 2.0),
        TariffElement("PARKING_TIME", 12.0),
    )

    parts = paid(elements, "21:30", 1.0, setup_s=600.0, idle_s=900.0)
    assert parts == pytest.approx([2.0, 0.0, 4.5, 5.0])


def test_weekdays_change_the_rate_at_midnight() -> None:
    """Wednesday ends while the car charges."""
    elements = (TariffElement("ENERGY", 2.0, weekdays=(3,)), TariffElement("ENERGY", 1.0))

    assert paid(elements, "23:30", 1.0)[1] == pytest.approx(15.0)


def test_a_tariff_that_ends_leaves_the_price_unknown() -> None:
    """Where it is not valid no price is made up."""
    tariff = Tariff("T", "CNY", (DAY,), ZONE, valid_until_s=at("13:00"))
    clock = TariffClock([tariff], at("12:00"))
    for begin, known in (("12:00", True), ("12:45", False), ("13:00", False)):
        during = Stay(
            at("12:00"), np.array([at(begin)]), np.array([1800.0]), np.array([10.0]), 0.0, 0.0
        )
        total = sum(float(part[0]) for part in clock.parts(np.array([0]), during))
        assert (total == total) is known


def test_a_constant_tariff_needs_no_table_over_the_day() -> None:
    """The usual case stays one slot."""
    assert not TariffClock([Tariff("T", "CNY", (DAY,), ZONE)], at("12:00")).varies
    assert TariffClock([Tariff("T", "CNY", (NIGHT, DAY), ZONE)], at("12:00")).varies


def judged(now_s: float, elements: tuple[TariffElement, ...], **fields: object) -> Columns:
    """Columns of a car at noon or whenever, 1 km from a station of two EVSEs."""
    district = district_of([station("A", 1.0, 2)], now_s, 0.0)
    district.put_tariffs([Tariff("T", "CNY", elements, ZONE)])
    request = ChargingRequest("r", "car", Vehicle(60.0, setup_s=0.0), 50.0, *HERE)
    request = replace(request, **fields)  # type: ignore[arg-type]
    columns = rank(district, request, Context(utc_offset_h=8.0), Models(), now_s).columns
    assert columns is not None
    drive, charge_s = columns.drive, columns.charge_s
    idle = float(idle_s(drive.destination_km[:1], charge_s[:1])[0]) if fields else 0.0
    begin_s = now_s + float(drive.drive_s[0]) + float(columns.wait.p50_s[0])
    during = OneStay(now_s, begin_s, float(charge_s[0]), float(columns.energy_kwh[0]), 0.0, idle)
    lines, _ = breakdown(district, 0, during)
    assert sum(amount for _, amount in lines) == pytest.approx(columns.price[0])
    return columns


def test_pipeline_prices_the_arrival_and_its_lines_add_up() -> None:
    """A car that sets out at 21:55 pays the night's rate for the part after ten."""
    late, early = judged(at("21:57"), (NIGHT, DAY)), judged(at("12:00"), (NIGHT, DAY))

    assert early.price[0] == pytest.approx(1.2 * early.energy_kwh[0])
    assert late.price[0] < early.price[0]


def test_a_full_car_that_blocks_the_bay_pays_for_it() -> None:
    """Who charges at the destination walks there and back: the farther, the longer it stands."""
    elements = (DAY, TariffElement("PARKING_TIME", 30.0))
    place = ChargePlace.AT_DESTINATION
    near = judged(at("12:00"), elements, destination=(HERE[0] + 0.01, HERE[1]), charge_place=place)
    far = judged(at("12:00"), elements, destination=(HERE[0] + 0.05, HERE[1]), charge_place=place)

    assert far.price[0] > near.price[0]


@pytest.mark.parametrize(
    "bad",
    [
        TariffElement("ENERGY", 9.0, start_time="ab:cd", end_time="06:00"),
        TariffElement("ENERGY", 9.0, start_time="25:00", end_time="06:00"),
        TariffElement("ENERGY", 9.0, start_time="7"),
        TariffElement("ENERGY", float("inf")),
        TariffElement("ENERGY", 9.0, weekdays=(0,)),
    ],
)
def test_a_tariff_that_cannot_be_read_is_unknown_and_spares_the_others(bad: TariffElement) -> None:
    """What is stored of an earlier list costs its own stations their price, nobody the answer."""
    tariffs = [Tariff("BAD", "CNY", (bad,), ZONE), Tariff("T", "CNY", (NIGHT, DAY), ZONE)]
    clock = TariffClock(tariffs, at("12:00"))
    begin, hour = np.full(2, at("12:00")), np.full(2, 3600.0)
    during = Stay(at("12:00"), begin, hour, np.full(2, 10.0), 0.0, 0.0)
    energy = clock.parts(np.array([0, 1]), during)[1]

    assert np.isnan(energy[0])
    assert energy[1] == pytest.approx(12.0)


def test_a_stored_tariff_that_cannot_be_read_is_logged_once() -> None:
    """The one with the fault is named with its field when the lists are taken up."""
    bad = Tariff("BAD", "CNY", (TariffElement("ENERGY", 9.0, start_time="7"),), ZONE)
    with structlog.testing.capture_logs() as logs:
        Lists(District(()), MemoryTelemetry(), [bad, Tariff("T", "CNY", (DAY,), ZONE)], (), ())

    assert [(line["tariff"], "start_time" in line["why"]) for line in logs] == [("BAD", True)]
