"""Files in: forms, conversion, and every bad row at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from coordinator.core.pile import Payment, PlannedOutage, PowerType
from coordinator.errors import ImportInvalid
from coordinator.importers import (
    Files,
    load_owners,
    load_roads,
    load_stations,
    load_tariffs,
    load_users,
    read_files,
)
from coordinator.importers.piles import load_piles
from coordinator.importers.words import CONNECTORS, connector_name, connector_number, valid_id
from pilewise.v1 import types_pb2 as nouns

DATA = Path(os.environ.get("PILEWISE_DATA", Path(__file__).parents[4] / "shared" / "data"))


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_connector_numbers_are_those_of_the_wire() -> None:
    """All OCPI names have the number of the contract's enum, both ways."""
    for number, name in enumerate(CONNECTORS, start=1):
        assert nouns.ConnectorStandard.Name(number) == f"CONNECTOR_STANDARD_{name.upper()}"  # type: ignore[arg-type]
        assert connector_number(name) == number
        assert connector_name(number) == name
    assert len(CONNECTORS) == len(nouns.ConnectorStandard.keys()) - 1


@pytest.mark.parametrize(
    ("text", "identifier"),
    [("DE*ABC*E1", "DE*ABC*E1"), (" Straße 1 ", "Stra-e-1"), ("充电站", ""), ("x" * 80, "x" * 64)],
)
def test_identifiers_are_made_valid(text: str, identifier: str) -> None:
    """Other characters become hyphens; nothing usable leaves an empty text."""
    assert valid_id(text) == identifier


def test_urbanev_is_converted_and_marked_assumed(tmp_path: Path) -> None:
    """A GCJ-02 list becomes WGS84 stations with assumed 60 kW plugs."""
    path = write(
        tmp_path,
        "stations.csv",
        "station_id,longitude,latitude,charge_count\n1001,114.063014,22.540383,2\n",
    )
    (station,) = load_stations(path)

    assert station.latitude_deg == pytest.approx(22.5431, abs=1e-5)
    assert station.longitude_deg == pytest.approx(114.0579, abs=1e-5)
    assert [e.evse_id for p in station.piles for e in p.evses] == ["1001-1*1", "1001-2*1"]
    plug = station.piles[0].evses[0].connectors[0]
    assert (connector_name(plug.standard), plug.max_power_kw) == ("GBT_DC", 60.0)
    assert station.piles[0].sources["max_power_kw"] == "assumed"


def test_evcdp_tells_fast_from_slow(tmp_path: Path) -> None:
    """Fast piles are direct current, slow ones alternating."""
    path = write(
        tmp_path, "s.csv", "station_id,latitude,longitude,fast,slow,count\n7,22.5,114,1,2,3\n"
    )
    (station,) = load_stations(path)
    kinds = [p.evses[0].connectors[0].power_type for p in station.piles]

    assert kinds == [PowerType.DC, PowerType.AC_1_PHASE, PowerType.AC_1_PHASE]


def test_every_bad_row_is_told_with_its_line(tmp_path: Path) -> None:
    """Three bad rows of five give three problems, and the file is not taken in part."""
    path = write(
        tmp_path,
        "s.csv",
        "station_id,latitude,longitude,fast,slow\n"
        "1,22.5,114,1,0\n2,nan,114,1,0\n3,22.5,1140,1,0\n4,22.5,114,x,0\n5,22.5,114,1,0\n",
    )
    with pytest.raises(ImportInvalid) as caught:
        load_stations(path)

    assert [p.where for p in caught.value.problems] == [f"{path}:{line}" for line in (3, 4, 5)]


def test_near_and_limit_choose_the_closest(tmp_path: Path) -> None:
    """With a place, the nearest stations come first, at most as many as wanted."""
    path = write(
        tmp_path,
        "s.csv",
        "station_id,latitude,longitude,fast,slow\nfar,23,114,1,0\nnear,22.51,114,1,0\n"
        "here,22.5,114,1,0\n",
    )

    assert [s.station_id for s in load_stations(path, near=(22.5, 114.0), limit=2)] == [
        "here",
        "near",
    ]


def test_own_rows_gather_into_stations(tmp_path: Path) -> None:
    """Rows of one EVSE are its connectors; rows of one station its piles."""
    path = write(
        tmp_path,
        "s.csv",
        "station_id,latitude_deg,longitude_deg,pile_id,evse_id,connector_id,standard,max_power_kw,"
        "payment_methods\n"
        "S1,22.5,114,P1,P1*1,1,IEC_62196_T2_COMBO,150,APP;RFID\n"
        "S1,22.5,114,P1,P1*1,2,CHADEMO,50,\n"
        "S1,22.5,114,P2,,1,IEC_62196_T2,22,\n",
    )
    (station,) = load_stations(path)

    assert [p.pile_id for p in station.piles] == ["P1", "P2"]
    assert [c.max_power_kw for c in station.piles[0].evses[0].connectors] == [150.0, 50.0]
    assert station.piles[1].evses[0].evse_id == "P2*1"
    assert station.payment_methods == (Payment.APP, Payment.RFID)


