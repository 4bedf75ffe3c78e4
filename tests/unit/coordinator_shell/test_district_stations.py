"""Stations put into the live picture: what moves, what stays."""

from __future__ import annotations

from dataclasses import replace

from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, EvseStatus, Pile, PowerType, Station


def station(name: str, evse_count: int = 2, maker: str = "") -> Station:
    plug = Connector("1", 19, PowerType.DC, 60.0)
    evses = tuple(Evse(f"{name}*{n}", (plug,)) for n in range(evse_count))
    return Station(name, name, 22.5, 114.0, (Pile(name, name, evses, maker=maker),))


def test_facts_change_without_moving_a_row() -> None:
    """New facts of a pile show at once; rows and live columns are the same objects as before."""
    district = District([station("A"), station("B")])
    district.status[:] = EvseStatus.CHARGING
    status, power = district.status, district.max_power_kw
    district.derived["x"] = 1
    district.put_stations([station("A", maker="ABB")])

    assert district.status is status
    assert district.max_power_kw is power
    assert district.piles[district.pile_row["A"]].maker == "ABB"
    assert district.stations[0].piles[0].maker == "ABB"
    assert district.derived == {}


def test_another_plug_lays_out_anew_and_keeps_what_is_live() -> None:
    """A station with one EVSE more moves its neighbours' rows and none of their values."""
    district = District([station("A"), station("B")])
    district.status[district.row["B*1"]] = EvseStatus.CHARGING
    district.fault_code[district.row["B*1"]] = "CX003"
    before = district.row["B*1"]
    district.put_stations([station("A", 3)])

    assert district.row["B*1"] == before + 1
    assert district.status[district.row["B*1"]] == EvseStatus.CHARGING
    assert district.fault_code == {district.row["B*1"]: "CX003"}
    assert district.status[district.row["A*2"]] == EvseStatus.UNKNOWN


def test_a_station_that_moves_has_its_new_place() -> None:
    """A new position is no mere fact: columns of places follow."""
    district = District([station("A")])
    district.put_stations([replace(station("A"), latitude_deg=23.0)])

    assert district.station_lat_deg.tolist() == [23.0]
