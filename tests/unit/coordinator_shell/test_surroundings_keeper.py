"""Surroundings as they come in: from a file, from cars under way, from agents."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from wire_agent import batch, pile
from wired_ingest import WiredIngest

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.pile import Evse, Pile, Station
from coordinator.core.recommend.way import grade_of
from coordinator.core.rows import Rows
from coordinator.core.surroundings import ContextValue, Surroundings, cell_at, cell_text
from coordinator.errors import ImportInvalid
from coordinator.importers.context import load_context
from coordinator.jobs.context_file import ContextFile
from coordinator.usecases.events import Events
from coordinator.usecases.surroundings import (
    PEOPLE_STAY_S,
    SPEED_TTL_S,
    SPEEDS_WANTED,
    SurroundingsKeeper,
)
from coordinator.usecases.telemetry import TelemetryStore

Opener = Callable[[], TelemetryStore]
HERE = (22.54, 114.05)
KM_LAT = 1.0 / 111.2


def keeper(store: TelemetryStore | None = None) -> SurroundingsKeeper:
    one = Pile("P1", "S1", (Evse("P1*1", ()),))
    district = District([Station("S1", "One", *HERE, (one,))])
    return SurroundingsKeeper(Surroundings(), district, Clock(), store)


def here(made: SurroundingsKeeper, name: str) -> ContextValue | None:
    return made.surroundings.of(name, *HERE, time.time())


async def test_what_was_told_survives_a_restart_and_the_old_is_dropped(open_store: Opener) -> None:
    """Values come back with source and instant; those that stand no more are not kept."""
    store, now_s = open_store(), time.time()
    made, cell = keeper(store), cell_at(*HERE)
    old = ContextValue(cell, "traffic_grade", 3.0, "x", now_s - 100.0, 50.0)
    value = ContextValue(cell, "temperature_c", 31.5, "weather", now_s, 7_200.0)
    await store.put_context([old], 0.0)
    await made.put([ContextValue(cell, "temperature_c", 20.0, "weather", now_s - 60.0, 7_200.0)])
    await made.put([value])
    await store.close()

    assert open_store().load().context == [value]
    assert here(made, "temperature_c") == value


def test_cars_under_way_tell_the_traffic() -> None:
    """Three cars at 12 km/h where 40 is free: share 0.3, between grades 4 and 5."""
    made = keeper()
    start = HERE[0] - 0.2 * KM_LAT, HERE[1]
    passed_s = 0.2 * 1.3 / 12.0 * 3_600.0
    for _ in range(SPEEDS_WANTED - 1):
        made.moved(start, HERE, passed_s)
    assert here(made, "traffic_grade") is None

    made.moved(start, HERE, passed_s)

    seen = here(made, "traffic_grade")
    assert seen is not None
    assert (seen.source, seen.ttl_s) == ("guide", SPEED_TTL_S)
    assert seen.value == pytest.approx(4.2, abs=0.01)


def test_a_car_that_says_its_speed_is_believed_before_its_fixes() -> None:
    """40 km/h by its own word is free, however far apart its fixes are."""
    made = keeper()
    for _ in range(SPEEDS_WANTED):
        made.moved((HERE[0] - 0.1 * KM_LAT, HERE[1]), HERE, 60.0, speed_kmh=40.0)

    seen = here(made, "traffic_grade")

    assert seen is not None
    assert seen.value == 1.0


@pytest.mark.parametrize(
    ("moved_km", "passed_s"), [(0.04, 20.0), (0.2, 4.9), (0.2, 300.1), (0.2, float("inf"))]
)
def test_a_parked_or_silent_car_says_nothing_of_the_traffic(
    moved_km: float, passed_s: float
) -> None:
    """Standing, fixes at once, or a long silence between: no speed is made of it."""
    made = keeper()
    for _ in range(SPEEDS_WANTED * 2):
        made.moved((HERE[0] - moved_km * KM_LAT, HERE[1]), HERE, passed_s)

    assert here(made, "traffic_grade") is None


def test_agents_tell_people_and_warmth_around_their_piles() -> None:
    """20 people who stay 5 minutes are 240 an hour; the thermometer is taken as it is."""
    made = keeper()
    rows = Rows(
        evse=np.zeros(2, np.intp),
        kind=np.ones(2, np.int8),
        observed_at_s=np.full(2, time.time()),
        status=np.ones(2, np.int8),
        source=np.ones(2, np.int8),
        around={"people_count": {0: 20.0}, "ambient_temperature_c": {1: -3.0}},
    )

    made.on_rows(rows)

    people, warmth = here(made, "people_flow_per_h"), here(made, "temperature_c")
    assert people is not None
    assert warmth is not None
    assert people.value == pytest.approx(20 * 3_600 / PEOPLE_STAY_S)
    assert (warmth.value, warmth.source) == (-3.0, "agent")


CSV = """h3_cell,latitude_deg,longitude_deg,name,value,source,ttl_s
{cell},,,temperature_c,31,weather,
,22.54,114.05,traffic_grade,4,police,600
"""
BAD = """nonsense,,,temperature_c,31,weather,
{cell},,,temperature_c,nan,weather,
{cell},,,luck,7,,
{cell},,,height_m,99999,,
"""


def test_a_file_gives_values_of_cells_and_places(tmp_path: Path) -> None:
    """A cell or a place names where; what is not said is usual: now, and an hour."""
    path = tmp_path / "context.csv"
    path.write_text(CSV.format(cell=cell_text(cell_at(*HERE))))

    values = load_context(path, 1_000.0)

    cell = cell_at(*HERE)
    assert values == [
        ContextValue(cell, "temperature_c", 31.0, "weather", 1_000.0, 3_600.0),
        ContextValue(cell, "traffic_grade", 4.0, "police", 1_000.0, 600.0),
    ]


def test_every_bad_row_of_a_file_is_named(tmp_path: Path) -> None:
    """An import is whole or not at all: each faulty line is told."""
    cell = cell_text(cell_at(*HERE))
    path = tmp_path / "context.csv"
    path.write_text((CSV + BAD).format(cell=cell))

    with pytest.raises(ImportInvalid) as caught:
        load_context(path, 1_000.0)

    assert [p.where for p in caught.value.problems] == [f"{path}:{n}" for n in (4, 5, 6, 7)]


async def test_a_watched_file_is_taken_without_its_bad_rows(tmp_path: Path) -> None:
    """Good rows count, each bad one is refused; the same file is not read twice."""
    made, clock = keeper(), Clock()
    events = Events(clock.now_s, clock.system_s)
    path = tmp_path / "context.csv"
    watch = ContextFile(path, made, clock, events)
    assert await watch.look() == 0
    path.write_text((CSV + BAD).format(cell=cell_text(cell_at(*HERE))))

    assert await watch.look() == 2
    assert await watch.look() == 0
    value = here(made, "temperature_c")
    assert value is not None
    assert value.value == 31.0


async def test_a_watched_file_is_read_again_when_it_was_written(tmp_path: Path) -> None:
    """JSON works as well; a file that is broken for a moment changes nothing."""
    made, clock = keeper(), Clock()
    path = tmp_path / "context.json"
    watch = ContextFile(path, made, clock, Events(clock.now_s, clock.system_s))
    entry = {"h3_cell": cell_text(cell_at(*HERE)), "name": "temperature_c", "value": 10}
    path.write_text(json.dumps([entry]))
    await watch.look()

    path.write_text(json.dumps([entry])[:-5])
    assert await watch.look() == 0
    path.write_text(json.dumps([entry | {"value": 12.25}]))

    assert await watch.look() == 1
    value = here(made, "temperature_c")
    assert value is not None
    assert value.value == 12.25


async def test_what_an_agent_counts_reaches_the_surroundings(ingest: WiredIngest) -> None:
    """People and warmth of a batch on the wire are told by row; absent ones are not 0."""
    await ingest.introduce("agent-1", pile("P1"), pile("P2"))
    made = SurroundingsKeeper(Surroundings(), ingest.district, ingest.clock)
    ingest.learner.on_surroundings.append(made.on_rows)
    report = batch("spool-1", 1, ["P1*1", "P2*1"])
    report.people_count.values.extend([7.0, 0.0])
    report.people_count.presence = b"\x01"
    report.ambient_temperature_c.values.extend([-4.5, 0.0])
    report.ambient_temperature_c.presence = b"\x01"

    link = await ingest.report(report)
    await ingest.believed()

    assert not any(link.acks.values())
    place = 22.5, 114.0
    now_s = ingest.clock.now_s()
    people = made.surroundings.of("people_flow_per_h", *place, now_s)
    warmth = made.surroundings.of("temperature_c", *place, now_s)
    assert people is not None
    assert warmth is not None
    assert people.value == pytest.approx(7 * 3_600 / PEOPLE_STAY_S)
    assert warmth.value == -4.5


def test_speeds_are_measured_by_what_is_free_on_that_road() -> None:
    """40 km/h is free in a street, and slow where 100 is free: the mean of both ends of the way."""
    made, start = keeper(), (HERE[0] - 0.5 * KM_LAT, HERE[1])
    made.free_kmh_at = lambda place: 100.0 if place == HERE else 60.0
    passed_s = 0.5 * 1.3 / 40.0 * 3_600.0
    for _ in range(SPEEDS_WANTED):
        made.moved(start, HERE, passed_s)

    seen = here(made, "traffic_grade")

    assert seen is not None
    assert seen.value == pytest.approx(grade_of(0.5), abs=0.01)


def test_a_car_that_says_its_speed_is_measured_by_where_it_is() -> None:
    """30 km/h by its own word, on a road where 120 is free, is a jam."""
    made = keeper()
    made.free_kmh_at = lambda place: 120.0 if place == HERE else 30.0
    for _ in range(SPEEDS_WANTED):
        made.moved((HERE[0] - 0.1 * KM_LAT, HERE[1]), HERE, 60.0, speed_kmh=30.0)

    seen = here(made, "traffic_grade")

    assert seen is not None
    assert seen.value == pytest.approx(grade_of(0.25), abs=0.01)