def test_a_pile_in_two_stations_is_told(tmp_path: Path) -> None:
    """A pile has one station; the second row is named."""
    path = write(
        tmp_path,
        "s.csv",
        "station_id,latitude_deg,longitude_deg,pile_id,standard,max_power_kw\n"
        "S1,22.5,114,P1,GBT_DC,60\nS2,22.5,114,P1,GBT_DC,60\n",
    )
    with pytest.raises(ImportInvalid, match=r":3: pile P1 is already in another station"):
        load_stations(path)


def test_ocpi_locations_are_read(tmp_path: Path) -> None:
    """Power in W becomes kW; voltage and current stand in for it; removed EVSEs are left out."""
    location = {
        "id": "LOC1",
        "coordinates": {"latitude": "51.047599", "longitude": "3.729944"},
        "evses": [
            {
                "uid": "3256",
                "evse_id": "BE*BEC*E041503001",
                "status": "AVAILABLE",
                "capabilities": ["RFID_READER"],
                "connectors": [
                    {
                        "id": "1",
                        "standard": "IEC_62196_T2",
                        "power_type": "AC_3_PHASE",
                        "max_voltage": 230,
                        "max_amperage": 32,
                        "tariff_ids": ["T1"],
                    },
                    {
                        "id": "2",
                        "standard": "IEC_62196_T2_COMBO",
                        "power_type": "DC",
                        "max_electric_power": 150000,
                    },
                ],
            },
            {"uid": "3257", "status": "REMOVED", "connectors": []},
        ],
    }
    path = write(tmp_path, "locations.json", json.dumps({"data": [location]}))
    (station,) = load_stations(path)
    (pile,) = station.piles

    assert pile.label == "BE*BEC*E041503001"
    assert [c.max_power_kw for c in pile.evses[0].connectors] == [pytest.approx(22.08), 150.0]
    assert station.tariff_id == "T1"
    assert station.payment_methods == (Payment.RFID,)


def test_a_bad_ocpi_location_is_named_by_its_index(tmp_path: Path) -> None:
    """An unknown plug and a missing id are told together."""
    bad = {
        "id": "A",
        "coordinates": {"latitude": "1", "longitude": "2"},
        "evses": [{"uid": "1", "connectors": [{"id": "1", "standard": "TYPE_9"}]}],
    }
    path = write(tmp_path, "locations.json", json.dumps([bad, {"coordinates": {}}]))
    with pytest.raises(ImportInvalid) as caught:
        load_stations(path)

    assert [p.where for p in caught.value.problems] == [
        f"{path}: locations[0]",
        f"{path}: locations[1]",
    ]


def test_tariffs_from_both_forms_agree(tmp_path: Path) -> None:
    """The same price list from OCPI and from CSV is the same tariff."""
    ocpi = {
        "id": "T1",
        "currency": "CNY",
        "elements": [
            {
                "price_components": [{"type": "ENERGY", "price": 1.5, "step_size": 1}],
                "restrictions": {
                    "start_time": "08:00",
                    "end_time": "18:00",
                    "day_of_week": ["MONDAY"],
                },
            },
            {"price_components": [{"type": "FLAT", "price": 2, "step_size": 1}]},
        ],
    }
    table = (
        "tariff_id,currency,dimension,price,start_time,end_time,weekdays\n"
        "T1,CNY,ENERGY,1.5,08:00,18:00,MONDAY\nT1,CNY,FLAT,2,,,\n"
    )

    assert load_tariffs(write(tmp_path, "t.json", json.dumps([ocpi]))) == load_tariffs(
        write(tmp_path, "t.csv", table)
    )


