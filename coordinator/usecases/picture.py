"""The live picture to rows that outlast the process, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from coordinator.core.district import District
from coordinator.core.history import History, Memory, Session
from coordinator.core.rows import Index
from coordinator.usecases.telemetry import STATE_COLUMNS, StateRow

DAY_S = 86_400
_NAMES = tuple(name for name, _ in STATE_COLUMNS)
_NAN = float("nan")
_NO_MEMORY = Memory()
# Columns of a state row that are columns of the district, as they are.
_PLAIN = (
    "status",
    "source",
    "bay",
    "queue_length",
    "observed_at_s",
    "changed_at_s",
    "power_kw",
    "energy_kwh",
    "soc_pct",
    "exposure_days",
    "charging_s",
    "fault_count",
    "session_count",
    "last_success_at_s",
    "served_today",
)


def copy_states(
    district: District, history: History, evse: Index, heard_at_s: Any, day: int
) -> Callable[[], list[StateRow]]:
    """A function that gives state rows of these EVSEs as they are now, for another thread.

    `heard_at_s` holds domain times of the last word of each. Only copying happens here.
    """
    columns: dict[str, Any] = {name: getattr(district, name)[evse] for name in _PLAIN}
    columns["heard_at_s"] = heard_at_s
    ids = [district.evse_ids[row] for row in evse.tolist()]
    faults = [district.fault_code.get(row, "") for row in evse.tolist()]
    memories = [history.memories.get(evse_id, _NO_MEMORY) for evse_id in ids]

    def rows() -> list[StateRow]:
        lists: dict[str, list[Any]] = {name: c.tolist() for name, c in columns.items()}
        sessions = [memory.session for memory in memories]
        lists |= {
            "evse_id": ids,
            "fault_code": faults,
            "day": [day] * len(ids),
            "down": [int(memory.down) for memory in memories],
            "last_up_at_s": [memory.last_up_at_s for memory in memories],
            "session_started_at_s": [s.started_at_s if s else None for s in sessions],
            "session_start_energy_kwh": [s.start_energy_kwh if s else None for s in sessions],
            "session_start_soc_pct": [s.start_soc_pct if s else None for s in sessions],
        }
        return list(zip(*(lists[name] for name in _NAMES), strict=True))

    return rows


def restore(
    district: District,
    history: History,
    rows: Iterable[StateRow],
    link_of: Callable[[float], float],
    day: int,
) -> None:
    """Puts stored rows back into the picture; EVSEs that are no more are left out.

    `link_of` gives the link time of a domain time: what was stale before a restart is stale after.
    """
    for row in rows:
        state = dict(zip(_NAMES, row, strict=True))
        evse = district.row.get(state["evse_id"])
        if evse is None:
            continue
        for name in _PLAIN:
            value = state[name]
            getattr(district, name)[evse] = _NAN if value is None else value
        if state["day"] != day:
            district.served_today[evse] = np.int32(0)
        district.heard_at_s[evse] = link_of(state["heard_at_s"])
        if state["fault_code"]:
            district.fault_code[evse] = state["fault_code"]
        memory = _memory(state)
        if memory != _NO_MEMORY:
            history.memories[state["evse_id"]] = memory


def _memory(state: dict[str, Any]) -> Memory:
    session = None
    if state["session_started_at_s"] is not None:
        energy, soc = state["session_start_energy_kwh"], state["session_start_soc_pct"]
        session = Session(
            state["evse_id"],
            state["session_started_at_s"],
            _NAN if energy is None else energy,
            _NAN if soc is None else soc,
        )
    return Memory(session, bool(state["down"]), state["last_up_at_s"])
