"""Scenes of a real city by name: stations of a list, cars by the hour, what the data say."""

import gzip
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from city_sim.policies import NearestFree
from city_sim.report import played
from city_sim.scenes.habits import busiest, charges_of, habits, made_charges, utilisation_by_hour
from city_sim.scenes.named import SceneOptions, SceneUnknown, scene
from city_sim.scenes.shenzhen import LOAD_FACTOR, minutes_at_plug, nearest_to_the_middle
from coordinator.core.geo import great_circle_km
from coordinator.importers import load_stations

DATA = Path(os.environ.get("PILEWISE_DATA", Path(__file__).parents[4] / "shared" / "data"))
LIST = "station_id,longitude,latitude,charge_count,TAZID,area,perimeter\n"


def write_list(folder: Path, side: int = 6) -> Path:
    """A list as UrbanEV has it: a square of stations, 1 to 6 piles each, half a km apart."""
    rows = [
        f"{100 + n},{113.9 + n % side * 0.005:.6f},{22.6 + n // side * 0.0045:.6f},"
        f"{1 + n % 6},1,1,1"
        for n in range(side * side)
    ]
    path = folder / "shenzhen" / "stations.csv"
    path.parent.mkdir(parents=True)
    path.write_text(LIST + "\n".join(rows) + "\n")
    return path


def write_habits(folder: Path) -> None:
    """A week of two stations, one without power, full from 20 to 23 h; three charges."""
    (folder / "saopaulo").mkdir(parents=True)
    (folder / "epfl_dc").mkdir()
    (folder / "saopaulo" / "stations.csv").write_text(
        "station_id,longitude,latitude,pile_num,avg_power\n0,1,1,2,22.0\n1,1,1,5,0.0\n"
    )
    lines = [",0,1"]
    for day in range(2, 9):  # Sunday to Saturday
        for hour in range(24):
            busy = 1.5 if 20 <= hour < 23 else 0.5
            lines.append(f"2023-04-{day:02d} {hour:02d}:00:00,{busy if 2 < day < 8 else 2.0},5")
    with gzip.open(folder / "saopaulo" / "duration.csv.gz", "wt") as out:
        out.write("\n".join(lines) + "\n")
    (folder / "epfl_dc" / "sessions.csv").write_text(
        "Session,Stay (min),Energy (Wh),SOC arrival,SOC departure\n"
        "1,30,30000,30,80\n2,60,20000,20,60\n3,2,500,50,51\n"
    )


def _median(values: list[float]) -> float:
    return float(np.quantile(values, 0.5, method="inverted_cdf"))


def test_names_lead_to_scenes_and_others_are_refused() -> None:
    """The campus and cities of so many plugs have names; what is no name is told with the known."""
    assert len(scene("campus-280", 1).demands) == 950
    with pytest.raises(SceneUnknown, match="campus-280, and shenzhen-N"):
        scene("berlin-5", 1)
    with pytest.raises(SceneUnknown, match="17532"):
        scene("shenzhen-17533", 1)


def test_stations_are_whole_and_around_the_middle(tmp_path: Path) -> None:
    """So many plugs are taken as whole stations, none nearer left out, the same each time."""
    stations = load_stations(write_list(tmp_path))

    chosen = nearest_to_the_middle(stations, 40)

    sizes = [len(station.piles) for station in chosen]
    assert sum(sizes) >= 40 > sum(sizes[:-1])
    middle = (
        _median([s.latitude_deg for s in stations for _ in s.piles]),
        _median([s.longitude_deg for s in stations for _ in s.piles]),
    )
    away = [great_circle_km(middle, (s.latitude_deg, s.longitude_deg)) for s in stations]
    assert {s.station_id for s in chosen} == {
        stations[n].station_id for n in np.argsort(away, kind="stable")[: len(chosen)]
    }
    assert chosen == nearest_to_the_middle(stations, 40)
    with pytest.raises(ValueError, match="has 126 plugs, not 127"):
        nearest_to_the_middle(stations, 127)