@pytest.mark.parametrize(
    ("field", "price", "start", "day"),
    [
        ("price", float("nan"), "08:00", "MONDAY"),
        ("price", 1e300, "08:00", "MONDAY"),
        ("price", 10**400, "08:00", "MONDAY"),
        ("price", "cheap", "08:00", "MONDAY"),
        ("start_time", 1.5, "25:00", "MONDAY"),
        ("start_time", 1.5, "7", "MONDAY"),
        ("start_time", 1.5, "ab:cd", "MONDAY"),
        ("weekday", 1.5, "08:00", "0"),
    ],
)
def test_a_tariff_that_cannot_be_read_is_refused_by_both_forms(
    tmp_path: Path, field: str, price: object, start: str, day: str
) -> None:
    """The file, the entry and the field are named, by OCPI and by CSV alike."""
    limits = {"start_time": start, "end_time": "18:00", "day_of_week": [day]}
    component = {"type": "ENERGY", "price": price}
    element = {"price_components": [component], "restrictions": limits}
    ocpi = {"id": "T1", "currency": "CNY", "elements": [element]}
    row = f"T1,CNY,ENERGY,{price},{start},18:00,{day}\n"
    files = (
        write(tmp_path, "t.json", json.dumps([ocpi])),
        write(
            tmp_path,
            "t.csv",
            "tariff_id,currency,dimension,price,start_time,end_time,weekdays\n" + row,
        ),
    )
    for path, where in zip(files, (": tariffs[0]", ":2"), strict=True):
        with pytest.raises(ImportInvalid) as caught:
            load_tariffs(path)
        (problem,) = caught.value.problems
        assert problem.where == f"{path}{where}"
        assert f"{field} " in problem.message


STATION_HEAD = "station_id,latitude_deg,longitude_deg,datum,pile_id,standard,max_power_kw\n"


@pytest.mark.parametrize("datum", ["GCJ02", "gcj-02"])
def test_both_spellings_of_gcj02_are_converted(tmp_path: Path, datum: str) -> None:
    """A position on a Chinese map is read into WGS84, at stations and at piles."""
    place = f"22.540383,114.063014,{datum}"
    row = f"S1,{place},P1,GBT_DC,60\n"
    (station,) = load_stations(write(tmp_path, "s.csv", STATION_HEAD + row))
    head = "pile_id,latitude_deg,longitude_deg,datum\n"
    (pile,) = load_piles(write(tmp_path, "p.csv", f"{head}P1,{place}\n"))

    assert station.latitude_deg == pytest.approx(22.5431, abs=1e-5)
    assert pile.latitude_deg == pytest.approx(22.5431, abs=1e-5)


def test_a_datum_that_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    """BD09 is not taken for WGS84: the line and the value are named."""
    stations = write(tmp_path, "s.csv", STATION_HEAD + "S1,22.5,114.0,BD09,P1,GBT_DC,60\n")
    head = "pile_id,latitude_deg,longitude_deg,datum\n"
    piles = write(tmp_path, "p.csv", head + "P1,22.5,114.0,BD09\n")
    with pytest.raises(ImportInvalid) as of_stations:
        load_stations(stations)
    with pytest.raises(ImportInvalid) as of_piles:
        load_piles(piles)
    problems = [*of_stations.value.problems, *of_piles.value.problems]

    assert [problem.where for problem in problems] == [f"{stations}:2", f"{piles}:2"]
    assert all("'BD09'" in problem.message for problem in problems)


def test_a_misspelt_column_is_told_with_what_was_meant(tmp_path: Path) -> None:
    """One close to a known column is refused; one like none is somebody's own, and ignored."""
    path = write(tmp_path, "u.csv", "user_id,vip,vip_untill\nU1,yes,2027-01-01T00:00:00Z\n")
    with pytest.raises(ImportInvalid) as caught:
        load_users(path)
    (problem,) = caught.value.problems
    own = write(tmp_path, "own.csv", "user_id,vip,shoe_size\nU1,yes,43\n")

    assert problem.where == f"{path}:1"
    assert "'vip_untill'" in problem.message
    assert "did you mean 'vip_until'" in problem.message
    assert [user.user_id for user in load_users(own)] == ["U1"]


def test_users_roads_and_owners_are_read(tmp_path: Path) -> None:
    """One row each, with every column used."""
    (user,) = load_users(
        write(
            tmp_path,
            "u.csv",
            "user_id,vip,vip_until,vehicle_model,vehicle_ids\n"
            "U1,yes,2027-01-01T00:00:00Z,Leaf,V1;V2\n",
        )
    )
    (road,) = load_roads(
        write(
            tmp_path,
            "r.csv",
            "from_node,to_node,from_latitude_deg,from_longitude_deg,to_latitude_deg,"
            "to_longitude_deg,length_km,free_speed_kmh,two_way\na,b,22.5,114,22.6,114,11.5,60,true\n",
        )
    )
    owners = load_owners(write(tmp_path, "o.csv", "pile_id,agent_id\nP1,A1\nP2,A1\n"))

    assert (user.vip, user.vip_until_s, user.vehicle_ids) == (True, 1_798_761_600.0, ("V1", "V2"))
    assert (road.length_km, road.two_way, road.to_position) == (11.5, True, (22.6, 114.0))
    assert owners == {"P1": "A1", "P2": "A1"}


