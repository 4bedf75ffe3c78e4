"""What rows teach of an EVSE beyond its present state: exposure, outages, charging, sessions.

Only rows that are newer than the picture count, each once. Rates are made from these counts in
`reliability`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.outages import is_planned
from coordinator.core.pile import EvseStatus, RecordKind
from coordinator.core.rows import Index, Order, Rows, order_rows

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
_EXPOSED = np.zeros(len(EvseStatus), dtype=bool)
_EXPOSED[[int(status) for status in EXPOSED]] = True

Floats = NDArray[np.float64]
Statuses = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Session:
    """A car at an EVSE, from plug-in to plug-out; NaN means unknown, `ended_at_s` None means on.

    Source: US 12,393,974 B2, step 410 (historical charging information).
    """

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


class History:
    """Memories of all EVSEs; beside the district, and touched by the event loop only.

    Source: US 12,393,974 B2, step 410 (historical failure and charging information).
    """

    def __init__(self) -> None:
        self.memories: dict[str, Memory] = {}

    def learn(
        self, district: District, rows: Rows, order: Order | None = None
    ) -> tuple[Session, ...]:
        """Takes rows in, before `District.apply` takes them; gives sessions begun and ended.

        Rows older than the picture teach nothing, so that nothing is learnt twice.
        """
        order = order or order_rows(rows)
        length = order.end - order.start
        slot = np.repeat(np.arange(order.evse.size), length)
        at, status = rows.observed_at_s[order.index], rows.status[order.index]
        known_at, known = district.observed_at_s[order.evse], district.status[order.evse]
        before_at, before = np.empty_like(at), np.empty_like(status)
        before_at[1:], before[1:] = at[:-1], status[:-1]
        before_at[order.start], before[order.start] = known_at, known
        index = order.index
        if (at[order.start] < known_at).any():
            index, slot, at, status, before_at, before = _newer_only(
                known_at, known, (index, slot, at, status, before_at, before)
            )
        passed = at - before_at
        passed[~(passed <= SILENCE_S)] = 0.0
        count = order.evse.size
        exposed = np.bincount(slot, passed * _EXPOSED[before], count)
        charging = np.bincount(slot, passed * (before == EvseStatus.CHARGING), count)
        district.exposure_days[order.evse] += exposed / _DAY_S
        district.charging_s[order.evse] += charging
        turned = index[status != before]
        return tuple(self._follow(district, rows, turned.tolist())) if turned.size else ()

    def _follow(self, district: District, rows: Rows, turned: list[int]) -> Iterator[Session]:
        """Takes rows that turn a status one by one; they are few."""
        codes = _fault_codes(rows)
        for row in turned:
            evse = int(rows.evse[row])
            evse_id = district.evse_ids[evse]
            memory = self.memories.get(evse_id) or Memory()
            at, status = float(rows.observed_at_s[row]), int(rows.status[row])
            if status == EvseStatus.CHARGING and memory.session is None:
                session = _begin(evse_id, at, float(district.energy_kwh[evse]), rows, row)
                memory = replace(memory, session=session)
                district.session_count[evse] += 1
                district.served_today[evse] += 1
                yield session
            elif memory.session is not None and status in SESSION_ENDS:
                session = _end(memory.session, at, status, rows, row)
                memory = replace(memory, session=None)
                if not session.ended_by_fault:
                    district.last_success_at_s[evse] = at
                yield session
            code = codes.get(evse) or district.fault_code.get(evse, "")
            planned = bool(district.outages) and _planned(district, evse, at)
            memory, onset = _outage(memory, at, status, code, planned)
            district.fault_count[evse] += onset
            self.memories[evse_id] = memory


_Sorted = tuple[Index, Index, Floats, Statuses, Floats, Statuses]


def _newer_only(known_at: Floats, known: Statuses, columns: _Sorted) -> _Sorted:
    """The sorted rows that are not older than the picture; the first of each follows on it."""
    index, slot, at, status, before_at, before = columns
    keep = at >= known_at[slot]
    index, slot, at = index[keep], slot[keep], at[keep]
    status, before_at, before = status[keep], before_at[keep], before[keep]
    first = np.ones(slot.size, dtype=bool)
    first[1:] = slot[1:] != slot[:-1]
    before_at[first], before[first] = known_at[slot[first]], known[slot[first]]
    return index, slot, at, status, before_at, before


def _fault_codes(rows: Rows) -> dict[int, str]:
    """EVSE to the fault code that began last in these rows."""
    return {
        int(rows.evse[row]): code
        for row, code in rows.faults.items()
        if rows.kind[row] == RecordKind.FAULT
    }


def _planned(district: District, evse: int, at: float) -> bool:
    """Whether this EVSE is out of service on purpose at this instant."""
    station = district.stations[int(district.station[evse])]
    return is_planned(district.outages, station.station_id, district.evse_ids[evse], at)


def _outage(
    memory: Memory, at: float, status: int, code: str, planned: bool = False
) -> tuple[Memory, int]:
    """The memory after a turn of status, and 1 if an unplanned outage began with it."""
    if status == EvseStatus.OUTOFORDER and code not in COMMUNICATION_FAULTS and not planned:
        if memory.down:
            return memory, 0
        return replace(memory, down=True), int(at - memory.last_up_at_s >= DEBOUNCE_S)
    if memory.down and status in EXPOSED:
        return replace(memory, down=False, last_up_at_s=at), 0
    return memory, 0


def _begin(evse_id: str, at: float, known_kwh: float, rows: Rows, row: int) -> Session:
    energy = _value(rows.energy_kwh, row)
    if np.isnan(energy):
        energy = known_kwh
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
