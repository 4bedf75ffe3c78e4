"""Stations and tariffs out: what OCPI, GeoJSON and navigation services read, and back in again."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coordinator.config import read_config
from coordinator.core.pile import (
    Connector,
    Evse,
    EvseStatus,
    Payment,
    Pile,
    PowerType,
    Station,
    Tariff,
    TariffElement,
)
from coordinator.errors import ConfigInvalid, ImportInvalid
from coordinator.importers import load_stations, load_tariffs
from coordinator.importers.aggregate import LiveEvse, by_kind, given_up
from coordinator.importers.export import FORMATS, export
from coordinator.importers.navigation_words import GOOGLE, TOMTOM
from coordinator.importers.ocpi_out import Party
from coordinator.importers.shapes import Shapes
from coordinator.importers.words import CONNECTORS, connector_number

NOW_S = 1_790_000_000.0
OCPI_TYPES = CONNECTORS[:40]
GOOGLE_TYPES = {
    "OTHER", "J1772", "TYPE_2", "CHADEMO", "CCS_COMBO_1", "CCS_COMBO_2", "TESLA",
    "UNSPECIFIED_GB_T", "UNSPECIFIED_WALL_OUTLET", "NACS",
}  # fmt: skip


def plug(name: str, power_kw: float = 60.0, kind: PowerType = PowerType.DC) -> Connector:
    return Connector("1", connector_number(name), kind, power_kw)


def station(*connectors: Connector) -> Station:
    piles = tuple(
        Pile(f"P{n}", "S1", (Evse(f"P{n}*1", (connector,)),), label=f"bay {n}")
        for n, connector in enumerate(connectors, start=1)
    )
    return Station(
        "S1", "Library", 22.5, 114.05, piles, operator="Town", opening_hours="24/7",
        payment_methods=(Payment.APP, Payment.RFID), tariff_id="T1",
    )  # fmt: skip


def tariff() -> Tariff:
    elements = (
        TariffElement("ENERGY", 1.2),
        TariffElement("PARKING_TIME", 6.0, "08:00", "20:00", (1, 2, 3, 4, 5)),
    )
    return Tariff("T1", "CNY", elements, "Asia/Shanghai")


@pytest.mark.parametrize("name", OCPI_TYPES)
def test_every_ocpi_connector_goes_out_and_comes_back(name: str, tmp_path: Path) -> None:
    """Each of the 40 names of OCPI 2.2.1 is written as it is and read as the same plug."""
    path = tmp_path / "locations.json"
    path.write_text(export([station(plug(name))], "ocpi", {}, NOW_S))
    (location,) = json.loads(path.read_text())
    (read,) = load_stations(path)

    assert location["evses"][0]["connectors"][0]["standard"] == name
    assert read.piles[0].evses[0].connectors[0].standard == connector_number(name)


def test_there_are_forty_connectors_and_each_has_a_name_elsewhere() -> None:
    """Google's word is one of its own for all; TomTom's is missing for those it does not know."""
    assert len(OCPI_TYPES) == 40
    assert set(GOOGLE) == set(TOMTOM) == set(CONNECTORS)
    assert set(GOOGLE.values()) <= GOOGLE_TYPES
    unknown = {name for name, word in TOMTOM.items() if not word}
    assert unknown == {"CHAOJI", "PANTOGRAPH_BOTTOM_UP", "PANTOGRAPH_TOP_DOWN", "MCS"}


def test_locations_have_every_field_that_ocpi_requires() -> None:
    """A receiver that checks a Location by OCPI 2.2.1 finds nothing missing."""
    live = {"P1*1": LiveEvse(EvseStatus.CHARGING, NOW_S - 40)}
    party = Party("CN", "SZP", "CHN", "Shenzhen", "Asia/Shanghai")
    given = [station(plug("GBT_DC", 250.0))]
    (location,) = json.loads(export(given, "ocpi", live, NOW_S, party=party))

    needed = {
        "country_code", "party_id", "id", "publish", "address", "city", "country", "coordinates",
        "time_zone", "last_updated",
    }  # fmt: skip
    assert needed <= location.keys()
    assert (location["country_code"], location["party_id"]) == ("CN", "SZP")
    (evse,) = location["evses"]
    assert {"uid", "status", "connectors", "last_updated"} <= evse.keys()
    assert evse["status"] == "CHARGING"
    assert evse["last_updated"] == "2026-09-21T14:12:40Z"
    (connector,) = evse["connectors"]
    assert connector["max_electric_power"] == 250_000
    assert connector["max_voltage"] * connector["max_amperage"] == 250_000
    assert connector["format"] == "CABLE"
    assert connector["tariff_ids"] == ["T1"]


def test_party_of_an_emi3_id_comes_before_the_configured_one() -> None:
    """EVSE ids that say whose they are are believed."""
    given = station(plug("GBT_DC"))
    pile = replace(given.piles[0], evses=(Evse("DE*ABC*E001", (plug("GBT_DC"),)),))
    (location,) = json.loads(export([replace(given, piles=(pile,))], "ocpi", {}, NOW_S))

    assert (location["country_code"], location["party_id"]) == ("DE", "ABC")


@pytest.mark.parametrize(("form", "suffix"), [("ocpi-tariffs", "json"), ("tariffs", "csv")])
def test_tariffs_go_out_and_come_back(form: str, suffix: str, tmp_path: Path) -> None:
    """Dimensions, prices, hours and days of a tariff survive both forms."""
    path = tmp_path / f"tariffs.{suffix}"
    path.write_text(export([], form, {}, NOW_S, {"T1": tariff()}))
    (read,) = load_tariffs(path)

    assert read.elements == tariff().elements
    assert (read.tariff_id, read.currency) == ("T1", "CNY")


@pytest.mark.parametrize("form", ["csv", "geojson", "ocpi"])
def test_stations_come_back_from_every_form(form: str, tmp_path: Path) -> None:
    """Position, plugs and power are the same after going out and in."""
    given = station(plug("GBT_DC", 120.0), plug("IEC_62196_T2", 11.0, PowerType.AC_3_PHASE))
    path = tmp_path / ("s.csv" if form == "csv" else f"{form}.json")
    path.write_text(export([given], form, {}, NOW_S))
    (read,) = load_stations(path)

    assert (read.latitude_deg, read.longitude_deg) == (22.5, 114.05)
    assert [p.evses[0].connectors[0] for p in read.piles] == [
        p.evses[0].connectors[0] for p in given.piles
    ]


def test_geojson_tells_what_a_map_shows() -> None:
    """Counts, price, age and failure rate stand at the station and at each EVSE."""
    live = {
        "P1*1": LiveEvse(EvseStatus.CHARGING, NOW_S - 5, 0.03, 0, 840),
        "P2*1": LiveEvse(EvseStatus.OUTOFORDER, NOW_S - 90, 0.4, 2),
        "P3*1": LiveEvse(EvseStatus.AVAILABLE, NOW_S - 5, 0.03, 0, 60),
    }
    given = [station(plug("GBT_DC"), plug("GBT_DC"), plug("GBT_DC"))]
    made = json.loads(export(given, "geojson", live, NOW_S, {"T1": tariff()}))
    feature = made["features"][0]
    told = feature["properties"]

    assert feature["geometry"]["coordinates"] == [114.05, 22.5]
    assert (told["capacity"], told["available"], told["queue_length"]) == (3, 1, 2)
    assert told["wait_p50_s"] == 60
    assert [p["evses"][0]["wait_p50_s"] for p in told["piles"]] == [840, None, 60]
    assert told["price_text"] == "CNY 1.2/kWh"
    assert told["max_power_w"] == 60_000
    assert told["piles"][1]["evses"][0]["failure_rate"] == 0.4
    assert told["piles"][1]["evses"][0]["last_updated"] == "2026-09-21T14:11:50Z"


def test_geojson_outlines_the_district_and_its_charging_areas(tmp_path: Path) -> None:
    """Polygons as maps want them, around all stations and around those that cars are promised."""
    given = [
        replace(station(), station_id=name, latitude_deg=lat, longitude_deg=lon)
        for name, lat, lon in (("A", 22.5, 114.0), ("B", 22.6, 114.0), ("C", 22.5, 114.2))
    ]
    shapes = Shapes("south", {("B", "A"): 3, ("gone",): 1})
    text = export(given, "geojson", {}, NOW_S, shapes=shapes)
    features = {feature["id"]: feature for feature in json.loads(text)["features"]}
    whole, area = features["district:south"], features["charging_area:B+A"]
    path = tmp_path / "stations.geojson"
    path.write_text(text)

    assert len(features) == 5
    assert area["properties"] == {
        "kind": "charging_area", "name": "Library", "station_ids": ["B", "A"], "car_count": 3,
    }  # fmt: skip
    for polygon, inside, outside in (
        (whole, [(114.0, 22.5), (114.0, 22.6), (114.2, 22.5)], (114.2, 22.6)),
        (area, [(114.0, 22.5), (114.0, 22.6)], (114.2, 22.5)),
    ):
        (ring,) = polygon["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert all(left_of_all(ring, place) for place in inside)
        assert not left_of_all(ring, outside)
    assert [read.station_id for read in load_stations(path)] == ["A", "B", "C"]


def left_of_all(ring: list[list[float]], place: tuple[float, float]) -> bool:
    """Whether a place is within a convex ring that runs counter-clockwise."""
    (x, y), edges = place, itertools.pairwise(ring)
    return all((c - a) * (y - b) > (d - b) * (x - a) for (a, b), (c, d) in edges)


def test_plugs_of_one_kind_are_counted_together() -> None:
    """Free, broken and all of a kind, as Google and TomTom show them; nothing known is no zero."""
    given = station(plug("GBT_DC"), plug("GBT_DC"), plug("GBT_DC", 120.0))
    live = {"P1*1": LiveEvse(EvseStatus.AVAILABLE, 5.0), "P2*1": LiveEvse(EvseStatus.OUTOFORDER)}
    (made,) = json.loads(export([given], "connectors", live, NOW_S))
    first, second = made["connectors"]

    assert (first["google_type"], first["tomtom_type"]) == ("UNSPECIFIED_GB_T", "GBT20234Part3")
    assert (first["count"], first["available_count"], first["out_of_service_count"]) == (2, 1, 1)
    assert first["availability_last_update_time"] == "1970-01-01T00:00:05Z"
    assert (second["count"], second["available_count"]) == (1, None)


def test_an_evse_with_two_plugs_counts_at_both() -> None:
    """Two cables of one EVSE are two kinds, each once."""
    both = (plug("CHADEMO", 50.0), plug("IEC_62196_T2_COMBO", 50.0))
    given = replace(station(), piles=(Pile("P1", "S1", (Evse("P1*1", both),)),))
    kinds = by_kind(given, {"P1*1": LiveEvse(EvseStatus.AVAILABLE)})

    assert [(k.standard, k.count, k.available) for k in kinds] == [
        ("CHADEMO", 1, 1),
        ("IEC_62196_T2_COMBO", 1, 1),
    ]


def test_every_format_is_written_for_an_empty_district() -> None:
    """Nothing in, something well-formed out."""
    for form in FORMATS:
        text = export([], form, {}, NOW_S)
        assert text.count("\n") == 1 if form in ("csv", "tariffs") else json.loads(text) is not None


def poi(**more: object) -> dict[str, object]:
    return {
        "ID": 7,
        "AddressInfo": {"Title": "Mill", "Latitude": 53.3, "Longitude": -6.2},
        "OperatorInfo": {"Title": "Town"},
        "Connections": [
            {"ConnectionTypeID": 33, "PowerKW": 50.0, "CurrentTypeID": 30, "Quantity": 2},
            {"ConnectionTypeID": 25, "Amps": 32, "Voltage": 400, "CurrentTypeID": 20},
            {"ConnectionTypeID": 28},
            {"ConnectionTypeID": 0, "PowerKW": 3.0},
        ],
        **more,
    }


def test_open_charge_map_is_read(tmp_path: Path) -> None:
    """Quantity becomes piles, volts and amperes power; what is not said is assumed and marked."""
    path = tmp_path / "poi.json"
    path.write_text(json.dumps([poi(), poi(ID=8, StatusTypeID=200)]))
    (read,) = load_stations(path)
    plugs = [p.evses[0].connectors[0] for p in read.piles]

    assert (read.station_id, read.name, read.operator) == ("OCM-7", "Mill", "Town")
    assert [CONNECTORS[p.standard - 1] for p in plugs] == [
        "IEC_62196_T2_COMBO", "IEC_62196_T2_COMBO", "IEC_62196_T2", "DOMESTIC_F",
    ]  # fmt: skip
    assert [p.max_power_kw for p in plugs] == pytest.approx([50.0, 50.0, 22.17, 3.7], abs=0.01)
    assert [bool(p.sources) for p in read.piles] == [False, False, False, True]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"AddressInfo": {"Latitude": 91, "Longitude": 0}}, "AddressInfo.Latitude is 91"),
        ({"Connections": [{"ConnectionTypeID": 33, "Quantity": 9999}]}, "Quantity is 9999"),
        ({"Connections": [{"ConnectionTypeID": 33, "PowerKW": -1}]}, "PowerKW is -1"),
    ],
)
def test_bad_places_of_open_charge_map_are_named(
    change: dict[str, object], word: str, tmp_path: Path
) -> None:
    """The place in the list and what is wrong there are told."""
    path = tmp_path / "poi.json"
    path.write_text(json.dumps([poi(), poi(ID=9, **change)]))
    with pytest.raises(ImportInvalid) as caught:
        load_stations(path)

    (problem,) = caught.value.problems
    assert "[1]" in problem.where
    assert word in str(problem)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('country_code = "CHN"', "country_code"),
        ('party_id = "x"', "party_id"),
        ('time_zone = "Asia/Shenzhen"', "Asia/Shenzhen"),
        ('towns = "x"', "towns"),
    ],
)
def test_party_that_ocpi_would_refuse_is_refused_at_start(
    line: str, word: str, tmp_path: Path
) -> None:
    """A wrong code or time zone is named with its place in the file."""
    path = tmp_path / "coordinator.toml"
    path.write_text(f'[coordinator]\ndistrict = "d"\ndata_dir = "x"\n[ocpi]\n{line}\n')
    with pytest.raises(ConfigInvalid) as caught:
        read_config(path)

    (problem,) = caught.value.problems
    assert word in str(problem)
    assert f"{path}:5" in str(problem)


def test_silent_evse_was_updated_when_it_was_given_up() -> None:
    """Silence is a change at its own instant; what is heard of, or never was, keeps its own."""
    live = {
        "P1*1": LiveEvse(EvseStatus.UNKNOWN, NOW_S - 500),
        "P2*1": LiveEvse(EvseStatus.AVAILABLE, NOW_S - 500),
        "P3*1": LiveEvse(EvseStatus.UNKNOWN),
    }
    late_s = np.array([100.0, -20.0, np.inf])

    told = given_up(live, list(live), late_s, NOW_S)

    assert [told[name].updated_at_s for name in live] == [NOW_S - 100, NOW_S - 500, None]