def test_planned_outages_are_read_and_bad_ones_told(tmp_path: Path) -> None:
    """Each row names one EVSE or one station and a time; every other row is told with its line."""
    head = "from,to,evse_id,station_id,reason\n"
    from_to = "2027-01-01T08:00:00+08:00,2027-01-01T10:00:00+08:00"
    good = write(tmp_path, "good.csv", f"{head}{from_to},P1*1,,meter\n{from_to},,S1,\n")
    bad = write(
        tmp_path,
        "bad.csv",
        f"{head}{from_to},P1*1,S1,\n{from_to},,,\n2027-01-01T08:00:00,2027-01-02T08:00:00Z,P1*1,,\n",
    )

    outages = read_files(Files(outages=(good,))).outages
    with pytest.raises(ImportInvalid) as caught:
        read_files(Files(outages=(bad,)))

    assert outages == [
        PlannedOutage(1_798_761_600.0, 1_798_768_800.0, "P1*1", reason="meter"),
        PlannedOutage(1_798_761_600.0, 1_798_768_800.0, station_id="S1"),
    ]
    assert [p.where for p in caught.value.problems] == [f"{bad}:{n}" for n in (2, 3, 4)]


def test_problems_of_all_files_are_told_together(tmp_path: Path) -> None:
    """Two bad files of different kinds give one error with the problems of both."""
    users = write(tmp_path, "u.csv", "user_id,vip\nU 1,no\n")
    roads = write(tmp_path, "r.csv", "from_node\na\n")
    with pytest.raises(ImportInvalid) as caught:
        read_files(Files(users=(users,), roads=(roads,)))

    assert [p.where for p in caught.value.problems] == [f"{users}:2", f"{roads}:1"]


def test_the_real_city_has_its_stations_where_the_city_is() -> None:
    """1,362 stations with 17,532 piles, all inside Shenzhen."""
    path = DATA / "shenzhen" / "stations_urbanev.csv"
    if not path.exists():
        pytest.skip("needs ../shared/data or PILEWISE_DATA")
    stations = load_stations(path)

    assert len(stations) == 1_362
    assert sum(len(s.piles) for s in stations) == 17_532
    assert all(22.4 < s.latitude_deg < 22.9 for s in stations)
    assert all(113.7 < s.longitude_deg < 114.7 for s in stations)


def test_habits_of_users_are_read_and_meaningless_ones_told(tmp_path: Path) -> None:
    """name=value, split at semicolons; a known habit with a senseless value is told by line."""
    good = write(tmp_path, "good.csv", "user_id,habits\nU1,target_soc_pct=95;covered=yes\n")
    bad = write(tmp_path, "bad.csv", "user_id,habits\nU1,select_by=luck\nU2,late\n")

    (user,) = load_users(good)
    with pytest.raises(ImportInvalid) as caught:
        load_users(bad)

    assert user.habits == {"target_soc_pct": "95", "covered": "yes"}
    assert [p.where for p in caught.value.problems] == [f"{bad}:2", f"{bad}:3"]


def test_piles_are_gathered_from_rows_of_their_connectors(tmp_path: Path) -> None:
    """Two rows of one EVSE are its two plugs; a row without one says nothing of EVSEs."""
    head = "pile_id,station_id,maker,commissioned_at,bay_count,evse_id,standard,max_power_kw\n"
    path = write(
        tmp_path,
        "piles.csv",
        f"{head}P1,S1,ABB,2024-05-01T00:00:00Z,2,P1*1,GBT_DC,60\n"
        "P1,S1,ABB,2024-05-01T00:00:00Z,2,P1*1,CHADEMO,50\nP2,,,,,,,\n",
    )

    first, second = load_piles(path)

    assert (first.maker, first.bay_count, first.commissioned_at_s) == ("ABB", 2, 1_714_521_600.0)
    assert [(e.evse_id, [c.max_power_kw for c in e.connectors]) for e in first.evses] == [
        ("P1*1", [60.0, 50.0])
    ]
    assert (second.station_id, second.evses) == ("", ())


def test_a_pile_told_in_two_ways_is_refused(tmp_path: Path) -> None:
    """Rows of one pile must agree on its facts."""
    path = write(tmp_path, "piles.csv", "pile_id,maker\nP1,ABB\nP1,Siemens\n")

    with pytest.raises(ImportInvalid, match="P1"):
        load_piles(path)
