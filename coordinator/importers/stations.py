"""Stations with their piles from CSV, GeoJSON, OCPI or Open Charge Map files.

CSV forms, told apart by their columns:
- ours, one row a connector (see `COLUMNS`); what `export.stations_csv` writes;
- UrbanEV: station_id, longitude, latitude, charge_count; GCJ-02, converted to WGS84;
- ST-EVCDP: station_id, latitude, longitude, fast, slow; read as WGS84.
The latter two name neither plug nor power: GBT_DC with 60 kW (slow: GBT_AC with 7 kW) is assumed,
and the piles' `sources` say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from coordinator.core.geo import great_circle_km, wgs84_from_gcj02
from coordinator.core.pile import Connector, Evse, Payment, Pile, PowerType, Station
from coordinator.errors import ImportInvalid, Problem
from coordinator.importers.geojson import read_geojson
from coordinator.importers.ocpi import read_locations
from coordinator.importers.open_charge_map import is_open_charge_map, read_open_charge_map
from coordinator.importers.rows import Cells, raise_if, read_header, read_json, read_table
from coordinator.importers.words import (
    PAYMENTS,
    connector_number,
    on_wgs84,
    power_type,
    valid_id,
)

COLUMNS: tuple[str, ...] = (
    "station_id", "station_name", "latitude_deg", "longitude_deg", "datum", "operator",
    "operator_url", "facilities", "opening_hours", "parking_space_count", "payment_methods",
    "tariff_id", "pile_id", "label", "maker", "model", "serial", "firmware", "evse_id",
    "bay_count", "connector_id", "standard", "power_type", "max_power_kw",
)  # fmt: skip
_NEEDED = ("station_id", "latitude_deg", "longitude_deg", "pile_id", "standard", "max_power_kw")
_URBANEV = ("station_id", "longitude", "latitude", "charge_count")
_EVCDP = ("station_id", "latitude", "longitude", "fast", "slow")
_ASSUMED = {"connector": "assumed", "max_power_kw": "assumed"}
_GBT_AC, _GBT_DC = connector_number("GBT_AC"), connector_number("GBT_DC")
PILES_LIMIT = 2_000


def load_stations(
    path: Path, near: tuple[float, float] | None = None, limit: int | None = None
) -> list[Station]:
    """Stations of a file; with `near` (latitude, longitude) nearest first; at most `limit`.

    Raises `ImportInvalid` naming every bad row at once.
    """
    path = Path(path)
    if path.suffix.lower() in (".json", ".geojson"):
        data = read_json(path)
        if isinstance(data, dict) and data.get("type") == "FeatureCollection":
            stations = read_geojson(path, data)
        elif is_open_charge_map(data):
            stations = read_open_charge_map(path, data)
        else:
            stations = read_locations(path, data)
    else:
        stations = _read_csv(path)
    _check_unique(path, stations)
    if near is not None:
        centre = near
        stations.sort(key=lambda s: great_circle_km(centre, (s.latitude_deg, s.longitude_deg)))
    return stations[:limit]


def _read_csv(path: Path) -> list[Station]:
    header = read_header(path)
    if set(_URBANEV) <= set(header):
        return [station for _, station in read_table(path, _URBANEV, _urbanev)]
    if set(_EVCDP) <= set(header):
        return [station for _, station in read_table(path, _EVCDP, _evcdp)]
    rows = read_table(path, _NEEDED, _own, COLUMNS)
    return _gather(path, rows)


def _urbanev(cells: Cells) -> Station:
    latitude, longitude = wgs84_from_gcj02(
        cells.number("latitude", -90, 90), cells.number("longitude", -180, 180)
    )
    count = cells.whole("charge_count", 0, PILES_LIMIT)
    return _assumed(cells.text("station_id"), (latitude, longitude), count, 0)


def _evcdp(cells: Cells) -> Station:
    place = cells.number("latitude", -90, 90), cells.number("longitude", -180, 180)
    fast, slow = cells.whole("fast", 0, PILES_LIMIT), cells.whole("slow", 0, PILES_LIMIT)
    return _assumed(cells.text("station_id"), place, fast, slow)


def _assumed(text: str, place: tuple[float, float], fast: int, slow: int) -> Station:
    """A station of which only the number of its piles is known."""
    station_id = valid_id(text)
    if not station_id:
        raise ValueError("station_id has no usable character")
    plugs = [Connector("1", _GBT_DC, PowerType.DC, 60.0)] * fast
    plugs += [Connector("1", _GBT_AC, PowerType.AC_1_PHASE, 7.0)] * slow
    piles = tuple(
        Pile(
            pile_id=f"{station_id}-{number}",
            station_id=station_id,
            evses=(Evse(f"{station_id}-{number}*1", (plug,)),),
            label=f"{station_id} P{number}",
            sources=dict(_ASSUMED),
        )
        for number, plug in enumerate(plugs, start=1)
    )
    return Station(station_id, f"Station {station_id}", place[0], place[1], piles)


def _own(cells: Cells) -> tuple[Station, Pile, Evse]:
    """A station with one pile with one EVSE with one connector, to be gathered."""
    place = cells.number("latitude_deg", -90, 90), cells.number("longitude_deg", -180, 180)
    place = on_wgs84(place, cells.text("datum", ""))
    standard = connector_number(cells.text("standard"))
    plug = Connector(
        cells.text("connector_id", "1"),
        standard,
        power_type(cells.text("power_type", ""), standard),
        cells.number("max_power_kw", 0, 5_000),
    )
    station_id, pile_id = _checked_id(cells, "station_id"), _checked_id(cells, "pile_id")
    evse_id = valid_id(cells.text("evse_id", f"{pile_id}*1"))
    evse = Evse(evse_id, (plug,), cells.whole("bay_count", 0, 1_000, 0))
    pile = Pile(
        pile_id,
        station_id,
        (),
        label=cells.text("label", ""),
        maker=cells.text("maker", ""),
        model=cells.text("model", ""),
        serial=cells.text("serial", ""),
        firmware=cells.text("firmware", ""),
    )
    station = Station(
        station_id,
        cells.text("station_name", station_id),
        place[0],
        place[1],
        operator=cells.text("operator", ""),
        operator_url=cells.text("operator_url", ""),
        facilities=cells.words("facilities"),
        opening_hours=cells.text("opening_hours", ""),
        parking_space_count=cells.whole("parking_space_count", 0, 100_000, 0),
        payment_methods=tuple(_payment(word) for word in cells.words("payment_methods")),
        tariff_id=cells.text("tariff_id", ""),
    )
    return station, pile, evse


def _payment(word: str) -> Payment:
    if word.upper() not in PAYMENTS:
        raise ValueError(f"payment_methods: {word!r} is none of {', '.join(PAYMENTS)}")
    return PAYMENTS[word.upper()]


def _checked_id(cells: Cells, name: str) -> str:
    text = cells.text(name)
    if valid_id(text) != text:
        raise ValueError(f"{name} {text!r} must match [A-Za-z0-9._:*-]{{1,64}}")
    return text


def _gather(path: Path, rows: Iterable[tuple[int, tuple[Station, Pile, Evse]]]) -> list[Station]:
    """Stations from their rows; what a station says of itself is read from its first row."""
    stations: dict[str, Station] = {}
    piles: dict[str, Pile] = {}
    evses: dict[str, tuple[str, Evse]] = {}
    problems: list[Problem] = []
    for line, (station, pile, evse) in rows:
        stations.setdefault(station.station_id, station)
        if piles.setdefault(pile.pile_id, pile).station_id != station.station_id:
            message = f"pile {pile.pile_id} is already in another station"
            problems.append(Problem("IMP-005", f"{path}:{line}", message))
        owner, known = evses.setdefault(evse.evse_id, (pile.pile_id, replace(evse, connectors=())))
        if owner != pile.pile_id:
            message = f"EVSE {evse.evse_id} is already in pile {owner}"
            problems.append(Problem("IMP-005", f"{path}:{line}", message))
        connectors = known.connectors + evse.connectors
        evses[evse.evse_id] = (owner, replace(known, connectors=connectors))
    raise_if(problems)
    of_pile: dict[str, list[Evse]] = {}
    for owner, evse in evses.values():
        of_pile.setdefault(owner, []).append(evse)
    of_station: dict[str, list[Pile]] = {}
    for pile in piles.values():
        whole = replace(pile, evses=tuple(of_pile[pile.pile_id]))
        of_station.setdefault(pile.station_id, []).append(whole)
    return [replace(s, piles=tuple(of_station[s.station_id])) for s in stations.values()]


def _check_unique(path: Path, stations: list[Station]) -> None:
    """Raises `ImportInvalid` for identifiers that occur twice."""
    seen: set[str] = set()
    problems: list[Problem] = []
    for station in stations:
        names = [f"station {station.station_id}"]
        names += [f"pile {pile.pile_id}" for pile in station.piles]
        names += [f"EVSE {e.evse_id}" for pile in station.piles for e in pile.evses]
        problems += [
            Problem("IMP-005", str(path), f"{name} occurs twice") for name in names if name in seen
        ]
        seen.update(names)
    if not stations:
        raise ImportInvalid([Problem("IMP-006", str(path), "holds no station")])
    raise_if(problems)
