"""OCPI 2.2.1 JSON: locations and tariffs, as a list or inside `{"data": [...]}`.

One EVSE of OCPI becomes one pile with one EVSE, because OCPI does not know the device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coordinator.core.pile import Connector, Evse, Pile, Station
from coordinator.importers.opening import from_ocpi
from coordinator.importers.rows import collect
from coordinator.importers.words import CAPABILITIES, connector_number, power_type, valid_id


def entries(data: Any, what: str) -> Iterator[tuple[str, Any]]:
    """The objects of a list, or of a response, with where they stand."""
    if isinstance(data, dict):
        data = data.get("data", [data])
    if not isinstance(data, list):
        data = [data]
    for number, entry in enumerate(data):
        yield f"{what}[{number}]", entry


def read_locations(path: Path, data: Any) -> list[Station]:
    """Stations from OCPI locations; raises `ImportInvalid` naming all bad ones."""
    return collect(path, entries(data, "locations"), _station)


def _station(location: dict[str, Any]) -> Station:
    station_id = valid_id(str(location["id"]))
    if not station_id:
        raise ValueError("id has no usable character")
    coordinates = location["coordinates"]
    operator = location.get("operator") or {}
    evses = [e for e in location.get("evses") or [] if e.get("status") != "REMOVED"]
    payments = {
        CAPABILITIES[capability]
        for evse in evses
        for capability in evse.get("capabilities") or []
        if capability in CAPABILITIES
    }
    tariffs = [
        tariff_id
        for evse in evses
        for connector in evse.get("connectors") or []
        for tariff_id in connector.get("tariff_ids") or []
    ]
    return Station(
        station_id=station_id,
        name=str(location.get("name") or location.get("address") or station_id),
        latitude_deg=_degrees(coordinates, "latitude", 90.0),
        longitude_deg=_degrees(coordinates, "longitude", 180.0),
        piles=tuple(_pile(station_id, evse) for evse in evses),
        operator=str(operator.get("name", "")),
        operator_url=str(operator.get("website", "")),
        facilities=tuple(str(word) for word in location.get("facilities") or []),
        opening_hours=from_ocpi(location.get("opening_times")),
        payment_methods=tuple(sorted(payments)),
        tariff_id=valid_id(tariffs[0]) if tariffs else "",
    )


def _degrees(coordinates: dict[str, Any], name: str, limit: float) -> float:
    degrees = float(coordinates[name])
    if not (math.isfinite(degrees) and abs(degrees) <= limit):
        raise ValueError(f"coordinates.{name} is {coordinates[name]}, not within ±{limit:g}")
    return degrees


def _pile(station_id: str, evse: dict[str, Any]) -> Pile:
    pile_id = valid_id(str(evse["uid"]))
    if not pile_id:
        raise ValueError("an EVSE's uid has no usable character")
    connectors = tuple(_connector(connector) for connector in evse["connectors"])
    place = evse.get("coordinates")  # of the pile itself, where it is told
    return Pile(
        pile_id=pile_id,
        station_id=station_id,
        evses=(Evse(f"{pile_id[:62]}*1", connectors),),
        label=str(evse.get("physical_reference") or evse.get("evse_id") or pile_id),
        latitude_deg=_degrees(place, "latitude", 90.0) if place else None,
        longitude_deg=_degrees(place, "longitude", 180.0) if place else None,
    )


def _connector(connector: dict[str, Any]) -> Connector:
    standard = connector_number(str(connector["standard"]))
    kind = power_type(str(connector.get("power_type") or ""), standard)
    watts = connector.get("max_electric_power")
    if watts is None:
        phases = 3 if kind.name == "AC_3_PHASE" else 1
        watts = phases * float(connector["max_voltage"]) * float(connector["max_amperage"])
    return Connector(valid_id(str(connector["id"])), standard, kind, float(watts) / 1000)
