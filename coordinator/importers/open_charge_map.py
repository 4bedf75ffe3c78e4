"""Stations from Open Charge Map's POI JSON, a list as its API gives it.

Connections without a known plug are left out, and so is a place of which nothing is left, or that
was removed: the map is drawn by many hands. What it does not say of power is assumed by the plug.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station
from coordinator.importers.rows import collect
from coordinator.importers.words import connector_number, power_type, valid_id

# Open Charge Map's ConnectionTypeID to OCPI's connector.
CONNECTIONS: dict[int, str] = {
    1: "IEC_62196_T1",
    2: "CHADEMO",
    3: "DOMESTIC_G",
    8: "TESLA_R",
    9: "NEMA_5_20",
    10: "NEMA_14_30",
    11: "NEMA_14_50",
    16: "IEC_60309_2_single_16",
    17: "IEC_60309_2_three_16",
    22: "DOMESTIC_B",
    23: "DOMESTIC_E",
    25: "IEC_62196_T2",
    26: "IEC_62196_T3C",
    27: "SAE_J3400",
    28: "DOMESTIC_F",
    29: "DOMESTIC_I",
    30: "TESLA_S",
    32: "IEC_62196_T1_COMBO",
    33: "IEC_62196_T2_COMBO",
    36: "IEC_62196_T3A",
    1036: "IEC_62196_T2",
}
REMOVED = frozenset({200, 210})  # StatusTypeID: taken away, or entered twice
QUANTITY_LIMIT = 500
# CurrentTypeID to OCPI's power type.
_CURRENT = {10: "AC_1_PHASE", 20: "AC_3_PHASE", 30: "DC"}
_PHASES = {PowerType.AC_3_PHASE: 3}
_ASSUMED_KW = {PowerType.DC: 50.0, PowerType.AC_3_PHASE: 11.0}
_HOUSEHOLD_KW = 3.7


def is_open_charge_map(data: Any) -> bool:
    """Whether a file's JSON is such a list."""
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and (
        "AddressInfo" in data[0]
    )  # fmt: skip


def read_open_charge_map(path: Path, data: list[dict[str, Any]]) -> list[Station]:
    """Stations of a list of POIs; raises `ImportInvalid` naming all bad ones."""
    return collect(path, _usable(data), _station)


def _usable(data: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, poi in enumerate(data):
        try:
            removed = poi.get("StatusTypeID") in REMOVED
            known = any(_known(connection) for connection in poi.get("Connections") or ())
        except (AttributeError, TypeError):
            removed, known = False, True  # its faults are told where it is read
        if known and not removed:
            yield f"[{number}]", poi


def _known(connection: dict[str, Any]) -> bool:
    gone = connection.get("StatusTypeID") in REMOVED
    return not gone and connection.get("ConnectionTypeID") in CONNECTIONS


def _station(poi: dict[str, Any]) -> Station:
    where = poi["AddressInfo"]
    latitude, longitude = _degrees(where, "Latitude", 90.0), _degrees(where, "Longitude", 180.0)
    station_id = valid_id(f"OCM-{poi['ID']}")
    operator = poi.get("OperatorInfo") or {}
    connections = [one for one in poi["Connections"] if _known(one)]
    return Station(
        station_id,
        str(where.get("Title") or station_id),
        latitude,
        longitude,
        piles=tuple(_piles(station_id, connections)),
        operator=str(operator.get("Title") or ""),
        operator_url=str(operator.get("WebsiteURL") or ""),
    )


def _degrees(where: dict[str, Any], name: str, limit: float) -> float:
    degrees = float(where[name])
    if not (math.isfinite(degrees) and abs(degrees) <= limit):
        raise ValueError(f"AddressInfo.{name} is {where[name]}, not within ±{limit:g}")
    return degrees


def _piles(station_id: str, connections: list[dict[str, Any]]) -> Iterator[Pile]:
    """A pile for each plug that a connection counts, because the map does not know devices."""
    number = 0
    for connection in connections:
        plug, sources = _plug(connection)
        count = int(connection.get("Quantity") or 1)
        if not 1 <= count <= QUANTITY_LIMIT:
            raise ValueError(f"Quantity is {count}, not within 1 to {QUANTITY_LIMIT}")
        for _ in range(count):
            number += 1
            pile_id = f"{station_id}-{number}"
            yield Pile(pile_id, station_id, (Evse(f"{pile_id}*1", (plug,)),), sources=dict(sources))


def _plug(connection: dict[str, Any]) -> tuple[Connector, dict[str, str]]:
    standard = connector_number(CONNECTIONS[connection["ConnectionTypeID"]])
    kind = power_type(_CURRENT.get(connection.get("CurrentTypeID") or 0, ""), standard)
    power_kw, sources = _power_kw(connection, kind), {}
    if power_kw is None:
        household = CONNECTIONS[connection["ConnectionTypeID"]].startswith(("DOMESTIC", "NEMA"))
        power_kw = _HOUSEHOLD_KW if household else _ASSUMED_KW.get(kind, _HOUSEHOLD_KW)
        sources["max_power_kw"] = "assumed"
    return Connector("1", standard, kind, power_kw), sources


def _power_kw(connection: dict[str, Any], kind: PowerType) -> float | None:
    """Said outright, or of volts (between lines, where there are three) and amperes."""
    told = connection.get("PowerKW")
    if told is None:
        volts, amps = connection.get("Voltage"), connection.get("Amps")
        if not volts or not amps:
            return None
        told = float(volts) * float(amps) * math.sqrt(_PHASES.get(kind, 1)) / 1000.0
    power_kw = round(float(told), 3)
    if not (math.isfinite(power_kw) and 0 <= power_kw <= 5_000):
        raise ValueError(f"PowerKW is {told}")
    return power_kw or None
