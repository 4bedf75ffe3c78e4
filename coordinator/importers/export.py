"""Stations out again: GeoJSON, OCPI 2.2.1 locations, and our CSV, which reads back the same.

`live` gives the present status of an EVSE, where there is one; without it everything is UNKNOWN.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from coordinator.core.pile import Connector, Evse, EvseStatus, Pile, Station
from coordinator.importers.stations import COLUMNS
from coordinator.importers.words import connector_name

FORMATS = ("geojson", "ocpi", "csv")
RECORDS = ("sessions", "requests")  # written by `records.py`
Live = Mapping[str, EvseStatus]


def export(stations: Iterable[Station], form: str, live: Live, now_s: float) -> str:
    """The stations in one of `FORMATS`; raises KeyError for another."""
    writers = {"geojson": geojson, "ocpi": ocpi, "csv": stations_csv}
    return writers[form](stations, live, now_s)


def geojson(stations: Iterable[Station], live: Live, now_s: float) -> str:
    """A FeatureCollection, one Point a station, [longitude, latitude]."""
    features = [
        {
            "type": "Feature",
            "id": station.station_id,
            "geometry": {
                "type": "Point",
                "coordinates": [station.longitude_deg, station.latitude_deg],
            },
            "properties": {
                "station_id": station.station_id,
                "name": station.name,
                "operator": station.operator,
                "opening_hours": station.opening_hours,
                "tariff_id": station.tariff_id,
                "capacity": sum(len(pile.evses) for pile in station.piles),
                "available": sum(
                    live.get(evse.evse_id) is EvseStatus.AVAILABLE
                    for pile in station.piles
                    for evse in pile.evses
                ),
                "last_updated": _stamp(now_s),
                "piles": [_plain_pile(pile, live) for pile in station.piles],
            },
        }
        for station in stations
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def _plain_pile(pile: Pile, live: Live) -> dict[str, Any]:
    return {
        "pile_id": pile.pile_id,
        "label": pile.label,
        "evses": [
            {
                "evse_id": evse.evse_id,
                "status": live.get(evse.evse_id, EvseStatus.UNKNOWN).name,
                "connectors": [_plain_connector(connector) for connector in evse.connectors],
            }
            for evse in pile.evses
        ],
    }


def _plain_connector(connector: Connector) -> dict[str, Any]:
    return {
        "connector_id": connector.connector_id,
        "standard": connector_name(connector.standard),
        "power_type": connector.power_type.name,
        "max_power_kw": connector.max_power_kw,
    }


def ocpi(stations: Iterable[Station], live: Live, now_s: float) -> str:
    """A list of OCPI locations; power in W, as OCPI has it."""
    stamp = _stamp(now_s)
    locations = [
        {
            "id": station.station_id[:36],
            "publish": True,
            "name": station.name,
            "coordinates": {
                "latitude": f"{station.latitude_deg:.6f}",
                "longitude": f"{station.longitude_deg:.6f}",
            },
            "operator": {"name": station.operator, "website": station.operator_url},
            "facilities": list(station.facilities),
            "evses": [
                _ocpi_evse(station, pile, evse, live, stamp)
                for pile in station.piles
                for evse in pile.evses
            ],
            "last_updated": stamp,
        }
        for station in stations
    ]
    return json.dumps(locations)


def _ocpi_evse(station: Station, pile: Pile, evse: Evse, live: Live, stamp: str) -> dict[str, Any]:
    return {
        "uid": pile.pile_id if len(pile.evses) == 1 else evse.evse_id,
        "evse_id": evse.evse_id,
        "status": live.get(evse.evse_id, EvseStatus.UNKNOWN).name,
        "connectors": [
            {
                "id": connector.connector_id,
                "standard": connector_name(connector.standard),
                "power_type": connector.power_type.name,
                "max_electric_power": round(connector.max_power_kw * 1000),
                "tariff_ids": [station.tariff_id] if station.tariff_id else [],
                "last_updated": stamp,
            }
            for connector in evse.connectors
        ],
        "last_updated": stamp,
    }


def stations_csv(stations: Iterable[Station], live: Live, now_s: float) -> str:
    """One row a connector; `load_stations` reads it back."""
    text = io.StringIO()
    writer = csv.DictWriter(text, (*COLUMNS, "status"), lineterminator="\n")
    writer.writeheader()
    for station in stations:
        for pile in station.piles:
            for evse in pile.evses:
                status = live.get(evse.evse_id, EvseStatus.UNKNOWN).name
                for connector in evse.connectors:
                    row = _row(station, pile, evse, connector)
                    writer.writerow({**row, "status": status})
    return text.getvalue()


def _row(station: Station, pile: Pile, evse: Evse, connector: Connector) -> dict[str, object]:
    return {
        "station_id": station.station_id,
        "station_name": station.name,
        "latitude_deg": station.latitude_deg,
        "longitude_deg": station.longitude_deg,
        "datum": "WGS84",
        "operator": station.operator,
        "operator_url": station.operator_url,
        "facilities": ";".join(station.facilities),
        "opening_hours": station.opening_hours,
        "parking_space_count": station.parking_space_count,
        "payment_methods": ";".join(payment.name for payment in station.payment_methods),
        "tariff_id": station.tariff_id,
        **{n: getattr(pile, n) for n in ("pile_id", "label", "maker", "model", "serial")},
        "firmware": pile.firmware,
        "evse_id": evse.evse_id,
        "bay_count": evse.bay_count,
        **_plain_connector(connector),
    }


def _stamp(now_s: float) -> str:
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
