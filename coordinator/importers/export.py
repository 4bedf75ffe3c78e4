"""Stations and tariffs out again: GeoJSON, OCPI 2.2.1, plugs by kind, and our CSV.

What is said of a station and its piles reads back: all of it from GeoJSON and CSV, from OCPI what
that has a place for. `live` gives what is believed of an EVSE, where there is anything;
without it everything is UNKNOWN.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coordinator.core.pile import Connector, Evse, EvseStatus, Pile, Station, Tariff
from coordinator.importers import ocpi_out
from coordinator.importers.aggregate import NOTHING, Live, LiveEvse, by_kind
from coordinator.importers.navigation_words import GOOGLE, TOMTOM
from coordinator.importers.ocpi_out import UNTOLD, Party, stamp
from coordinator.importers.shapes import Shapes, outlines
from coordinator.importers.stations import COLUMNS
from coordinator.importers.tariffs import COLUMNS as TARIFF_COLUMNS
from coordinator.importers.words import connector_name

FORMATS = ("geojson", "ocpi", "csv", "connectors", "ocpi-tariffs", "tariffs")
RECORDS = ("sessions", "requests")  # written by `records.py`
PILE_FACTS = (
    "maker", "model", "serial", "firmware", "latitude_deg", "longitude_deg", "bay_count",
)  # fmt: skip
PLAIN = Shapes()
_NOTHING_KNOWN = (EvseStatus.UNKNOWN, EvseStatus.UNSPECIFIED)


def export(
    stations: Sequence[Station],
    form: str,
    live: Live,
    now_s: float,
    tariffs: Mapping[str, Tariff] | None = None,
    party: Party = UNTOLD,
    shapes: Shapes = PLAIN,
) -> str:
    """The stations, or the tariffs, in one of `FORMATS`; raises KeyError for another."""
    known = tariffs or {}
    writers = {
        "geojson": lambda: geojson(stations, live, now_s, known, shapes),
        "ocpi": lambda: json.dumps(ocpi_out.locations(stations, live, now_s, party)),
        "csv": lambda: stations_csv(stations, live),
        "connectors": lambda: aggregates(stations, live),
        "ocpi-tariffs": lambda: json.dumps(ocpi_out.tariffs(known.values(), now_s, party)),
        "tariffs": lambda: tariffs_csv(known.values()),
    }
    return writers[form]()


def geojson(
    stations: Sequence[Station],
    live: Live,
    now_s: float,
    tariffs: Mapping[str, Tariff],
    shapes: Shapes,
) -> str:
    """A FeatureCollection: a Point a station, then outlines; [longitude, latitude]."""
    features = [_feature(station, live, now_s, tariffs) for station in stations]
    features += outlines(stations, shapes)
    return json.dumps({"type": "FeatureCollection", "features": features})


def _feature(
    station: Station, live: Live, now_s: float, tariffs: Mapping[str, Tariff]
) -> dict[str, Any]:
    evses = [evse for pile in station.piles for evse in pile.evses]
    now = [live.get(evse.evse_id, NOTHING) for evse in evses]
    powers = [plug.max_power_kw for evse in evses for plug in evse.connectors]
    heard = [one.updated_at_s for one in now if one.updated_at_s is not None]
    waits = [one.wait_p50_s for one in now if one.wait_p50_s is not None]
    return {
        "type": "Feature",
        "id": station.station_id,
        "geometry": {
            "type": "Point",
            "coordinates": [station.longitude_deg, station.latitude_deg],
        },
        "properties": {
            "kind": "station",
            "station_id": station.station_id,
            "name": station.name,
            "operator": station.operator,
            "operator_url": station.operator_url,
            "facilities": list(station.facilities),
            "opening_hours": station.opening_hours,
            "parking_space_count": station.parking_space_count,
            "payment_methods": [payment.name for payment in station.payment_methods],
            "tariff_id": station.tariff_id,
            "price_text": _price_text(tariffs.get(station.tariff_id)),
            "capacity": len(evses),
            "available": _available(now),
            "max_power_w": round(max(powers, default=0.0) * 1000),
            "queue_length": sum(one.queue_length for one in now),
            "wait_p50_s": min(waits, default=None),
            "connectors": _kinds(station, live),
            "as_of": stamp(now_s),
            "last_updated": _stamped(max(heard, default=None)),
            "piles": [_plain_pile(pile, live) for pile in station.piles],
        },
    }


def _available(now: Iterable[LiveEvse]) -> int | None:
    """EVSEs that are free; None while nothing is known of any."""
    known = [one.status for one in now if one.status not in _NOTHING_KNOWN]
    return known.count(EvseStatus.AVAILABLE) if known else None


def _price_text(tariff: Tariff | None) -> str:
    """Prices that hold around the clock, e.g. "CNY 1.2/kWh"; empty where none is known."""
    units = {"ENERGY": "/kWh", "TIME": "/h", "PARKING_TIME": "/h parked", "FLAT": " once"}
    if tariff is None:
        return ""
    always = [e for e in tariff.elements if not (e.start_time or e.end_time or e.weekdays)]
    words = [f"{tariff.currency} {e.price:g}{units.get(e.dimension, '')}" for e in always]
    return ", ".join(words) or f"{tariff.currency}, by time of day"


def _plain_pile(pile: Pile, live: Live) -> dict[str, Any]:
    return {
        "pile_id": pile.pile_id,
        "label": pile.label,
        **{name: told for name in PILE_FACTS if (told := getattr(pile, name)) not in ("", None)},
        "evses": [_plain_evse(evse, live) for evse in pile.evses],
    }


def _plain_evse(evse: Evse, live: Live) -> dict[str, Any]:
    now = live.get(evse.evse_id, NOTHING)
    return {
        "evse_id": evse.evse_id,
        "bay_count": evse.bay_count,
        "status": now.status.name,
        "last_updated": _stamped(now.updated_at_s),
        "failure_rate": now.failure_rate,
        "queue_length": now.queue_length,
        "wait_p50_s": now.wait_p50_s,
        "connectors": [_plain_connector(connector) for connector in evse.connectors],
    }


def _plain_connector(connector: Connector) -> dict[str, Any]:
    return {
        "connector_id": connector.connector_id,
        "standard": connector_name(connector.standard),
        "power_type": connector.power_type.name,
        "max_power_kw": connector.max_power_kw,
    }


def aggregates(stations: Iterable[Station], live: Live) -> str:
    """A list of stations, each with its plugs by kind and power, named as others name them."""
    return json.dumps(
        [
            {"station_id": station.station_id, "connectors": _kinds(station, live)}
            for station in stations
        ]
    )


def _kinds(station: Station, live: Live) -> list[dict[str, Any]]:
    return [
        {
            "standard": kind.standard,
            "google_type": GOOGLE.get(kind.standard, "OTHER"),
            "tomtom_type": TOMTOM.get(kind.standard, ""),
            "max_charge_rate_kw": kind.max_power_kw,
            "count": kind.count,
            # Of nothing known, nothing is said: "0 free" would be a lie.
            "available_count": kind.available if kind.known else None,
            "out_of_service_count": kind.out_of_service if kind.known else None,
            "availability_last_update_time": _stamped(kind.updated_at_s),
        }
        for kind in by_kind(station, live)
    ]


def stations_csv(stations: Iterable[Station], live: Live) -> str:
    """One row a connector; `load_stations` reads it back."""
    text = io.StringIO()
    writer = csv.DictWriter(text, (*COLUMNS, "status"), lineterminator="\n")
    writer.writeheader()
    for station in stations:
        for pile in station.piles:
            for evse in pile.evses:
                status = live.get(evse.evse_id, NOTHING).status.name
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


def tariffs_csv(tariffs: Iterable[Tariff]) -> str:
    """One row a priced dimension; `load_tariffs` reads it back."""
    text = io.StringIO()
    writer = csv.DictWriter(text, TARIFF_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for tariff in tariffs:
        for element in tariff.elements:
            writer.writerow(
                {
                    "tariff_id": tariff.tariff_id,
                    "currency": tariff.currency,
                    "dimension": element.dimension,
                    "price": element.price,
                    "start_time": element.start_time,
                    "end_time": element.end_time,
                    "weekdays": ";".join(map(str, element.weekdays)),
                    "time_zone": tariff.time_zone,
                }
            )
    return text.getvalue()


def _stamped(at_s: float | None) -> str | None:
    return None if at_s is None else stamp(at_s)
