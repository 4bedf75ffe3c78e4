"""What goes out of a district and into another one is the same district."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.pile import (
    Connector,
    Evse,
    EvseStatus,
    Payment,
    Pile,
    PowerType,
    Station,
)
from coordinator.errors import ImportInvalid
from coordinator.importers import load_stations
from coordinator.importers.aggregate import LiveEvse
from coordinator.importers.export import export
from coordinator.importers.opening import DAYS, from_ocpi, to_ocpi

NOW_S = 1_800_000_000.0
PLUGS = (
    Connector("1", 19, PowerType.DC, 120.0),
    Connector("2", 26, PowerType.AC_3_PHASE, 22.0),
)
PILE = Pile(
    "P1",
    "S1",
    (Evse("P1*1", PLUGS, 2),),
    label="Bay 7",
    maker="ABB",
    model="Terra",
    serial="x1",
    firmware="2.0",
)
STATION = Station(
    "S1",
    "Harbour Mall",
    22.5,
    114.05,
    (PILE,),
    operator="Some operator",
    operator_url="https://operator.example",
    facilities=("MALL", "WIFI"),
    opening_hours="Mo-Fr 08:00-20:00; Sa 10:00-14:00",
    parking_space_count=4,
    payment_methods=(Payment.APP, Payment.RFID),
    tariff_id="T1",
)
# A pile that stands elsewhere than the entrance; CSV has no columns for it.
PLACED = replace(PILE, latitude_deg=0.0, longitude_deg=114.06, bay_count=3)


def there_and_back(given: Station, form: str, folder: Path) -> Station:
    path = folder / f"stations.{'csv' if form == 'csv' else 'json'}"
    path.write_text(export([given], form, {}, NOW_S))
    (read,) = load_stations(path)
    return read


@pytest.mark.parametrize("piles", [(PILE,), (PLACED,)])
def test_all_that_is_said_of_a_station_comes_back_from_geojson(
    tmp_path: Path, piles: tuple[Pile, ...]
) -> None:
    """Operator, facilities, hours, payment, parking, and what is known of each pile."""
    given = replace(STATION, piles=piles)

    assert there_and_back(given, "geojson", tmp_path) == given


def test_all_that_is_said_of_a_station_comes_back_from_csv(tmp_path: Path) -> None:
    """The same from a table."""
    assert there_and_back(STATION, "csv", tmp_path) == STATION


def test_what_ocpi_has_a_place_for_comes_back(tmp_path: Path) -> None:
    """Label, position, hours, operator; OCPI knows no maker, serial number, bays or parking."""
    read = there_and_back(replace(STATION, piles=(PLACED,)), "ocpi", tmp_path)

    (pile,) = read.piles
    assert (pile.label, pile.latitude_deg, pile.longitude_deg) == ("Bay 7", 0.0, 114.06)
    assert pile.evses[0].connectors == PLUGS
    assert replace(read, piles=(), parking_space_count=4) == replace(STATION, piles=())


def test_a_label_too_long_for_ocpi_is_left_out_and_not_cut(tmp_path: Path) -> None:
    """Nobody finds `CN*SZP*G000000001` printed on a pile that is `CN*SZP*G000000001*P1`."""
    long = "CN*SZP*G000000001*P1"
    given = replace(STATION, piles=(replace(PILE, label=long),))
    (location,) = json.loads(export([given], "ocpi", {}, NOW_S))

    assert "physical_reference" not in location["evses"][0]
    assert there_and_back(given, "ocpi", tmp_path).piles[0].label == "P1*1"


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ([EvseStatus.UNKNOWN, EvseStatus.UNKNOWN], None),
        ([EvseStatus.UNKNOWN, EvseStatus.CHARGING], 0),
        ([EvseStatus.AVAILABLE, EvseStatus.UNKNOWN], 1),
    ],
)
def test_free_piles_are_counted_only_where_something_is_known(
    statuses: list[EvseStatus], told: int | None
) -> None:
    """A station of which nothing is known does not say that none is free."""
    piles = tuple(
        replace(PILE, pile_id=f"P{n}", evses=(Evse(f"P{n}*1", PLUGS),))
        for n in range(len(statuses))
    )
    live = {f"P{n}*1": LiveEvse(status, NOW_S) for n, status in enumerate(statuses)}
    made = json.loads(export([replace(STATION, piles=piles)], "geojson", live, NOW_S))

    assert made["features"][0]["properties"]["available"] == told


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("payment_methods", ["CASH"], "CASH"),
        ("parking_space_count", -1, "parking_space_count"),
    ],
)
def test_a_senseless_property_of_geojson_is_named(
    tmp_path: Path, name: str, value: object, named: str
) -> None:
    """What cannot be is refused with its place in the file."""
    made = json.loads(export([STATION], "geojson", {}, NOW_S))
    made["features"][0]["properties"][name] = value
    path = tmp_path / "stations.json"
    path.write_text(json.dumps(made))

    with pytest.raises(ImportInvalid) as caught:
        load_stations(path)
    assert named in str(caught.value)
    assert "features[0]" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("08:00-20:00", 7),
        ("Mo-Fr 08:00-12:00,13:00-18:00", 10),
        ("Sa-Mo 10:00-14:00", 3),
        ("Mo,We,Fr 06:00-22:00", 3),
        ("Mo-Su 08:00-20:00; Su 10:00-12:00", 7),  # the later rule holds
    ],
)
def test_hours_of_a_week_become_spans_of_its_days(text: str, spans: int) -> None:
    """Each day has its own, as many as it is open, Monday 1."""
    told = to_ocpi(text)

    assert told is not None
    assert len(told["regular_hours"]) == spans
    assert to_ocpi(from_ocpi(told)) == told


@pytest.mark.parametrize("text", ["", "sunrise-sunset", "Mo-Fr 08:00-20:00; PH off", "Xx 08:00-9"])
def test_hours_that_no_week_can_say_are_left_out(text: str) -> None:
    """Half of a rule would be a wrong one."""
    assert to_ocpi(text) is None


@given(
    st.dictionaries(
        st.integers(1, 7),
        st.lists(st.integers(0, 23), min_size=1, max_size=3, unique=True).map(sorted),
        min_size=1,
    )
)
def test_any_week_comes_back(week: dict[int, list[int]]) -> None:
    """Whatever days are open and however often."""
    hours = [
        {"weekday": day, "period_begin": f"{hour:02d}:00", "period_end": f"{hour:02d}:30"}
        for day in sorted(week)
        for hour in week[day]
    ]
    text = from_ocpi({"twentyfourseven": False, "regular_hours": hours})

    assert to_ocpi(text) == {"twentyfourseven": False, "regular_hours": hours}
    assert len(DAYS) == 7
