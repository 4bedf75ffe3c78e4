"""OCPI 2.2.1 objects of what a district holds: Locations and Tariffs, with every required field.

Who publishes is a `Party`; what nobody knows of a place is said as OCPI lets it be said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from coordinator.config_ocpi import OcpiSection
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
from coordinator.importers.aggregate import NOTHING, Live, LiveEvse
from coordinator.importers.opening import to_ocpi
from coordinator.importers.words import connector_name

WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_EMI3 = re.compile(r"^([A-Z]{2})\*?([A-Z0-9]{3})\*?E", re.IGNORECASE)
_REFERENCE_LENGTH = 16  # of OCPI 2.2.1
_LINE_V, _DC_V, _HIGH_DC_V, _HIGH_KW = 230, 500, 1000, 150
_FIELDED = ("GBT_AC", "IEC_62196_T2", "DOMESTIC", "NEMA", "IEC_60309")  # a socket, if it is AC
_CAPABILITIES = {
    Payment.APP: "REMOTE_START_STOP_CAPABLE",
    Payment.RFID: "RFID_READER",
    Payment.BANK_CARD: "CREDIT_CARD_PAYABLE",
}


@dataclass(frozen=True, slots=True)
class Party:
    """Who publishes; the defaults are codes that ISO 3166 leaves to users."""

    country_code: str = "ZZ"  # ISO 3166-1 alpha-2
    party_id: str = "PIL"  # ISO 15118, three characters
    country: str = "ZZZ"  # ISO 3166-1 alpha-3
    city: str = ""
    time_zone: str = "UTC"  # IANA name


UNTOLD = Party()


def party_of(section: OcpiSection) -> Party:
    """Who publishes, by the configuration."""
    return Party(**msgspec.structs.asdict(section))


def locations(
    stations: Iterable[Station], live: Live, now_s: float, party: Party = UNTOLD
) -> list[dict[str, Any]]:
    """OCPI Locations; power in W, instants in UTC, text cut where OCPI ends it."""
    return [_location(station, live, now_s, party) for station in stations]


def _location(station: Station, live: Live, now_s: float, party: Party) -> dict[str, Any]:
    evses = [
        _evse(station, pile, evse, live.get(evse.evse_id, NOTHING), now_s)
        for pile in station.piles
        for evse in pile.evses
    ]
    country_code, party_id = _owner(station, party)
    made: dict[str, Any] = {
        "country_code": country_code,
        "party_id": party_id,
        "id": station.station_id[:36],
        "publish": True,
        "name": station.name[:255],
        "address": station.name[:45],
        "city": (party.city or station.name)[:45],
        "country": party.country,
        "coordinates": _place(station.latitude_deg, station.longitude_deg),
        "evses": evses,
        "facilities": list(station.facilities),
        "time_zone": party.time_zone,
        "last_updated": max((e["last_updated"] for e in evses), default=stamp(now_s)),
    }
    if station.operator:
        made["operator"] = {"name": station.operator[:100]}
        if station.operator_url:
            made["operator"]["website"] = station.operator_url
    if (opening := to_ocpi(station.opening_hours)) is not None:
        made["opening_times"] = opening
    return made


def _owner(station: Station, party: Party) -> tuple[str, str]:
    """Country and party of an EVSE id as eMI3 writes it, else the configured ones."""
    for pile in station.piles:
        for evse in pile.evses:
            found = _EMI3.match(evse.evse_id)
            if found is not None:
                return found[1].upper(), found[2].upper()
    return party.country_code, party.party_id


def _evse(station: Station, pile: Pile, evse: Evse, live: LiveEvse, now_s: float) -> dict[str, Any]:
    updated = stamp(now_s if live.updated_at_s is None else live.updated_at_s)
    status = EvseStatus.UNKNOWN if live.status is EvseStatus.UNSPECIFIED else live.status
    made: dict[str, Any] = {
        "uid": (pile.pile_id if len(pile.evses) == 1 else evse.evse_id)[:36],
        "evse_id": evse.evse_id[:48],
        "status": status.name,
        "capabilities": [
            _CAPABILITIES[payment]
            for payment in station.payment_methods
            if payment in _CAPABILITIES
        ],
        "connectors": [_connector(station, plug, updated) for plug in evse.connectors],
        "last_updated": updated,
    }
    if 0 < len(pile.label) <= _REFERENCE_LENGTH:  # cut, it would not be what stands on the pile
        made["physical_reference"] = pile.label
    if pile.latitude_deg is not None and pile.longitude_deg is not None:
        made["coordinates"] = _place(pile.latitude_deg, pile.longitude_deg)
    return made


def _connector(station: Station, plug: Connector, updated: str) -> dict[str, Any]:
    """Volts and amperes follow from the power, because only the power is known here."""
    direct = plug.power_type is PowerType.DC
    name = connector_name(plug.standard)
    volts = (_HIGH_DC_V if plug.max_power_kw > _HIGH_KW else _DC_V) if direct else _LINE_V
    phases = {PowerType.AC_3_PHASE: 3, PowerType.AC_2_PHASE: 2, PowerType.AC_2_PHASE_SPLIT: 2}
    watts = round(plug.max_power_kw * 1000)
    made: dict[str, Any] = {
        "id": plug.connector_id[:36],
        "standard": name,
        "format": "SOCKET" if not direct and name.startswith(_FIELDED) else "CABLE",
        "power_type": (plug.power_type or PowerType.AC_3_PHASE).name,
        "max_voltage": volts,
        "max_amperage": round(watts / (volts * phases.get(plug.power_type, 1))),
        "max_electric_power": watts,
        "last_updated": updated,
    }
    if station.tariff_id:
        made["tariff_ids"] = [station.tariff_id[:36]]
    return made


def tariffs(known: Iterable[Tariff], now_s: float, party: Party = UNTOLD) -> list[dict[str, Any]]:
    """OCPI Tariffs: an element for each time of the week, its prices within."""
    return [_tariff(tariff, now_s, party) for tariff in known]


def _tariff(tariff: Tariff, now_s: float, party: Party) -> dict[str, Any]:
    made: dict[str, Any] = {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "id": tariff.tariff_id[:36],
        "currency": tariff.currency,
        "elements": [_element(element) for element in tariff.elements],
        "last_updated": stamp(now_s),
    }
    if tariff.valid_from_s is not None:
        made["start_date_time"] = stamp(tariff.valid_from_s)
    if tariff.valid_until_s is not None:
        made["end_date_time"] = stamp(tariff.valid_until_s)
    return made


def _element(element: TariffElement) -> dict[str, Any]:
    """One dimension an element, so that the first that fits wins for each, as it does here."""
    component = {"type": element.dimension, "price": element.price, "step_size": 1}
    limits: dict[str, Any] = {}
    if element.start_time:
        limits["start_time"] = element.start_time
    if element.end_time:
        limits["end_time"] = element.end_time
    if element.weekdays:
        limits["day_of_week"] = _days(element.weekdays)
    made: dict[str, Any] = {"price_components": [component]}
    return made | ({"restrictions": limits} if limits else {})


def _days(numbers: Sequence[int]) -> list[str]:
    return [WEEKDAYS[number - 1] for number in numbers]


def _place(latitude_deg: float, longitude_deg: float) -> dict[str, str]:
    return {"latitude": f"{latitude_deg:.6f}", "longitude": f"{longitude_deg:.6f}"}


def stamp(at_s: float) -> str:
    """An instant as OCPI writes it."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
