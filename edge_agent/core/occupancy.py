"""One status of an EVSE out of its pile, its bay sensor and its queue counter, with their ages.

All instants are seconds of the monotonic clock: ages and debounce are link time. What is worth
telling the coordinator belongs to `picture.py` and `reporting.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_agent.core.reading import (
    BayState,
    EvseStatus,
    IecState,
    Reading,
    StatusSource,
)


@dataclass(frozen=True, slots=True)
class FusionRules:
    """How long words are believed.

    `pile_ttl_s`: three missed intervals; `bay_ttl_s`: same for sensors; `debounce_s`: how long a
    pile must say Available before it is believed, because stations flash it between other states.
    `out_of_service`: the agent itself keeps the EVSE from being used when it is free.
    """

    pile_ttl_s: float = 3.0
    bay_ttl_s: float = 30.0
    debounce_s: float = 2.0
    out_of_service: bool = False


@dataclass(frozen=True, slots=True)
class PileWord:
    """The pile's last word and since when it has said so; `lost` names why it is not believed."""

    reading: Reading
    heard_s: float
    same_status_since_s: float
    lost: str = ""


@dataclass(frozen=True, slots=True)
class BayWord:
    """The bay sensor's last word; `taken` is the presence of a vehicle."""

    taken: bool
    heard_s: float


