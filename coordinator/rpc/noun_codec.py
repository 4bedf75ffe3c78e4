"""The wire's shared nouns to the core's and back: stations, piles, positions, instants."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.core.geo import wgs84_from_gcj02
from coordinator.core.pile import Connector, Evse, Payment, Pile, PowerType, Station
from coordinator.core.report import IDENTIFIER
from coordinator.errors import FieldFault, FieldInvalid
from pilewise.v1 import types_pb2 as nouns

TEXT_LIMIT = 256
LIST_LIMIT = 64
MAX_POWER_KW = 5_000.0
MOST_ACCURACY_M = 20_000_000.0  # half around the earth
MOST_SPEED_KMH = 500.0
YEAR_3000_S = 32_503_680_000
# Numbers of plugs that this version knows; a newer one may send others.
STANDARDS = frozenset(nouns.ConnectorStandard.values())
# Few enough digits for any count, and none of the digits of other scripts.
_PAGE_TOKEN = re.compile(r"[0-9]{1,18}")


def timestamp(instant_s: float) -> Timestamp | None:
    """An instant; None where it is not finite."""
    if not math.isfinite(instant_s):
        return None
    whole = math.floor(instant_s)
    return Timestamp(seconds=whole, nanos=int((instant_s - whole) * 1e9))


def seconds(stamp: Timestamp) -> float:
    """Seconds since 1970 UTC."""
    return stamp.seconds + stamp.nanos / 1e9


def check_instants(message: Message, field: str, *names: str) -> Iterator[FieldFault]:
    """A fault for each of these instants that is there and that no calendar of ours has."""
    for name in names:
        if not message.HasField(name):
            continue
        stamp = getattr(message, name)
        if not (0 <= stamp.seconds < YEAR_3000_S and 0 <= stamp.nanos < 1_000_000_000):
            where = f"{field}.{name}" if field else name
            yield FieldFault(where, "must be an instant from 1970 to 2999")


def check_id(value: str, field: str) -> Iterator[FieldFault]:
    """A fault if the text is no identifier."""
    if not IDENTIFIER.fullmatch(value):
        yield FieldFault(field, "must match [A-Za-z0-9._:*-]{1,64}")


def check_text(value: str, field: str) -> Iterator[FieldFault]:
    """A fault if the text is too long."""
    if len(value) > TEXT_LIMIT:
        yield FieldFault(field, f"is longer than {TEXT_LIMIT} characters")


def check_position(position: nouns.Position, field: str) -> Iterator[FieldFault]:
    """A fault for each coordinate that is none."""
    for name, limit in (("latitude_deg", 90.0), ("longitude_deg", 180.0)):
        value = getattr(position, name)
        if not math.isfinite(value) or abs(value) > limit:
            yield FieldFault(f"{field}.{name}", f"must be a number within ±{limit:g}")
    # What is absent reads as 0.
    for name, most in (("accuracy_m", MOST_ACCURACY_M), ("speed_kmh", MOST_SPEED_KMH)):
        if not 0.0 <= getattr(position, name) <= most:
            yield FieldFault(f"{field}.{name}", f"must be within 0 to {most:g}")


def page_start(token: str) -> int:
    """Entries before the page that a token names; raises `FieldInvalid` if it is none of ours."""
    if token and not _PAGE_TOKEN.fullmatch(token):
        raise FieldInvalid(FieldFault("page.page_token", "is no token of ours"))
    return int(token or 0)


def wgs84(position: nouns.Position) -> tuple[float, float]:
    """Latitude and longitude in WGS84 degrees."""
    if position.datum == nouns.DATUM_GCJ02:
        return wgs84_from_gcj02(position.latitude_deg, position.longitude_deg)
    return position.latitude_deg, position.longitude_deg


def position(latitude_deg: float, longitude_deg: float) -> nouns.Position:
    """A WGS84 position."""
    return nouns.Position(
        latitude_deg=latitude_deg, longitude_deg=longitude_deg, datum=nouns.DATUM_WGS84
    )


def pile_faults(facts: nouns.PileFacts, field: str) -> Iterator[FieldFault]:
    """Everything wrong with a pile's facts."""
    yield from check_id(facts.pile_id, f"{field}.pile_id")
    if facts.station_id:
        yield from check_id(facts.station_id, f"{field}.station_id")
    for name in ("label", "maker", "model", "serial", "firmware", "address"):
        yield from check_text(getattr(facts, name), f"{field}.{name}")
    if facts.HasField("position"):
        yield from check_position(facts.position, f"{field}.position")
    yield from check_instants(facts, field, "commissioned_at")
    if len(facts.evses) > LIST_LIMIT:
        yield FieldFault(f"{field}.evses", f"has more than {LIST_LIMIT} entries")
    for number, evse in enumerate(facts.evses[:LIST_LIMIT]):
        yield from check_id(evse.evse_id, f"{field}.evses[{number}].evse_id")
        if len(evse.connectors) > LIST_LIMIT:
            where = f"{field}.evses[{number}].connectors"
            yield FieldFault(where, f"has more than {LIST_LIMIT} entries")
        for connector in evse.connectors[:LIST_LIMIT]:
            power = connector.max_power_kw
            if not (math.isfinite(power) and 0 <= power <= MAX_POWER_KW):
                where = f"{field}.evses[{number}].connectors.max_power_kw"
                yield FieldFault(where, f"must be within 0 to {MAX_POWER_KW:g}")


