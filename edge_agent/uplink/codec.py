"""The agent's nouns as messages of the contract, and back. No I/O here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from edge_agent.core.clock import DomainClock
from edge_agent.core.directive import (
    Action,
    Cancel,
    CaptureFrames,
    Configure,
    Directive,
    Extend,
    PollNow,
    Reserve,
    Result,
    SetAvailability,
    SetPeriod,
    Unknown,
)
from edge_agent.core.facts import PileFacts
from edge_agent.core.frames import parts
from edge_agent.core.ranges import Runs, normalise
from edge_agent.core.reading import NOTHING_SEEN, Detail, Record
from edge_agent.uplink.spool_lost import StoredGap
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as types
from pilewise.version import __version__

PROTOCOL_MINOR = 0
FEATURES = ("reserve", "period", "availability", "configure", "frames")
_TEXT_LIMIT = 256
_TRACE_DIGITS = 32
_ANSWER_LIMIT = 2048


def to_batch(spool_id: str, first_record_seq: int, records: Sequence[Record]) -> edge.ReportBatch:
    """The records as packed columns; a column that no record fills is left out."""
    evse_ids = {name: i for i, name in enumerate(dict.fromkeys(r.evse_id for r in records))}
    batch = edge.ReportBatch(
        spool_id=spool_id,
        first_record_seq=first_record_seq,
        record_count=len(records),
        evse_ids=list(evse_ids),
        evse_index=[evse_ids[r.evse_id] for r in records],
        kind=[r.kind.value for r in records],  # type: ignore[misc]
        observed_at_ms=[r.observed_at_ms for r in records],
        status=[r.status.value for r in records],  # type: ignore[misc]
        source=[r.source.value for r in records],  # type: ignore[misc]
    )
    _optional_columns(batch, records)
    _value_columns(batch, records)
    _details(batch, records)
    return batch


def _optional_columns(batch: edge.ReportBatch, records: Sequence[Record]) -> None:
    if any(r.iec for r in records):
        batch.iec61851_state.extend(r.iec.value for r in records)  # type: ignore[misc]
    if any(r.ocpp for r in records):
        batch.ocpp_status.extend(r.ocpp.value for r in records)  # type: ignore[misc]
    if any(r.bay for r in records):
        batch.bay.extend(r.bay.value for r in records)  # type: ignore[misc]
    if any(r.queue_length is not None for r in records):
        batch.queue_length_plus_one.extend(
            0 if r.queue_length is None else r.queue_length + 1 for r in records
        )
    if any(r.flags for r in records):
        batch.flags.extend(r.flags.value for r in records)


def _value_columns(batch: edge.ReportBatch, records: Sequence[Record]) -> None:
    columns: tuple[tuple[edge.FloatColumn | edge.DoubleColumn, list[float | None]], ...] = (
        (batch.power_kw, [r.values.power_kw for r in records]),
        (batch.energy_kwh, [r.values.energy_kwh for r in records]),
        (batch.current_a, [r.values.current_a for r in records]),
        (batch.voltage_v, [r.values.voltage_v for r in records]),
        (batch.soc_pct, [r.values.soc_pct for r in records]),
        (batch.temperature_c, [r.values.temperature_c for r in records]),
        *_surroundings(batch, records),
    )
    for column, values in columns:
        present = [value is not None for value in values]
        if any(present):
            column.values.extend(value or 0.0 for value in values)
            if not all(present):
                column.presence = bitmap(present)


def _surroundings(
    batch: edge.ReportBatch, records: Sequence[Record]
) -> Iterator[tuple[edge.FloatColumn, list[float | None]]]:
    if any(r.surroundings for r in records):
        seen = [r.surroundings or NOTHING_SEEN for r in records]
        yield batch.people_count, [s.people_count for s in seen]
        yield batch.vehicle_count, [s.vehicle_count for s in seen]
        yield batch.ambient_temperature_c, [s.ambient_temperature_c for s in seen]


def bitmap(present: Sequence[bool]) -> bytes:
    """Bit i (least significant first) set where entry i is present.

    >>> bitmap([True, False, True] + [False] * 5 + [True])
    b'\\x05\\x01'
    """
    number = sum(1 << i for i, here in enumerate(present) if here)
    return number.to_bytes((len(present) + 7) // 8, "little")


def _details(batch: edge.ReportBatch, records: Sequence[Record]) -> None:
    index: dict[Detail, int] = {}
    for record in records:
        if record.detail is not None:
            index.setdefault(record.detail, len(index) + 1)
    if not index:
        return
    batch.detail_index_plus_one.extend(index[r.detail] if r.detail else 0 for r in records)
    batch.details.extend(
        edge.RecordDetail(
            fault_code=detail.fault_code[:_TEXT_LIMIT],
            vendor_code=detail.vendor_code[:_TEXT_LIMIT],
            text=detail.text[:_TEXT_LIMIT],
            session_id=detail.session_id[:_TEXT_LIMIT],
            id_token_hash=detail.id_token_hash[:_TEXT_LIMIT],
            reason=detail.reason[:_TEXT_LIMIT],
        )
        for detail in index
    )


def to_gap_batches(gaps: Iterable[StoredGap]) -> list[edge.ReportBatch]:
    """Batches without rows that name lost numbers, one for each spool."""
    batches: dict[str, edge.ReportBatch] = {}
    for gap in gaps:
        batch = batches.setdefault(gap.spool_id, edge.ReportBatch(spool_id=gap.spool_id))
        batch.gaps.append(
            edge.Gap(
                range=types.SeqRange(first=gap.first, last=gap.last),
                reason=gap.reason,
                from_at_ms=gap.from_at_ms,
                to_at_ms=gap.to_at_ms,
            )
        )
    return list(batches.values())


def stored_runs(stored: edge.StoredRanges) -> Runs:
    """The durable numbers of a message, as runs."""
    runs = [(run.first, run.last) for run in stored.ranges]
    if stored.acked_through:
        runs.append((1, stored.acked_through))
    return normalise(runs)


def to_facts(facts: PileFacts) -> types.PileFacts:
    """One pile as the hello tells it."""
    message = types.PileFacts(
        pile_id=facts.pile_id,
        label=facts.label,
        maker=facts.maker,
        model=facts.model,
        serial=facts.serial,
        firmware=facts.firmware,
        station_id=facts.station_id,
        sources=dict(facts.sources),
        bay_count=facts.bay_count or 0,
        address=facts.address,
    )
    if facts.pile_type:
        message.pile_type = types.PileType.Value(f"PILE_TYPE_{facts.pile_type}")
    if facts.commissioned_at_ms is not None:
        message.commissioned_at.CopyFrom(timestamp(facts.commissioned_at_ms))
    if facts.latitude_deg is not None and facts.longitude_deg is not None:
        message.position.latitude_deg = facts.latitude_deg
        message.position.longitude_deg = facts.longitude_deg
    for number, plug in enumerate(facts.connectors, 1):
        evse_id = facts.evse_ids[number - 1]
        evse = message.evses.add(evse_id=evse_id, bay_count=facts.bays_of(number))
        evse.connectors.add(
            connector_id="1",
            standard=types.ConnectorStandard.Value(f"CONNECTOR_STANDARD_{plug.standard.upper()}"),
            power_type=types.PowerType.Value(f"POWER_TYPE_{plug.power_type}"),
            max_power_kw=plug.max_power_kw,
        )
    return message


def to_hello(
    agent_id: str,
    piles: Iterable[PileFacts],
    spool: tuple[str, int],
    floors: Mapping[str, int],
    clock: DomainClock,
    sent_at_ms: int,
) -> edge.Hello:
    """The first message of a stream; `spool` is its identifier and the next number."""
    return edge.Hello(
        protocol_minor=PROTOCOL_MINOR,
        features=FEATURES,
        agent_id=agent_id,
        software_version=__version__,
        piles=[to_facts(facts) for facts in piles],
        spool_id=spool[0],
        next_record_seq=spool[1],
        fence_floors=to_floors(floors),
        clock=to_clock(clock),
        sent_at=timestamp(sent_at_ms),
    )


def to_floors(floors: Mapping[str, int]) -> list[types.FenceFloor]:
    """Remembered fences as messages."""
    return [types.FenceFloor(evse_id=name, fence=fence) for name, fence in floors.items()]


def to_clock(clock: DomainClock) -> types.DomainClock:
    """A domain clock as a message."""
    return types.DomainClock(
        epoch_at_ms=clock.epoch_at_ms, anchor_s=clock.anchor_s, speed=clock.speed
    )


def from_clock(message: types.DomainClock) -> DomainClock:
    """A domain clock from a message; an unset speed reads as 1."""
    return DomainClock(message.epoch_at_ms, message.anchor_s, message.speed or 1.0)


def from_directive(message: edge.Directive) -> Directive:
    """A directive; one this agent was not built for becomes `Unknown`."""
    name = message.WhichOneof("action") or ""
    action = _action(message, name)
    trace_id = message.trace_id[:_TRACE_DIGITS]
    return Directive(message.directive_id, message.evse_id, message.fence, action, trace_id)


def _action(message: edge.Directive, name: str) -> Action:
    if name == "poll_now":
        return PollNow()
    if name == "reserve":
        wish = message.reserve
        return Reserve(wish.claim_id, wish.duration_s, wish.id_token)
    if name == "extend":
        return Extend(message.extend.claim_id, message.extend.duration_s)
    if name == "cancel":
        return Cancel(message.cancel.claim_id)
    if name == "set_availability":
        return SetAvailability(message.set_availability.operative)
    if name == "set_period":
        return SetPeriod(message.set_period.period_s)
    if name == "configure":
        return Configure(message.configure.toml)
    if name == "capture_frames":
        return CaptureFrames(message.capture_frames.duration_s)
    return Unknown(name)


def to_results(result: Result) -> list[edge.DirectiveResult]:
    """How a directive ended, as one message, or several where its frames need them."""
    pieces = parts(list(result.answer.frames))
    return [
        edge.DirectiveResult(
            directive_id=result.directive_id,
            outcome=result.answer.outcome.value,  # type: ignore[arg-type]
            message=result.answer.message[:_ANSWER_LIMIT],
            frames=piece,
            more=number < len(pieces),
        )
        for number, piece in enumerate(pieces, 1)
    ]


def timestamp(at_ms: int) -> Timestamp:
    """Milliseconds since 1970 UTC as a protobuf timestamp."""
    message = Timestamp()
    message.FromDatetime(datetime.fromtimestamp(at_ms / 1000.0, UTC))
    return message
