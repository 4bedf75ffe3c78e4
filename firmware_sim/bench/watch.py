"""Who watches states: each gets the newest, never a backlog, and a limited number may watch.

What a state is as a message is in `codec.py`; cutting a reader off is in `guard.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection

from firmware_sim.errors import TooManyError
from firmware_sim.fleet import Fleet
from pilewise.v1 import bench_service_pb2 as pb

MOST_WATCHERS = 64
State = Callable[[str], pb.SimulatedState]


class Watchers:
    """Follows EVSEs for several callers at once; `state` gives one as a message."""

    def __init__(self, fleet: Fleet, state: State, most: int = MOST_WATCHERS) -> None:
        self._fleet = fleet
        self._state = state
        self._most = most
        self.count = 0

    async def follow(self, evse_ids: Collection[str]) -> AsyncIterator[pb.SimulatedState]:
        """The present state of each (of all where none is named), then each that looks different.

        Whoever reads slowly misses states in between, so nothing piles up. Raises TooManyError.
        """
        watched = set(evse_ids) or {
            evse.spec.evse_id for pile in self._fleet.piles for evse in pile.evses
        }
        told = {evse_id: self._state(evse_id) for evse_id in sorted(watched)}
        if self.count >= self._most:
            raise TooManyError("watchers", self._most, "end another Watch first")
        self.count += 1
        waiting: dict[str, None] = {}
        woken = asyncio.Event()
        forget = self._listen(watched, waiting, woken)
        try:
            for state in told.values():
                yield state
            while True:
                await woken.wait()
                woken.clear()
                due = list(waiting)
                waiting.clear()
                for evse_id in due:
                    state = self._state(evse_id)
                    if looks_different(told[evse_id], state):
                        told[evse_id] = state
                        yield state
        finally:
            self.count -= 1
            forget()

    def _listen(
        self, watched: set[str], waiting: dict[str, None], woken: asyncio.Event
    ) -> Callable[[], None]:
        """Notes changed EVSEs in `waiting`, each once however often it changes."""

        def note(evse_id: str) -> None:
            if evse_id in watched:
                waiting[evse_id] = None
                woken.set()

        def note_pile(pile_id: str) -> None:
            for evse in self._fleet.pile(pile_id).evses:
                note(evse.spec.evse_id)

        forget_evse = self._fleet.on_evse_change(lambda old, new: note(new.spec.evse_id))
        forget_wire = self._fleet.on_wire_change(lambda pile_id, wire: note_pile(pile_id))

        def forget() -> None:
            forget_evse()
            forget_wire()

        return forget


def looks_different(told: pb.SimulatedState, now: pb.SimulatedState) -> bool:
    """Whether a watcher should hear of it; a meter that merely creeps does not count."""
    return (
        told.iec61851_state != now.iec61851_state
        or told.ocpp_status != now.ocpp_status
        or told.bay_occupied != now.bay_occupied
        or told.done != now.done
        or told.contactor != now.contactor
        or told.locked != now.locked
        or told.dark != now.dark
        or told.emergency_pressed != now.emergency_pressed
        or told.inputs.keys() != now.inputs.keys()
        or list(told.faults) != list(now.faults)
        or abs(told.power_kw - now.power_kw) >= 0.5
        or (told.soc_pct // 1) != (now.soc_pct // 1)
    )