def to_pile(facts: nouns.PileFacts, station_id: str = "") -> Pile:
    """The pile; a pile that names no EVSE has one, `<pile_id>*1`."""
    place = wgs84(facts.position) if facts.HasField("position") else (None, None)
    evses = tuple(_to_evse(evse) for evse in facts.evses) or (Evse(f"{facts.pile_id}*1", ()),)
    commissioned = facts.HasField("commissioned_at")
    return Pile(
        pile_id=facts.pile_id,
        station_id=station_id or facts.station_id,
        evses=evses,
        label=facts.label,
        maker=facts.maker,
        model=facts.model,
        serial=facts.serial,
        firmware=facts.firmware,
        commissioned_at_s=seconds(facts.commissioned_at) if commissioned else None,
        latitude_deg=place[0],
        longitude_deg=place[1],
        bay_count=min(facts.bay_count, 10_000),
        address=facts.address,
        sources=dict(facts.sources),
    )


def _to_evse(evse: nouns.Evse) -> Evse:
    connectors = tuple(
        Connector(
            c.connector_id or "1", _standard(c.standard), _power_type(c.power_type), c.max_power_kw
        )
        for c in evse.connectors
    )
    return Evse(evse.evse_id, connectors, min(evse.bay_count, 1_000))


def _standard(number: int) -> int:
    """The number of a plug; 0, not said, for one that this version does not know."""
    return number if number in STANDARDS else 0


def _power_type(number: int) -> PowerType:
    try:
        return PowerType(number)
    except ValueError:
        return PowerType.UNSPECIFIED


def station_faults(station: nouns.Station, field: str) -> Iterator[FieldFault]:
    """Everything wrong with a station."""
    yield from check_id(station.station_id, f"{field}.station_id")
    for name in ("name", "operator", "opening_hours", "operator_url"):
        yield from check_text(getattr(station, name), f"{field}.{name}")
    if not station.HasField("position"):
        yield FieldFault(f"{field}.position", "is missing")
    else:
        yield from check_position(station.position, f"{field}.position")
    for number, facts in enumerate(station.piles):
        yield from pile_faults(facts, f"{field}.piles[{number}]")


def to_station(station: nouns.Station) -> Station:
    """The station; call after `station_faults` found nothing."""
    latitude, longitude = wgs84(station.position)
    payments = {int(p) for p in station.payment_methods} & {int(p) for p in Payment}
    return Station(
        station_id=station.station_id,
        name=station.name or station.station_id,
        latitude_deg=latitude,
        longitude_deg=longitude,
        piles=tuple(to_pile(facts, station.station_id) for facts in station.piles),
        operator=station.operator,
        operator_url=station.operator_url,
        facilities=tuple(station.facilities[:LIST_LIMIT]),
        opening_hours=station.opening_hours,
        parking_space_count=station.parking_space_count,
        payment_methods=tuple(Payment(number) for number in sorted(payments)),
        tariff_id=station.tariff_id,
    )


def invalid(faults: Iterable[FieldFault]) -> None:
    """Raises `FieldInvalid` naming all faults, if there are any."""
    if found := list(faults):
        raise FieldInvalid(*found)