@dataclass(frozen=True, slots=True)
class QueueWord:
    """The queue counter's last word: cars waiting."""

    length: int
    heard_s: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything heard of one EVSE. `silence` is the last reason why the pile was not heard."""

    pile: PileWord | None = None
    bay: BayWord | None = None
    queue: QueueWord | None = None
    silence: str = "NOT_HEARD_YET"


@dataclass(frozen=True, slots=True)
class Fused:
    """The status of one EVSE and where it is from.

    `reason` says why it is UNKNOWN or BLOCKED; `carried_over` marks a status kept through a
    debounce; `conflict` names a contradiction that was decided; `pile_age_s` is None where the
    pile was never heard. `revisit_s` is when time alone may change the answer (None: never).
    """

    status: EvseStatus
    source: StatusSource
    reason: str = ""
    bay: BayState = BayState.UNSPECIFIED
    queue_length: int | None = None
    carried_over: bool = False
    conflict: str = ""
    pile_age_s: float | None = None
    revisit_s: float | None = None


OUT_OF_SERVICE = "OUT_OF_SERVICE"
BLOCKED_REASON = "ICE_OR_UNPLUGGED_VEHICLE"
CONFLICT_EMPTY_BAY = "CHARGING_WITH_EMPTY_BAY"
_FREE_BY_ITS_PILE: Final = (EvseStatus.AVAILABLE, EvseStatus.BLOCKED)


def heard(evidence: Evidence, reading: Reading, now_s: float) -> Evidence:
    """The evidence after a pile spoke; repeating the same status keeps its age."""
    before = evidence.pile
    since_s = (
        before.same_status_since_s
        if before is not None and before.reading.status is reading.status and not before.lost
        else now_s
    )
    return Evidence(PileWord(reading, now_s, since_s), evidence.bay, evidence.queue, "")


def same_but_values(before: Reading, now: Reading) -> bool:
    """True where the two differ in measured values at most, in a way that no status hangs on.

    Doubtful readings always count as different.
    """
    return (
        before.status is now.status
        and before.source is now.source
        and before.iec is now.iec
        and before.ocpp is now.ocpp
        and before.plugged is now.plugged
        and not (before.suspect or now.suspect)
        and before.faults == now.faults
        and _flows(before) is _flows(now)
    )


def lost(evidence: Evidence, reason: str) -> Evidence:
    """The evidence after a pile is known to be away: its last word stays, but is not believed."""
    if evidence.pile is None:
        return Evidence(None, evidence.bay, evidence.queue, reason)
    word = evidence.pile
    away = PileWord(word.reading, word.heard_s, word.same_status_since_s, reason)
    return Evidence(away, evidence.bay, evidence.queue, reason)


def fuse(evidence: Evidence, before: Fused | None, rules: FusionRules, now_s: float) -> Fused:
    """The fused status now, given what it was `before` (None: never told).

    Laws: a pile that is silent is UNKNOWN whatever the bay says; charging beats an empty bay;
    Available with a taken bay is BLOCKED; Available counts after the debounce only, unless
    nothing else was known. A stale sensor decides nothing.
    """
    bay, bay_until_s = _bay(evidence.bay, rules, now_s)
    queue_length, queue_until_s = _queue(evidence.queue, rules, now_s)
    word = evidence.pile
    stale_at_s = word.heard_s + rules.pile_ttl_s if word is not None and not word.lost else None
    if word is None or stale_at_s is None or now_s >= stale_at_s:
        return Fused(
            EvseStatus.UNKNOWN,
            StatusSource.TIMEOUT,
            reason=_silence(evidence),
            bay=bay,
            queue_length=queue_length,
            pile_age_s=None if word is None else now_s - word.heard_s,
            revisit_s=_soonest(bay_until_s, queue_until_s),
        )
    status, source, reason, carried, conflict = _decide(word, bay, before, rules, now_s)
    settles_at_s = word.same_status_since_s + rules.debounce_s if carried else None
    return Fused(
        status,
        source,
        reason=reason,
        bay=bay,
        queue_length=queue_length,
        carried_over=carried,
        conflict=conflict,
        pile_age_s=now_s - word.heard_s,
        revisit_s=_soonest(stale_at_s, bay_until_s, queue_until_s, settles_at_s),
    )


def _decide(
    word: PileWord, bay: BayState, before: Fused | None, rules: FusionRules, now_s: float
) -> tuple[EvseStatus, StatusSource, str, bool, str]:
    reading = word.reading
    if reading.status is EvseStatus.CHARGING and bay is BayState.FREE:
        conflict = CONFLICT_EMPTY_BAY if _surely_plugged(reading) else ""
        return EvseStatus.CHARGING, StatusSource.FUSED, "", False, conflict
    if reading.status is not EvseStatus.AVAILABLE:
        reason = "STATUS_NOT_UNDERSTOOD" if reading.status is EvseStatus.UNKNOWN else ""
        return reading.status, reading.source, reason, False, ""
    flashing = now_s - word.same_status_since_s < rules.debounce_s
    # A flash beside a taken bay would show as BLOCKED, so it waits as well.
    if flashing and before is not None and before.status not in _FREE_BY_ITS_PILE:
        return before.status, before.source, before.reason, True, ""
    if rules.out_of_service:
        return EvseStatus.INOPERATIVE, StatusSource.OPERATOR, OUT_OF_SERVICE, False, ""
    if bay is BayState.OCCUPIED:
        return EvseStatus.BLOCKED, StatusSource.FUSED, BLOCKED_REASON, False, ""
    source = StatusSource.FUSED if bay is BayState.FREE else reading.source
    return EvseStatus.AVAILABLE, source, "", False, ""


def _surely_plugged(reading: Reading) -> bool:
    return _flows(reading) or reading.iec in (IecState.C, IecState.D) or bool(reading.plugged)


def _flows(reading: Reading) -> bool:
    return reading.values.power_kw is not None and reading.values.power_kw > 0.0


def _bay(word: BayWord | None, rules: FusionRules, now_s: float) -> tuple[BayState, float | None]:
    if word is None:
        return BayState.UNSPECIFIED, None
    if now_s >= word.heard_s + rules.bay_ttl_s:
        return BayState.STALE, None
    state = BayState.OCCUPIED if word.taken else BayState.FREE
    return state, word.heard_s + rules.bay_ttl_s


def _queue(
    word: QueueWord | None, rules: FusionRules, now_s: float
) -> tuple[int | None, float | None]:
    if word is None or now_s >= word.heard_s + rules.bay_ttl_s:
        return None, None
    return word.length, word.heard_s + rules.bay_ttl_s


def _silence(evidence: Evidence) -> str:
    if evidence.pile is None:
        return evidence.silence
    return evidence.pile.lost or evidence.silence or "NO_ANSWER"


def _soonest(*instants: float | None) -> float | None:
    return min((instant for instant in instants if instant is not None), default=None)
