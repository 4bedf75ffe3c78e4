"""Stations from GeoJSON: one Point a station, positions as [longitude, latitude] in WGS84.

Properties read: station_id (or the feature's id), name, operator, operator_url, facilities,
opening_hours, parking_space_count, payment_methods, tariff_id, and either `piles` as
`export.geojson` writes them, or `capacity` with `standard` and `max_power_kw`.
Outlines, which that writes too, are passed over.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from coordinator.core.pile import Connector, Evse, Payment, Pile, Station
from coordinator.importers.rows import collect
from coordinator.importers.shapes import AREA, DISTRICT
from coordinator.importers.words import connector_number, power_type, valid_id

_CAPACITY_LIMIT = 2_000


def read_geojson(path: Path, data: dict[str, Any]) -> list[Station]:
    """Stations of a FeatureCollection; raises `ImportInvalid` naming all bad features."""
    features = data.get("features")
    numbered = enumerate(features if isinstance(features, list) else [])
    points = ((f"features[{n}]", f) for n, f in numbered if not _is_outline(f))
    return collect(path, points, _station)


def _is_outline(feature: Any) -> bool:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    return isinstance(properties, dict) and properties.get("kind") in (DISTRICT, AREA)


def _station(feature: dict[str, Any]) -> Station:
    properties = feature.get("properties") or {}
    geometry = feature["geometry"]
    if geometry["type"] != "Point":
        raise ValueError(f"geometry is a {geometry['type']}, expected a Point")
    longitude, latitude = (float(value) for value in geometry["coordinates"][:2])
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ValueError("coordinates must be [longitude, latitude] in degrees")
    station_id = valid_id(str(properties.get("station_id") or feature.get("id") or ""))
    if not station_id:
        raise ValueError("neither properties.station_id nor id has a usable character")
    if "piles" in properties:
        piles = tuple(_pile(station_id, pile) for pile in properties["piles"])
    else:
        piles = _assumed(station_id, properties)
    return Station(
        station_id=station_id,
        name=str(properties.get("name") or station_id),
        latitude_deg=latitude,
        longitude_deg=longitude,
        piles=piles,
        operator=str(properties.get("operator") or ""),
        operator_url=str(properties.get("operator_url") or ""),
        facilities=tuple(str(word) for word in properties.get("facilities") or []),
        opening_hours=str(properties.get("opening_hours") or ""),
        parking_space_count=_count(properties, "parking_space_count"),
        payment_methods=tuple(_payment(word) for word in properties.get("payment_methods") or []),
        tariff_id=str(properties.get("tariff_id") or ""),
    )


def _pile(station_id: str, pile: dict[str, Any]) -> Pile:
    pile_id = valid_id(str(pile["pile_id"]))
    evses = tuple(
        Evse(
            valid_id(str(evse["evse_id"])),
            tuple(_connector(c) for c in evse["connectors"]),
            _count(evse, "bay_count"),
        )
        for evse in pile["evses"]
    )
    return Pile(
        pile_id,
        station_id,
        evses,
        label=str(pile.get("label") or ""),
        bay_count=_count(pile, "bay_count"),
        latitude_deg=_degrees(pile, "latitude_deg", 90.0),
        longitude_deg=_degrees(pile, "longitude_deg", 180.0),
        maker=str(pile.get("maker") or ""),
        model=str(pile.get("model") or ""),
        serial=str(pile.get("serial") or ""),
        firmware=str(pile.get("firmware") or ""),
    )


def _count(given: dict[str, Any], name: str) -> int:
    count = int(given.get(name) or 0)
    if not 0 <= count <= _CAPACITY_LIMIT:
        raise ValueError(f"{name} is {count}, not within 0 to {_CAPACITY_LIMIT}")
    return count


def _degrees(given: dict[str, Any], name: str, limit: float) -> float | None:
    told = given.get(name)
    if told is None:
        return None
    degrees = float(told)
    if not (math.isfinite(degrees) and abs(degrees) <= limit):
        raise ValueError(f"{name} is {told}, not within ±{limit:g}")
    return degrees


def _payment(word: Any) -> Payment:
    if word not in Payment.__members__:
        raise ValueError(f"payment_methods: {word!r} is none of {', '.join(Payment.__members__)}")
    return Payment[word]


def _connector(connector: dict[str, Any]) -> Connector:
    standard = connector_number(str(connector["standard"]))
    power = float(connector["max_power_kw"])
    if not (math.isfinite(power) and 0 <= power <= 5_000):
        raise ValueError(f"max_power_kw is {power}")
    kind = power_type(str(connector.get("power_type") or ""), standard)
    return Connector(str(connector.get("connector_id") or "1"), standard, kind, power)


def _assumed(station_id: str, properties: dict[str, Any]) -> tuple[Pile, ...]:
    """Piles of which only the number is known; what is not said of the plug is assumed."""
    capacity = int(properties.get("capacity", 1))
    if not 0 <= capacity <= _CAPACITY_LIMIT:
        raise ValueError(f"capacity is {capacity}, not within 0 to {_CAPACITY_LIMIT}")
    plug = _connector(
        {
            "standard": properties.get("standard") or "GBT_DC",
            "max_power_kw": properties.get("max_power_kw") or 60,
        }
    )
    names = {"connector": "standard", "max_power_kw": "max_power_kw"}
    sources = {name: "assumed" for name, key in names.items() if not properties.get(key)}
    return tuple(
        Pile(
            f"{station_id}-{number}",
            station_id,
            (Evse(f"{station_id}-{number}*1", (plug,)),),
            sources=dict(sources),
        )
        for number in range(1, capacity + 1)
    )