def test_demand_follows_the_data_beside_the_list(tmp_path: Path) -> None:
    """Hours, charges and load are those of the files found beside the list of stations."""
    write_habits(tmp_path)
    options = SceneOptions(stations=write_list(tmp_path), walk_in_share=0.0, load=0.9)

    made = scene("shenzhen-120", 3, options=options)

    assert made.counted_s == (20 * 3600.0, 22 * 3600.0)
    assert "Sao Paulo" in made.notes[1]
    assert "EPFL" in made.notes[2]
    assert {demand.target_soc_pct for demand in made.demands} == {80.0, 60.0}
    asked = np.array([demand.at_s for demand in made.demands])
    counted = sum(made.counts(at_s) for at_s in asked.tolist())
    plug_hours = counted * (30.0 + 60.0) / 2 / 60.0
    plugs = sum(len(station.piles) for station in made.stations)
    assert plug_hours / 2.0 / plugs == pytest.approx(0.9, rel=0.03)
    assert all(before <= after for before, after in pairwise(asked.tolist()))
    before = asked[asked < 20 * 3600.0].size
    assert before / (counted / 2.0) == pytest.approx(1 / 3, rel=0.1)


def test_usual_load_is_the_utilisation_times_the_factor(tmp_path: Path) -> None:
    """Unless it is given, the busiest hour asks for so many times what the data show in use."""
    write_habits(tmp_path)
    stations = write_list(tmp_path)

    given, usual = (
        scene("shenzhen-60", 3, options=SceneOptions(stations=stations, load=load))
        for load in (0.75, None)
    )

    assert len(usual.demands) / len(given.demands) == pytest.approx(LOAD_FACTOR, rel=0.03)


def test_habits_count_working_days_of_piles_with_power(tmp_path: Path) -> None:
    """Weekends and stations that never gave power are no part of the utilisation by hour."""
    write_habits(tmp_path)

    folder = tmp_path / "saopaulo"
    share = utilisation_by_hour(folder / "duration.csv.gz", folder / "stations.csv")

    assert share == pytest.approx([0.25] * 20 + [0.75] * 3 + [0.25])
    assert busiest(share, 3) == 20
    charges = charges_of(tmp_path / "epfl_dc/sessions.csv")
    assert minutes_at_plug(charges).tolist() == [30.0, 60.0]


def test_scene_without_data_is_made_up_and_says_so() -> None:
    """No file is needed: a city of the same kind is made, and the notes say so."""
    made = scene("shenzhen-130", 2)

    assert sum(len(station.piles) for station in made.stations) == 130
    assert all("made up" in note for note in made.notes)
    assert made.demands == scene("shenzhen-130", 2).demands
    assert made.demands != scene("shenzhen-130", 3).demands


def test_number_of_cars_is_as_asked() -> None:
    """A given number of cars replaces the load, to a few."""
    made = scene("shenzhen-130", 2, cars=200)

    assert abs(len(made.demands) - 200) <= 4
    cars, _ = played(made, NearestFree())
    assert sum(car.served for car in cars) >= 195


def test_made_up_charges_are_like_the_real_ones() -> None:
    """Means of what is made up: stay 33 min, 32 kWh, from 34 to 79 %, as the data have them."""
    made = made_charges()

    assert made.stay_min.mean() == pytest.approx(33.0, abs=4.0)
    assert made.energy_kwh.mean() == pytest.approx(32.0, abs=2.0)
    assert made.soc_pct.mean() == pytest.approx(34.0, abs=2.0)
    assert made.to_pct.mean() == pytest.approx(79.0, abs=3.0)


def test_real_data_give_the_evening_they_are_known_for() -> None:
    """São Paulo's working evenings are busiest from 21 h; EPFL's charges last 33 minutes."""
    if not (DATA / "saopaulo").is_dir():
        pytest.skip("hint: needs ../shared/data or PILEWISE_DATA")

    known = habits(DATA)

    assert not any("made up" in source for source in known.sources)
    assert busiest(known.utilisation, 2) == 21
    assert max(known.utilisation) == pytest.approx(0.288, abs=0.01)
    assert known.charges.stay_min.mean() == pytest.approx(33.0, abs=0.5)
