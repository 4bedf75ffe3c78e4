"""Inputs on their way from one value to another, along the piles' clock.

What an input is and what follows from it is in `core/inputs.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from firmware_sim.core.controller import set_input
from firmware_sim.core.inputs import INPUTS, input_value
from firmware_sim.errors import NotPossibleNowError
from firmware_sim.fleet import Fleet

# A ramp moves in steps of so long, longer ones in so many.
_SHORTEST_STEP_S = 0.05
_MOST_STEPS = 1000


@dataclass(frozen=True, slots=True)
class _Ramp:
    first: float
    last: float
    begun_at_ms: int
    over_s: float

    def value(self, now_ms: int) -> float:
        share = min((now_ms - self.begun_at_ms) / 1000 / self.over_s, 1.0)
        return self.last if share >= 1 else self.first + (self.last - self.first) * share


class Ramps:
    """All ramps of a fleet; a new one for the same input takes the place of the old."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._ramps: dict[tuple[str, str], _Ramp] = {}

    @property
    def step_s(self) -> float | None:
        """How far time may move before the inputs have to follow; None without ramps."""
        steps = [max(r.over_s / _MOST_STEPS, _SHORTEST_STEP_S) for r in self._ramps.values()]
        return min(steps, default=None)

    def begin(
        self, evse_id: str, name: str, value: float | None, over_s: float, now_ms: int
    ) -> None:
        """Moves an input there from where it is, None for its nominal value.

        Raises BadArgumentError or NotPossibleNowError.
        """
        evse = self._fleet.evse(evse_id)
        first = input_value(evse.inputs, name)
        if value is None:
            value = INPUTS[name].nominal
        if first is None or value is None:
            why = f"{name} is as car and cable give it: set it to a value before you ramp it"
            raise NotPossibleNowError(evse_id, why)
        if INPUTS[name].unit == "0/1":
            raise NotPossibleNowError(evse_id, f"{name} is a switch and cannot be ramped")
        # Refused now rather than at its end.
        set_input(evse, name, value)
        self._ramps[evse_id, name] = _Ramp(first, value, now_ms, over_s)

    def stop(self, evse_id: str, name: str) -> None:
        """Leaves an input where it is."""
        self._ramps.pop((evse_id, name), None)

    def follow(self, now_ms: int) -> None:
        """Sets every moving input to where it has to be."""
        for (evse_id, name), ramp in tuple(self._ramps.items()):
            self._fleet.change(evse_id, partial(set_input, name=name, value=ramp.value(now_ms)))
            if now_ms - ramp.begun_at_ms >= ramp.over_s * 1000:
                self.stop(evse_id, name)

    def forget(self, pile_id: str) -> None:
        """Ends the ramps of a pile."""
        for evse_id, name in tuple(self._ramps):
            if self._fleet.pile_id_of(evse_id) == pile_id:
                self.stop(evse_id, name)
