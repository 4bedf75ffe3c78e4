"""What operators put in and see, to the use cases' values and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from coordinator.core.pile import EvseStatus, PlannedOutage, Tariff, TariffElement, User
from coordinator.core.tariff_faults import element_faults
from coordinator.core.usual import habit_fault
from coordinator.errors import FieldFault
from coordinator.rpc.edge_codec import from_ranges
from coordinator.rpc.noun_codec import (
    LIST_LIMIT,
    check_id,
    check_instants,
    check_position,
    check_text,
    position,
    seconds,
    timestamp,
    wgs84,
)
from coordinator.usecases.district_view import LiveView
from coordinator.usecases.events import Event
from coordinator.usecases.telemetry import Road, SpoolCount
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns

T = TypeVar("T")


def sort_entries(
    entries: Sequence[T], faults_of: Callable[[T, str], Iterator[FieldFault]], field: str
) -> tuple[list[T], list[nouns.EntryError]]:
    """The entries that are in order, and one error for each of the others."""
    good: list[T] = []
    errors: list[nouns.EntryError] = []
    for index, entry in enumerate(entries):
        faults = list(faults_of(entry, f"{field}[{index}]"))
        if faults:
            message = "; ".join(f"{fault.field} {fault.message}" for fault in faults)
            errors.append(
                nouns.EntryError(
                    index=index, code="DATA-001", field=faults[0].field, message=message[:1000]
                )
            )
        else:
            good.append(entry)
    return good, errors


def tariff_faults(tariff: op.Tariff, field: str) -> Iterator[FieldFault]:
    """Everything wrong with a tariff."""
    yield from check_id(tariff.tariff_id, f"{field}.tariff_id")
    if len(tariff.currency) != 3:
        yield FieldFault(f"{field}.currency", "must be an ISO 4217 code")
    yield from check_instants(tariff.valid, f"{field}.valid", "from_at", "to_at")
    if len(tariff.elements) > LIST_LIMIT:
        yield FieldFault(f"{field}.elements", f"has more than {LIST_LIMIT} entries")
    for number, element in enumerate(tariff.elements[:LIST_LIMIT]):
        for name, fault in element_faults(_to_element(element)):
            yield FieldFault(f"{field}.elements[{number}].{name}", fault)


def _to_element(element: op.TariffElement) -> TariffElement:
    return TariffElement(
        element.dimension,
        element.price.micros / 1e6,
        element.start_time,
        element.end_time,
        tuple(element.weekdays),
    )


def to_tariff(tariff: op.Tariff) -> Tariff:
    """The tariff; call after `tariff_faults` found nothing."""
    valid = tariff.valid
    return Tariff(
        tariff_id=tariff.tariff_id,
        currency=tariff.currency,
        elements=tuple(map(_to_element, tariff.elements)),
        time_zone=tariff.time_zone or "UTC",
        valid_from_s=seconds(valid.from_at) if valid.HasField("from_at") else None,
        valid_until_s=seconds(valid.to_at) if valid.HasField("to_at") else None,
    )


def user_faults(user: op.UserRecord, field: str) -> Iterator[FieldFault]:
    """Everything wrong with a user."""
    yield from check_id(user.user_id, f"{field}.user_id")
    yield from check_text(user.vehicle_model, f"{field}.vehicle_model")
    yield from check_instants(user, field, "vip_until")
    if len(user.vehicle_ids) > LIST_LIMIT:
        yield FieldFault(f"{field}.vehicle_ids", f"has more than {LIST_LIMIT} entries")
    for number, vehicle_id in enumerate(user.vehicle_ids[:LIST_LIMIT]):
        yield from check_id(vehicle_id, f"{field}.vehicle_ids[{number}]")
    for name, value in user.habits.items():
        if fault := habit_fault(name, value):
            yield FieldFault(f"{field}.habits[{name}]", fault)


def to_user(user: op.UserRecord) -> User:
    """The user; call after `user_faults` found nothing."""
    return User(
        user_id=user.user_id,
        vip=user.vip,
        vip_until_s=seconds(user.vip_until) if user.HasField("vip_until") else None,
        vehicle_model=user.vehicle_model,
        habits=dict(user.habits),
        vehicle_ids=tuple(user.vehicle_ids),
    )


def road_faults(edge: op.RoadEdge, field: str) -> Iterator[FieldFault]:
    """Everything wrong with an edge of the road graph."""
    yield from check_id(edge.from_node, f"{field}.from_node")
    yield from check_id(edge.to_node, f"{field}.to_node")
    yield from check_position(edge.from_position, f"{field}.from_position")
    yield from check_position(edge.to_position, f"{field}.to_position")
    for name, limit in (("length_km", 1_000.0), ("free_speed_kmh", 200.0)):
        value = getattr(edge, name)
        if not (math.isfinite(value) and 0 < value <= limit):
            yield FieldFault(f"{field}.{name}", f"must be above 0 and at most {limit:g}")
    if len(edge.grade_by_hour) not in (0, 24):
        yield FieldFault(f"{field}.grade_by_hour", "must have 24 entries or none")
    elif not all(1 <= grade <= 5 for grade in edge.grade_by_hour):
        yield FieldFault(f"{field}.grade_by_hour", "must be grades from 1 to 5")


def to_road(edge: op.RoadEdge) -> Road:
    """The edge; call after `road_faults` found nothing."""
    return Road(
        edge.from_node,
        edge.to_node,
        wgs84(edge.from_position),
        wgs84(edge.to_position),
        edge.length_km,
        edge.free_speed_kmh,
        tuple(edge.grade_by_hour),
        edge.two_way,
    )


def outage_faults(outage: op.PlannedOutage, field: str) -> Iterator[FieldFault]:
    """Everything wrong with a planned outage by itself."""
    if bool(outage.evse_id) == bool(outage.station_id):
        yield FieldFault(field, "names either an evse_id or a station_id")
    yield from check_text(outage.reason, f"{field}.reason")
    window = outage.window
    yield from check_instants(window, f"{field}.window", "from_at", "to_at")
    if not (window.HasField("from_at") and window.HasField("to_at")):
        yield FieldFault(f"{field}.window", "needs from_at and to_at")
    elif seconds(window.to_at) <= seconds(window.from_at):
        yield FieldFault(f"{field}.window.to_at", "must be after from_at")


def to_outage(outage: op.PlannedOutage) -> PlannedOutage:
    """The outage; call after `outage_faults` found nothing."""
    window = outage.window
    return PlannedOutage(
        seconds(window.from_at),
        seconds(window.to_at),
        outage.evse_id,
        outage.station_id,
        outage.reason,
    )


def from_live(view: LiveView, claim: Any = None) -> op.LiveEvse:
    """One EVSE of the live picture for the wire; `claim` is a ClaimRecord or None."""
    station = view.station
    return op.LiveEvse(
        evse=charging.EvseRef(
            evse_id=view.evse_id,
            pile_id=view.pile.pile_id,
            station_id=station.station_id,
            station_name=station.name,
            label=view.pile.label,
            position=position(station.latitude_deg, station.longitude_deg),
        ),
        status=nouns.EvseStatus.ValueType(int(view.status)),
        observed_at=timestamp(view.observed_at_s),
        source=nouns.StatusSource.ValueType(view.source),
        age_s=view.age_s if math.isfinite(view.age_s) else 0.0,
        power_kw=0.0 if math.isnan(view.power_kw) else view.power_kw,
        failure_rate=view.failure_rate,
        exposure_days=view.exposure_days,
        fault_code=view.fault_code,
        claim=claim,
        agent_id=view.agent_id,
        bay=view.bay,  # type: ignore[arg-type]  # numbered as on the wire
        reason=view.reason,
    )


def from_event(event: Event) -> op.OperatorServiceWatchResponse:
    """An event for the wire."""
    return op.OperatorServiceWatchResponse(
        event_id=event.event_id,
        kind=event.kind,
        happened_at=timestamp(event.happened_at_s),
        evse_id=event.evse_id,
        vehicle_id=event.vehicle_id,
        text=event.text,
        facts=event.facts,
    )


def from_spool(spool: SpoolCount) -> op.StoredSpool:
    """What is stored of one spool for the wire."""
    return op.StoredSpool(
        spool_id=spool.spool_id,
        stored=from_ranges(spool.settled),
        record_count=spool.record_count,
        gap_count=spool.gap_count,
        rejected_count=spool.rejected_count,
    )


def status_names() -> list[tuple[str, int]]:
    """Each status as the index that counts its EVSEs, e.g. evses_available, with its number."""
    return [(f"evses_{status.name.lower()}", int(status)) for status in EvseStatus if status]
