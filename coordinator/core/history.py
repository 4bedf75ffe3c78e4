"""What rows teach of an EVSE beyond its present state: exposure, outages, charging, sessions.

Only rows that are newer than the picture count, each once. Nothing is changed here: `observe` gives
what to make durable and then to `take`. Rates are made from these counts in `reliability`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District, Index, Rows
from coordinator.core.pile import EvseStatus, RecordKind

# Statuses in which an outage could begin and be seen: time in them is exposure.
EXPOSED = (
    EvseStatus.AVAILABLE,
    EvseStatus.BLOCKED,
    EvseStatus.CHARGING,
    EvseStatus.RESERVED,
)
# Statuses that show that the car is gone; UNKNOWN does not.
SESSION_ENDS = (
    EvseStatus.AVAILABLE,
    EvseStatus.BLOCKED,
    EvseStatus.INOPERATIVE,
    EvseStatus.OUTOFORDER,
    EvseStatus.RESERVED,
)
# Two rows further apart than this say nothing about the time between them.
SILENCE_S = 900.0
# An outage that begins so soon after the last one ended is the same outage. Source: rules.md 6.
DEBOUNCE_S = 1_800.0
# ChargeX MREC codes of the link, not of the pile: weak signal, no internet.
COMMUNICATION_FAULTS = frozenset({"CX007", "CX013"})
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Session:
    """A car at an EVSE, from plug-in to plug-out; NaN means unknown, `ended_at_s` None means on."""

    evse_id: str
    started_at_s: float
    start_energy_kwh: float
    start_soc_pct: float
    ended_at_s: float | None = None
    energy_kwh: float = float("nan")
    end_soc_pct: float = float("nan")
    ended_by_fault: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of an EVSE between rows, beside the picture's columns."""

    session: Session | None = None
    down: bool = False
    last_up_at_s: float = float("-inf")  # when the newest outage ended


@dataclass(frozen=True, slots=True)
class Lesson:
    """What rows would add: one entry an EVSE in the arrays, totals as they would be."""

    evse: Index
    exposure_days: NDArray[np.float64]
    charging_s: NDArray[np.float64]
    fault_count: NDArray[np.int32]
    session_count: NDArray[np.int32]
    last_success_at_s: NDArray[np.float64]
    memories: dict[str, Memory] = field(default_factory=dict)
    sessions: tuple[Session, ...] = ()


class History:
    """Memories of all EVSEs; beside the district, and touched by the event loop only."""

    def __init__(self) -> None:
        self.memories: dict[str, Memory] = {}

    def observe(self, district: District, rows: Rows) -> Lesson:
        """What the rows teach, given the picture before them."""
        newer = rows.observed_at_s >= district.observed_at_s[rows.evse]
        picked = np.flatnonzero(newer)
        picked = picked[np.lexsort((picked, rows.observed_at_s[picked], rows.evse[picked]))]
        evse, at, status = rows.evse[picked], rows.observed_at_s[picked], rows.status[picked]
        first = np.ones(evse.size, dtype=bool)
        first[1:] = evse[1:] != evse[:-1]
        before_at = np.where(first, district.observed_at_s[evse], np.roll(at, 1))
        before = np.where(first, district.status[evse], np.roll(status, 1))
        passed = at - before_at
        passed[~(passed <= SILENCE_S)] = 0.0
        touched, slot = np.unique(evse, return_inverse=True)
        size = touched.size
        exposed = np.bincount(slot, np.where(np.isin(before, EXPOSED), passed, 0.0), size)
        charging = np.bincount(slot, np.where(before == EvseStatus.CHARGING, passed, 0.0), size)
        lesson = Lesson(
            evse=touched,
            exposure_days=district.exposure_days[touched] + exposed / _DAY_S,
            charging_s=district.charging_s[touched] + charging,
            fault_count=district.fault_count[touched],
            session_count=district.session_count[touched],
            last_success_at_s=district.last_success_at_s[touched],
        )
        turns = np.flatnonzero(status != before)
        if turns.size == 0:
            return lesson
        return self._follow(district, rows, lesson, slot, picked[turns], turns)

    def _follow(
        self,
        district: District,
        rows: Rows,
        lesson: Lesson,
        slot: Index,
        turned: Index,
        turns: Index,
    ) -> Lesson:
        """The lesson with the turns of status taken one by one; they are few."""
        memories: dict[str, Memory] = {}
        sessions: list[Session] = []
        codes = _fault_codes(rows)
        for row, turn in zip(turned.tolist(), turns.tolist(), strict=True):
            evse, entry = int(rows.evse[row]), int(slot[turn])
            evse_id = district.evse_ids[evse]
            memory = memories.get(evse_id) or self.memories.get(evse_id) or Memory()
            at, status = float(rows.observed_at_s[row]), int(rows.status[row])
            if status == EvseStatus.CHARGING and memory.session is None:
                session = _begin(evse_id, at, district, rows, row)
                memory = replace(memory, session=session)
                lesson.session_count[entry] += 1
                sessions.append(session)
            elif memory.session is not None and status in SESSION_ENDS:
                session = _end(memory.session, at, status, rows, row)
                memory = replace(memory, session=None)
                sessions.append(session)
                if not session.ended_by_fault:
                    lesson.last_success_at_s[entry] = at
            code = codes.get(evse) or district.fault_code.get(evse, "")
            memory, onset = _outage(memory, at, status, code)
            lesson.fault_count[entry] += onset
            memories[evse_id] = memory
        return replace(lesson, memories=memories, sessions=tuple(sessions))

    def take(self, district: District, lesson: Lesson) -> None:
        """Takes a lesson in; no other may have been taken since it was observed."""
        for name in _TAUGHT:
            getattr(district, name)[lesson.evse] = getattr(lesson, name)
        for session in lesson.sessions:
            if session.ended_at_s is None:
                district.served_today[district.row[session.evse_id]] += 1
        self.memories.update(lesson.memories)


_TAUGHT = ("exposure_days", "charging_s", "fault_count", "session_count", "last_success_at_s")


def _fault_codes(rows: Rows) -> dict[int, str]:
    """EVSE to the fault code that began last in these rows."""
    return {
        int(rows.evse[row]): code
        for row, code in rows.faults.items()
        if rows.kind[row] == RecordKind.FAULT
    }


def _outage(memory: Memory, at: float, status: int, code: str) -> tuple[Memory, int]:
    """The memory after a turn of status, and 1 if an unplanned outage began with it."""
    if status == EvseStatus.OUTOFORDER and code not in COMMUNICATION_FAULTS:
        if memory.down:
            return memory, 0
        return replace(memory, down=True), int(at - memory.last_up_at_s >= DEBOUNCE_S)
    if memory.down and status in EXPOSED:
        return replace(memory, down=False, last_up_at_s=at), 0
    return memory, 0


def _begin(evse_id: str, at: float, district: District, rows: Rows, row: int) -> Session:
    energy = _value(rows.energy_kwh, row)
    if np.isnan(energy):
        energy = float(district.energy_kwh[district.row[evse_id]])
    return Session(evse_id, at, energy, _value(rows.soc_pct, row))


def _end(session: Session, at: float, status: int, rows: Rows, row: int) -> Session:
    return replace(
        session,
        ended_at_s=at,
        energy_kwh=_value(rows.energy_kwh, row) - session.start_energy_kwh,
        end_soc_pct=_value(rows.soc_pct, row),
        ended_by_fault=status == EvseStatus.OUTOFORDER,
    )


def _value(column: NDArray[np.float64] | NDArray[np.float32] | None, row: int) -> float:
    return float("nan") if column is None else float(column[row])
