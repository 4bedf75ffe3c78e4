"""Moves piles and their stepped clock on together, in steps as small as somebody needs.

Who needs small ones: ramps, which follow the clock, and whoever waits for a change.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_sim.bench.ramps import Ramps
from firmware_sim.clock import SteppedClock
from firmware_sim.fleet import Fleet

LOOK_EVERY_S = 0.01
# So many looks at most, so that a careless request does not take for ever.
_MOST_LOOKS = 20_000
_EPSILON_S = 1e-9


def stride(
    fleet: Fleet,
    clock: SteppedClock,
    ramps: Ramps,
    duration_s: float,
    *,
    look_every_s: float = 0.0,
    is_over: Callable[[], bool] | None = None,
) -> float:
    """Seconds that passed: `duration_s`, or less if `is_over` said so at one of the looks."""
    look_s = max(look_every_s or LOOK_EVERY_S, duration_s / _MOST_LOOKS)
    passed_s = 0.0
    while (left_s := duration_s - passed_s) > _EPSILON_S:
        steps = [left_s, ramps.step_s or left_s, look_s if is_over else left_s]
        step_s = min(steps)
        fleet.advance(step_s)
        clock.move(step_s)
        ramps.follow(clock.now_ms())
        passed_s += step_s
        if is_over is not None and is_over():
            return passed_s
    return passed_s
