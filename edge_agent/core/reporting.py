"""What is worth sending: news at once, moved measurements, and a confirmation now and then.

Pure comparison of what was told last with what is known now; numbering and disk belong to the
spool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_agent.core.occupancy import Fused
from edge_agent.core.reading import IecState, OcppStatus, Record, RecordKind, Values

# How far a value may move before it is told again: fixed part and share of the last value told.
DEAD_BANDS: Final[dict[str, tuple[float, float]]] = {
    "power_kw": (0.1, 0.02),
    "energy_kwh": (0.1, 0.0),
    "session_energy_kwh": (0.1, 0.0),
    "current_a": (0.5, 0.02),
    "voltage_v": (3.0, 0.02),
    "soc_pct": (1.0, 0.0),
    "temperature_c": (1.0, 0.0),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What the coordinator was told last of one EVSE, and when (seconds, monotonic)."""

    fused: Fused
    iec: IecState
    ocpp: OcppStatus
    values: Values
    at_s: float


def worth_telling(
    told: Told | None,
    fused: Fused,
    iec: IecState,
    ocpp: OcppStatus,
    values: Values,
    now_s: float,
    heartbeat_s: float,
) -> RecordKind | None:
    """STATUS for news or a due confirmation, METER for moved values, None for nothing new."""
    if told is None or is_news(told, fused, iec, ocpp):
        return RecordKind.STATUS
    if now_s - told.at_s >= heartbeat_s:
        return RecordKind.STATUS
    return RecordKind.METER if moved(told.values, values) else None


def is_news(told: Told, fused: Fused, iec: IecState, ocpp: OcppStatus) -> bool:
    """True where status, its reason, a raw state, the bay or the queue differs from what was told.

    A status carried through a debounce is not told: only its end is news.
    """
    if fused.carried_over:
        return False
    before = told.fused
    return (
        before.status is not fused.status
        or before.reason != fused.reason
        or before.bay is not fused.bay
        or before.queue_length != fused.queue_length
        or told.iec is not iec
        or told.ocpp is not ocpp
    )


def moved(before: Values, now: Values) -> bool:
    """True where any value appeared, vanished or left its dead band."""
    if before is now:
        return False
    for name, (fixed, share) in DEAD_BANDS.items():
        old: float | None = getattr(before, name)
        new: float | None = getattr(now, name)
        if old is None or new is None:
            if old is not new:
                return True
        elif abs(new - old) > max(fixed, share * abs(old)):
            return True
    return False


def expendable(record: Record) -> bool:
    """True for what may be given up when room ends: measurements and confirmed statuses, no news.

    Faults, changes of a status, sessions and what belongs to a transaction are never given up.
    """
    return not record.urgent and record.kind in (RecordKind.METER, RecordKind.STATUS)
