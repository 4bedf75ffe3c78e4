"""A stored day replayed with a change: what is read, what is changed, what comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from stored_town import BEGINS_S, DAY, STAY_S, asked, came, stations, store_day

from city_sim.whatif import command
from city_sim.whatif.changes import Change, demands_after, parse_added, stations_after
from city_sim.whatif.day import DayScene, scene_of
from city_sim.whatif.errors import ChangeInvalid, DayEmpty, StoreUnreadable
from city_sim.whatif.stored import read_day
from coordinator.core.pile import PlannedOutage
from coordinator.store.sqlite import SqliteTelemetry


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A morning of fourteen cars at two stations of two plugs."""
    store_day(tmp_path / "data", *asked(cars=14, hours=1.5))
    return tmp_path / "data"


def scene(folder: Path) -> DayScene:
    return scene_of(read_day(folder, DAY))


def told(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> dict[str, Any]:
    """What the command says with --json."""
    code = command.main([f"--data-dir={folder}", f"--day={DAY}", "--json", *words])
    assert code == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


@pytest.mark.slow
def test_whatif_removes_a_pile_and_waits_grow(
    town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a plug less the same cars wait longer; the page shows both days."""
    made = told(
        capsys, town, "--remove=Mall-1", f"--report={tmp_path / 'page'}", "--at=2026-03-03T00:00:00"
    )

    assert made["mean_wait_min"] > made["base_mean_wait_min"] + 1.0
    assert made["utilisation"] > made["base_utilisation"]
    assert made["requests"] == 14
    assert 0 < made["drivers_worse"] <= made["drivers_affected"] <= made["drivers_compared"] == 14
    mall = next(row for row in made["stations"] if row["station_id"] == "Mall")
    assert (mall["base_plugs"], mall["plugs"]) == (2, 1)
    page = (tmp_path / "page" / "report.html").read_text()
    for words in ("without Mall-1", "Every station", "<svg", "2026-03-03"):
        assert words in page
    assert str(tmp_path) not in page


@pytest.mark.slow
def test_whatif_adds_piles_and_waits_shrink(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With four more plugs where everybody wants to go nobody waits longer than before."""
    made = told(capsys, town, "--add=Mall=4")

    assert made["mean_wait_min"] < made["base_mean_wait_min"]
    assert made["drivers_worse"] == 0


@pytest.mark.slow
def test_whatif_without_a_change_is_the_same_day(
    town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing changed means nobody affected, to the last figure, and again the next time."""
    made = told(capsys, town)

    assert made["drivers_affected"] == 0
    for name in ("mean_wait_min", "p95_wait_min", "utilisation", "turned_away", "mean_drive_min"):
        assert made[name] == made[f"base_{name}"]
    assert told(capsys, town) == made


@pytest.mark.slow
def test_whatif_asks_another_policy(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cars that all drive to the nearest station queue there."""
    made = told(capsys, town, "--policy=nearest")

    assert made["policy"] == "nearest"
    assert made["mean_wait_min"] > made["base_mean_wait_min"]


def test_day_without_requests_names_the_days_that_have_some(town: Path) -> None:
    """The answer to a wrong day is the right ones, with their numbers."""
    with pytest.raises(DayEmpty) as raised:
        read_day(town, date(2026, 3, 5))

    assert "2026-03-02 (14)" in raised.value.in_words()


def test_store_without_requests_says_where_they_come_from(tmp_path: Path) -> None:
    """An operator who never stored any learns how to."""
    store_day(tmp_path, [], asked()[1])

    with pytest.raises(DayEmpty, match="no car's request of 2026-03-02") as raised:
        read_day(tmp_path, DAY)

    assert "import --requests" in raised.value.in_words()


def test_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    """The error names the folder and what is missing in it."""
    with pytest.raises(StoreUnreadable, match=r"holds no telemetry\.db"):
        read_day(tmp_path, DAY)


def test_command_says_errors_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Code, sentence and hint on stderr, nothing on stdout, exit code 1."""
    code = command.main([f"--data-dir={tmp_path}", f"--day={DAY}", "--json"])

    said = capsys.readouterr()
    assert code == 1
    assert said.out == ""
    assert "error[WHATIF-001]" in said.err
    assert "hint: " in said.err


async def test_store_is_read_while_it_is_written(town: Path) -> None:
    """A coordinator that has the file open neither hinders nor is hindered."""
    store = SqliteTelemetry(town)
    try:
        more = [replace(r, request_id=f"{r.request_id}b") for r in asked(cars=2, hours=1.0)[0]]
        await store.put_requests(more)

        assert len(read_day(town, DAY).asked) == 16
        await store.put_requests([replace(more[0], request_id="later")])
    finally:
        await store.close()


def test_store_is_not_changed_by_reading(town: Path) -> None:
    """Every file is there afterwards as it was before."""
    before = {path.name: path.read_bytes() for path in town.iterdir()}

    scene(town)

    assert {n: b for n, b in before.items() if n.endswith(".db")} == {
        path.name: path.read_bytes() for path in town.iterdir() if path.name.endswith(".db")
    }


def test_requests_stay_as_long_as_their_sessions_did(town: Path) -> None:
    """The time at the plug is the one that was seen; whoever asked did not also just come."""
    made = scene(town)

    assert {demand.charge_s for demand in made.demands} == {STAY_S}
    assert not any(demand.walk_in for demand in made.demands)


def test_sessions_that_nobody_asked_for_just_come(tmp_path: Path) -> None:
    """They stand at their station when they came; those there at midnight are not of the day."""
    requests, sessions = asked(cars=2)
    store_day(tmp_path, requests, [*sessions, came("Park-1*1", 9.0), came("Park-2*1", -0.2)])

    made = scene(tmp_path)

    strangers = [demand for demand in made.demands if demand.walk_in]
    assert [demand.at_s - BEGINS_S for demand in strangers] == [-720.0, 9.0 * 3_600.0]
    assert strangers[1].latitude_deg == stations()[1].latitude_deg
    assert made.asked == 2


def test_car_that_asks_again_comes_once(tmp_path: Path) -> None:
    """Two requests of a car within an hour are one wish, made when it first asked."""
    requests, sessions = asked(cars=1)
    again = replace(requests[0], request_id="again", at_s=requests[0].at_s + 300.0)
    store_day(tmp_path, [*requests, again], sessions)

    made = scene(tmp_path)

    assert [demand.at_s for demand in made.demands] == [requests[0].at_s]
    assert any("asking again" in note for note in made.notes)


def test_imported_sessions_are_found_by_car_and_time(tmp_path: Path) -> None:
    """A session without a promise belongs to the car that asked shortly before."""
    requests, sessions = asked(cars=1)
    store_day(tmp_path, requests, [replace(sessions[0], recommendation_id="")])

    made = scene(tmp_path)

    assert [demand.charge_s for demand in made.demands] == [STAY_S]


def test_faults_and_outages_of_the_day_are_replayed(tmp_path: Path) -> None:
    """A fault lasts until the plug was used again, an outage as long as it was planned."""
    requests, sessions = asked(cars=1)
    broke, used = came("Park-1*1", 9.0, fault=True), came("Park-1*1", 11.0)
    outage = PlannedOutage(BEGINS_S + 10.0, BEGINS_S + 20.0, station_id="Mall")
    store_day(tmp_path, requests, [*sessions, broke, used], [outage])

    made = scene(tmp_path).disturbances

    assert {(d.evse_id, d.from_s - BEGINS_S, d.to_s - BEGINS_S) for d in made} == {
        ("Mall-1*1", 10.0, 20.0),
        ("Mall-2*1", 10.0, 20.0),
        ("Park-1*1", 9.0 * 3_600.0 + STAY_S, 11.0 * 3_600.0),
    }


def test_scaled_demand_is_of_the_same_cars_for_the_same_seed(town: Path) -> None:
    """Twice the demand is every car twice, half of it a part of the cars, and so again."""
    made = scene(town)

    doubled = demands_after(made, 2.0, 1)
    halved = demands_after(made, 0.5, 1)

    assert len(doubled) == 28
    assert len({demand.car_id for demand in doubled}) == 28
    assert 0 < len(halved) < 14
    assert {demand.car_id for demand in halved} < {demand.car_id for demand in made.demands}
    assert halved == demands_after(made, 0.5, 1)
    assert halved != demands_after(made, 0.5, 2)


def test_added_piles_are_like_the_strongest_there() -> None:
    """New piles have new names and the plugs of the strongest pile of their station."""
    made = stations_after(stations(), Change(added=parse_added("Mall,Park=2")))

    assert [len(station.piles) for station in made] == [4, 4]
    evses = [evse for station in made for pile in station.piles for evse in pile.evses]
    assert len({evse.evse_id for evse in evses}) == 8
    assert {evse.connectors[0].max_power_kw for evse in evses} == {60.0}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (Change(removed=("Mall-7",)), "no pile 'Mall-7'.*known"),
        (Change(added={"Mal": 1}), "no station with piles 'Mal'"),
        (Change(removed=("Mall-1", "Mall-2", "Park-1", "Park-2")), "no pile is left"),
    ],
)
def test_change_that_cannot_be_is_refused(change: Change, says: str) -> None:
    """What does not exist is named, with what looks like it."""
    with pytest.raises(ChangeInvalid, match=says):
        stations_after(stations(), change)


@pytest.mark.parametrize("text", ["Mall", "Mall=0", "Mall=x", "Mall=1001"])
def test_added_piles_that_cannot_be_read_are_refused(text: str) -> None:
    """The error shows how it is written."""
    with pytest.raises(ChangeInvalid) as raised:
        parse_added(text)

    assert "STATION,...=N" in raised.value.in_words()
