"""The live picture to rows that outlast the process, and back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from coordinator.core.district import District, Newest
from coordinator.core.history import History, Lesson, Memory, Session
from coordinator.usecases.telemetry import STATE_COLUMNS, StateRow

_NAMES = tuple(name for name, _ in STATE_COLUMNS)
_NAN = float("nan")
_NO_MEMORY = Memory()


def state_rows(
    district: District, history: History, newest: Newest, lesson: Lesson, heard_at_s: float
) -> list[StateRow]:
    """Rows of the EVSEs that change, as they will be after both are taken.

    `heard_at_s` is system time. Newest and lesson come from the same rows.
    """
    evses = newest.evse.tolist()
    ids = [district.evse_ids[evse] for evse in evses]
    faults = [newest.faults.get(evse, district.fault_code.get(evse, "")) for evse in evses]
    memories = [
        lesson.memories.get(evse_id) or history.memories.get(evse_id) or _NO_MEMORY
        for evse_id in ids
    ]
    return list(
        zip(
            ids,
            newest.status.tolist(),
            newest.source.tolist(),
            newest.bay.tolist(),
            newest.queue_length.tolist(),
            newest.observed_at_s.tolist(),
            newest.changed_at_s.tolist(),
            [heard_at_s] * len(ids),
            newest.power_kw.tolist(),
            newest.energy_kwh.tolist(),
            newest.soc_pct.tolist(),
            faults,
            lesson.exposure_days.tolist(),
            lesson.charging_s.tolist(),
            lesson.fault_count.tolist(),
            lesson.session_count.tolist(),
            lesson.last_success_at_s.tolist(),
            [int(memory.down) for memory in memories],
            [memory.last_up_at_s for memory in memories],
            *_session_columns(memories),
            strict=True,
        )
    )


def _session_columns(memories: list[Memory]) -> tuple[list[float | None], ...]:
    sessions = [memory.session for memory in memories]
    return (
        [s.started_at_s if s else None for s in sessions],
        [s.start_energy_kwh if s else None for s in sessions],
        [s.start_soc_pct if s else None for s in sessions],
    )


_PLAIN = tuple(name for name in _NAMES[1:17] if name not in ("fault_code", "heard_at_s"))


def restore(
    district: District, history: History, rows: Iterable[StateRow], system_s: float, link_s: float
) -> int:
    """Puts stored rows back into the picture; gives how many EVSEs were found.

    The age of what was heard is kept: what was stale before the restart is stale after it.
    """
    found = 0
    for row in rows:
        state = dict(zip(_NAMES, row, strict=True))
        evse = district.row.get(state["evse_id"])
        if evse is None:
            continue
        found += 1
        for name in _PLAIN:
            value = state[name]
            getattr(district, name)[evse] = _NAN if value is None else value
        district.heard_at_s[evse] = link_s - max(0.0, system_s - state["heard_at_s"])
        if state["fault_code"]:
            district.fault_code[evse] = state["fault_code"]
        memory = _memory(state)
        if memory != _NO_MEMORY:
            history.memories[state["evse_id"]] = memory
    return found


def _memory(state: dict[str, object]) -> Memory:
    started = state["session_started_at_s"]
    session = None
    if started is not None:
        energy, soc = state["session_start_energy_kwh"], state["session_start_soc_pct"]
        session = Session(
            str(state["evse_id"]),
            float(str(started)),
            _NAN if energy is None else float(str(energy)),
            _NAN if soc is None else float(str(soc)),
        )
    return Memory(session, bool(state["down"]), float(str(state["last_up_at_s"])))


def reset_day(district: District) -> None:
    """Begins a new day: nobody was served yet."""
    district.served_today[:] = np.int32(0)
