"""Stations in a box with their availability, as cars and maps show them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import UNUSABLE, District
from coordinator.core.pile import EvseStatus, Station
from coordinator.errors import FieldFault, FieldInvalid
from coordinator.rpc.charging_codec import stamp
from coordinator.rpc.charging_request import check_box
from coordinator.rpc.noun_codec import MAX_POWER_KW, page_start, position
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

PAGE_DEFAULT = 100
PAGE_LIMIT = 1_000
_BROKEN = frozenset(int(status) for status in UNUSABLE)


def list_stations(
    district: District, statuses: NDArray[np.int8], request: wire.ListStationsRequest
) -> wire.ListStationsResponse:
    """One page of the stations in the box that fit; the token is the next station's row."""
    if not request.HasField("box"):
        raise FieldInvalid(FieldFault("box", "is missing"))
    check_box(request.box, "box")
    if not 0.0 <= request.min_power_kw <= MAX_POWER_KW:
        raise FieldInvalid(FieldFault("min_power_kw", f"must be within 0 to {MAX_POWER_KW:g}"))
    start = page_start(request.page.page_token)
    size = min(request.page.page_size or PAGE_DEFAULT, PAGE_LIMIT)
    response = wire.ListStationsResponse()
    for row in _inside(district, request.box)[start:].tolist():
        if len(response.stations) >= size:
            response.next_page_token = str(start)
            break
        start += 1
        groups = _groups(district, row, request)
        if groups:
            entry = response.stations.add()
            _fill_station(entry.station, district.stations[row])
            _fill(entry, district, statuses, groups)
    return response


def _inside(district: District, box: wire.BoundingBox) -> NDArray[np.intp]:
    """Rows of the stations in the box; one whose west is east of its east crosses the date line."""
    latitude, longitude = district.station_lat_deg, district.station_lon_deg
    inside = (latitude >= box.south_deg) & (latitude <= box.north_deg)
    east_of = longitude >= box.west_deg
    west_of = longitude <= box.east_deg
    inside &= (east_of & west_of) if box.west_deg <= box.east_deg else (east_of | west_of)
    return inside.nonzero()[0]


def _groups(
    district: District, station: int, request: wire.ListStationsRequest
) -> dict[tuple[int, float], list[int]]:
    """EVSE rows of a station by kind of plug and power, those asked for only."""
    wanted = set(request.connectors)
    found: dict[tuple[int, float], list[int]] = {}
    row = int(district.station_start[station])
    for pile in district.stations[station].piles:
        for evse in pile.evses:
            for plug in evse.connectors:
                # Both as the wire says them: 59.9 kW is at least 59.9 kW.
                if np.float32(plug.max_power_kw) < request.min_power_kw:
                    continue
                if not wanted or plug.standard in wanted:
                    found.setdefault((plug.standard, plug.max_power_kw), []).append(row)
            row += 1
    return found


def _fill_station(message: nouns.Station, station: Station) -> None:
    message.station_id, message.name = station.station_id, station.name
    message.position.CopyFrom(position(station.latitude_deg, station.longitude_deg))
    message.operator, message.operator_url = station.operator, station.operator_url
    message.facilities.extend(station.facilities)
    message.opening_hours = station.opening_hours
    message.parking_space_count = station.parking_space_count
    message.payment_methods.extend(int(method) for method in station.payment_methods)  # type: ignore[misc]
    message.tariff_id = station.tariff_id
    for pile in station.piles:
        facts = message.piles.add(
            pile_id=pile.pile_id,
            station_id=station.station_id,
            label=pile.label,
            maker=pile.maker,
            model=pile.model,
        )
        for evse in pile.evses:
            told = facts.evses.add(evse_id=evse.evse_id, bay_count=evse.bay_count)
            for plug in evse.connectors:
                told.connectors.add(
                    connector_id=plug.connector_id,
                    standard=plug.standard,
                    power_type=int(plug.power_type),
                    max_power_kw=plug.max_power_kw,
                )


def _fill(
    entry: wire.StationAvailability,
    district: District,
    statuses: NDArray[np.int8],
    groups: dict[tuple[int, float], list[int]],
) -> None:
    for (standard, power_kw), rows in sorted(groups.items()):
        told = entry.connectors.add()
        told.standard = standard  # type: ignore[assignment]  # the same numbers
        told.max_power_kw = power_kw
        told.count = len(rows)
        seen = statuses[rows].tolist()
        known = [status for status in seen if status != EvseStatus.UNKNOWN]
        if not known:
            continue
        told.available_count = _count(known, {int(EvseStatus.AVAILABLE)})
        told.out_of_service_count = _count(known, _BROKEN)
        oldest = float(district.observed_at_s[rows].min())
        if math.isfinite(oldest):
            stamp(told.updated_at, oldest)


def _count(statuses: Sequence[int], wanted: set[int] | frozenset[int]) -> int:
    return sum(status in wanted for status in statuses)
