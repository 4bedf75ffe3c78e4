"""What a car asks, from the wire to the core; every fault of a request is named at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from coordinator.core.pile import Payment
from coordinator.core.recommend.intention import Sighting
from coordinator.core.recommend.travel import place_for
from coordinator.core.report import IDENTIFIER
from coordinator.core.vehicle import (
    ChargePlace,
    ChargingRequest,
    Fix,
    PositionSource,
    SelectBy,
    Vehicle,
)
from coordinator.errors import FieldFault, FieldInvalid
from coordinator.rpc.noun_codec import (
    STANDARDS,
    check_id,
    check_instants,
    check_position,
    check_text,
    invalid,
    seconds,
    wgs84,
)
from coordinator.usecases.ledger import Outcome
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

STANDING_M = 60.0  # a fix no better than this cannot say at which pile a car stands
ALTERNATIVES_DEFAULT = 3
ALTERNATIVES_LIMIT = 10
CURVE_LIMIT = 200
LONGEST_WINDOW_S = 4 * 3_600.0
CARS_AHEAD_LIMIT = 50
PRICE_LIMIT_MICROS = 10**15
LANGUAGES = ("en", "zh")

_SELECT_BY = {int(value): value for value in SelectBy}
_SOURCES = {int(value): value for value in PositionSource}
_PLACES = {int(value): value for value in ChargePlace}
_PAYMENTS = {int(value): value for value in Payment}
_OUTCOMES = frozenset(wire.OutcomeKind.values()) - {wire.OUTCOME_KIND_UNSPECIFIED}
_CURRENCY = re.compile(r"[A-Z]{3}")  # ISO 4217

# Optional numbers of the profile with the least and the greatest believable value.
_PROFILE = {
    "charge_kwh": (0.0, 10_000.0),
    "reserve_at_station_pct": (0.0, 100.0),
    "reserve_at_destination_pct": (0.0, 100.0),
    "consumption_kwh_per_km": (0.01, 10.0),
    "setup_s": (0.0, 7_200.0),
    "max_ac_power_kw": (0.1, 5_000.0),
    "max_dc_power_kw": (0.1, 5_000.0),
    "max_voltage_v": (1.0, 10_000.0),
    "max_current_a": (1.0, 10_000.0),
}


def to_request(message: wire.RecommendRequest) -> ChargingRequest:
    """The validated request; raises `FieldInvalid` naming every faulty field."""
    faults = _faults(message)
    if faults:
        raise FieldInvalid(*faults)
    profile = message.vehicle
    soc_pct = message.soc_pct
    if profile.HasField("charge_kwh"):
        soc_pct = min(100.0, 100.0 * profile.charge_kwh / profile.battery_kwh)
    destination = wgs84(message.destination) if message.HasField("destination") else None
    latitude_deg, longitude_deg = wgs84(message.position)
    payments, window = message.payment_methods, message.arrival_window
    return ChargingRequest(
        message.request_id,
        message.vehicle_id,
        to_vehicle(profile),
        soc_pct,
        latitude_deg,
        longitude_deg,
        message.user_id,
        message.target_soc_pct if message.HasField("target_soc_pct") else 80.0,
        destination,
        message.purpose,
        _PLACES.get(message.charge_place) or place_for(message.purpose),
        seconds(message.arrive_by) if message.HasField("arrive_by") else None,
        message.expected_travel_s if message.HasField("expected_travel_s") else None,
        tuple(_PAYMENTS[p] for p in payments if p in _PAYMENTS) if payments else (),
        (seconds(window.from_at), seconds(window.to_at))
        if message.HasField("arrival_window")
        else None,
        message.air_conditioning if message.HasField("air_conditioning") else None,
        _SELECT_BY.get(message.select_by, SelectBy.UNSPECIFIED),
        message.id_token,
        message.offers_opt_in,
        message.language if message.language in LANGUAGES else "en",
        message.alternative_count
        if message.HasField("alternative_count")
        else ALTERNATIVES_DEFAULT,
        message.position.accuracy_m if message.position.HasField("accuracy_m") else None,
        _SOURCES.get(message.position.source, PositionSource.UNSPECIFIED),
        message.HasField("target_soc_pct"),
    )


def to_wish(message: wire.RecommendRequest, field: str) -> ChargingRequest:
    """What a car would ask; it needs no request_id. Faults are named below `field`."""
    wish = wire.RecommendRequest()
    wish.CopyFrom(message)
    wish.request_id = wish.request_id or "wish"
    try:
        return to_request(wish)
    except FieldInvalid as error:
        named = (FieldFault(f"{field}.{fault.field}", fault.message) for fault in error.faults)
        raise FieldInvalid(*named) from error


def to_vehicle(profile: wire.VehicleProfile) -> Vehicle:
    """The car; absent values are the usual ones."""
    has = profile.HasField
    mask = 0
    for standard in STANDARDS.intersection(profile.connectors):
        mask |= 1 << standard
    return Vehicle(
        profile.battery_kwh,
        profile.model,
        tuple((point.soc_pct, point.power_kw) for point in profile.charging_curve),
        profile.reserve_at_station_pct if has("reserve_at_station_pct") else 5.0,
        profile.reserve_at_destination_pct if has("reserve_at_destination_pct") else 10.0,
        mask & ~1,  # a plug that is not said asks for nothing
        profile.consumption_kwh_per_km if has("consumption_kwh_per_km") else None,
        profile.setup_s if has("setup_s") else 120.0,
        profile.max_ac_power_kw if has("max_ac_power_kw") else 11.0,
        profile.max_dc_power_kw if has("max_dc_power_kw") else None,
    )


def _faults(message: wire.RecommendRequest) -> list[FieldFault]:
    """Everything wrong with a request."""
    faults: list[FieldFault] = []
    for field in ("request_id", "vehicle_id", "user_id"):
        value = getattr(message, field)
        if not IDENTIFIER.fullmatch(value) and (value or field != "user_id"):
            faults += check_id(value, field)
    if not 0.0 <= message.soc_pct <= 100.0:
        faults.append(FieldFault("soc_pct", "must be within 0 to 100"))
    if not message.HasField("position"):
        faults.append(FieldFault("position", "is missing"))
    else:
        faults += check_position(message.position, "position")
    if not message.HasField("vehicle"):
        faults.append(FieldFault("vehicle", "is missing"))
    else:
        faults += profile_faults(message.vehicle)
    faults += _optional_faults(message)
    return faults


def _optional_faults(message: wire.RecommendRequest) -> Iterator[FieldFault]:
    has = message.HasField
    if has("target_soc_pct") and not 0.0 <= message.target_soc_pct <= 100.0:
        yield FieldFault("target_soc_pct", "must be within 0 to 100")
    if has("destination"):
        yield from check_position(message.destination, "destination")
    if has("expected_travel_s") and not 0.0 <= message.expected_travel_s <= 604_800.0:
        yield FieldFault("expected_travel_s", "must be within 0 to 604800")
    if has("alternative_count") and message.alternative_count > ALTERNATIVES_LIMIT:
        yield FieldFault("alternative_count", f"must be at most {ALTERNATIVES_LIMIT}")
    yield from check_instants(message, "", "arrive_by")
    if has("arrival_window"):
        yield from check_instants(message.arrival_window, "arrival_window", "from_at", "to_at")
        yield from _window_faults(message.arrival_window)
    if message.id_token:
        yield from check_text(message.id_token, "id_token")


def _window_faults(window: wire.TimeWindow) -> Iterator[FieldFault]:
    """Everything wrong with a window by itself; how far ahead it is, is judged with the clock."""
    missing = [name for name in ("from_at", "to_at") if not window.HasField(name)]
    yield from (FieldFault(f"arrival_window.{name}", "is missing") for name in missing)
    if not missing:
        length_s = seconds(window.to_at) - seconds(window.from_at)
        if not length_s > 0.0:
            yield FieldFault("arrival_window.to_at", "must be after from_at")
        elif length_s > LONGEST_WINDOW_S:
            yield FieldFault("arrival_window.to_at", "must be at most 4 h after from_at")


def profile_faults(profile: wire.VehicleProfile) -> Iterator[FieldFault]:
    """Everything wrong with what a car says of itself."""
    if not (0.0 < profile.battery_kwh <= 10_000.0):
        yield FieldFault("vehicle.battery_kwh", "must be above 0 and at most 10000")
    yield from check_text(profile.model, "vehicle.model")
    for field, value in profile.ListFields():
        least, greatest = _PROFILE.get(field.name, (-math.inf, math.inf))
        if field.name in _PROFILE and not least <= value <= greatest:
            where = f"vehicle.{field.name}"
            yield FieldFault(where, f"must be within {least:g} to {greatest:g}")
    said = set(profile.connectors) - {0}
    if said and not said & STANDARDS:
        # Left out, they would mean any plug; the car could charge nowhere that it is sent.
        yield FieldFault("vehicle.connectors", "are all unknown here; leave them out for any")
    if profile.charging_curve:
        yield from _curve_faults(profile)


def _curve_faults(profile: wire.VehicleProfile) -> Iterator[FieldFault]:
    if len(profile.charging_curve) > CURVE_LIMIT:
        yield FieldFault("vehicle.charging_curve", f"has more than {CURVE_LIMIT} points")
        return
    before = -math.inf
    for number, point in enumerate(profile.charging_curve):
        where = f"vehicle.charging_curve[{number}]"
        if not 0.0 <= point.soc_pct <= 100.0 or point.soc_pct <= before:
            yield FieldFault(f"{where}.soc_pct", "must rise within 0 to 100")
        if not 0.0 < point.power_kw <= 5_000.0:
            yield FieldFault(f"{where}.power_kw", "must be above 0 and at most 5000")
        before = point.soc_pct


def exact_fixes(positions: Iterable[nouns.Position]) -> list[Sighting]:
    """The positions, WGS84, that are good enough to say where a car stands."""
    return [
        Sighting(
            *wgs84(position),
            seconds(position.observed_at) if position.HasField("observed_at") else None,
            position.speed_kmh if position.HasField("speed_kmh") else None,
        )
        for position in positions
        if position.accuracy_m <= STANDING_M
    ]


def check_progress(progress: wire.Progress, field: str) -> Fix:
    """Position and SoC of a progress; raises `FieldInvalid`."""
    faults = []
    if not progress.HasField("position"):
        faults.append(FieldFault(f"{field}.position", "is missing"))
    else:
        faults += check_position(progress.position, f"{field}.position")
    if not 0.0 <= progress.soc_pct <= 100.0:
        faults.append(FieldFault(f"{field}.soc_pct", "must be within 0 to 100"))
    if progress.cars_ahead > CARS_AHEAD_LIMIT:
        faults.append(FieldFault(f"{field}.cars_ahead", f"must be at most {CARS_AHEAD_LIMIT}"))
    invalid(faults)
    position = progress.position
    return Fix(
        *wgs84(position),
        progress.soc_pct,
        position.accuracy_m if position.HasField("accuracy_m") else None,
        position.speed_kmh if position.HasField("speed_kmh") else None,
        _SOURCES.get(position.source, PositionSource.UNSPECIFIED),
    )


def outcome_faults(request: wire.ReportOutcomeRequest) -> Iterator[FieldFault]:
    """Everything wrong with what a driver says of the end."""
    yield from check_id(request.recommendation_id, "recommendation_id")
    if request.outcome not in _OUTCOMES:
        yield FieldFault("outcome", "must say what happened")
    if request.evse_id:
        yield from check_id(request.evse_id, "evse_id")
    if request.HasField("wait_s") and not 0.0 <= request.wait_s < math.inf:
        yield FieldFault("wait_s", "must be a number of at least 0")
    if request.HasField("price"):
        if not _CURRENCY.fullmatch(request.price.currency):
            yield FieldFault("price.currency", "must be three capital letters, e.g. CNY")
        if not 0 <= request.price.micros <= PRICE_LIMIT_MICROS:
            yield FieldFault("price.micros", f"must be within 0 to {PRICE_LIMIT_MICROS}")
    yield from check_text(request.comment, "comment")


def check_box(box: wire.BoundingBox, field: str) -> None:
    """Raises `FieldInvalid` if the edges are no rectangle on the map."""
    faults = []
    for name, limit in (("south", 90), ("north", 90), ("west", 180), ("east", 180)):
        value = getattr(box, f"{name}_deg")
        if not math.isfinite(value) or abs(value) > limit:
            faults.append(FieldFault(f"{field}.{name}_deg", f"must be a number within ±{limit}"))
    if not faults and box.south_deg > box.north_deg:
        faults.append(FieldFault(f"{field}.south_deg", "is north of north_deg"))
    invalid(faults)


def to_outcome(request: wire.ReportOutcomeRequest) -> Outcome:
    """What the driver told of how it ended, checked already."""
    paid = request.price if request.HasField("price") else None
    return Outcome(
        int(request.outcome),
        request.evse_id,
        request.wait_s if request.HasField("wait_s") else None,
        None if paid is None else paid.micros / 1_000_000,
        "" if paid is None else paid.currency,
        request.comment,
    )
