"""How warm cabinet and cable get: losses grow with the square of the current.

What a temperature leads to is in `causes.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from firmware_sim.core.evse import Evse, Supply

BOARD_STOP_C: Final = 85.0
BOARD_BACK_C: Final = 75.0
CABLE_DERATE_C: Final = 80.0
CABLE_STOP_C: Final = 90.0
CABLE_BACK_C: Final = 70.0

# Above the ambient at rated current in the long run, K, and how fast, s. Without coolant a DC cable
# is one for 200 A that carries 500 A.
_BOARD_RISE_K, _BOARD_S = 20.0, 900.0
_AC_CABLE_RISE_K, _AC_CABLE_S = 30.0, 600.0
_DC_CABLE_RISE_K, _UNCOOLED_RISE_K, _DC_CABLE_S = 40.0, 310.0, 300.0
# Below this nothing can arise, so nothing needs to be asked.
_WARM_C = 69.0
_SETTLED_K = 0.05
_LEAST_S = 0.01


def is_warm(evse: Evse) -> bool:
    """Whether a temperature is near any threshold."""
    return evse.temperature_c > _WARM_C or evse.cable_c > _WARM_C


@dataclass(frozen=True, slots=True)
class Course:
    """Where cabinet and cable go at the present current, C, and the cable's time constant, s."""

    board_c: float
    cable_c: float
    cable_s: float


def course_of(evse: Evse) -> Course | None:
    """Where its temperatures go; None where they have arrived."""
    ambient_c = evse.inputs.ambient_c
    dc = evse.spec.supply is Supply.DC
    cable_s = _DC_CABLE_S if dc else _AC_CABLE_S
    if evse.power_kw == 0:
        if evse.temperature_c == ambient_c == evse.cable_c:
            return None
        return Course(ambient_c, ambient_c, cable_s)
    load = (evse.current_a / evse.spec.rated_current_a) ** 2
    if dc:
        rise_k = _DC_CABLE_RISE_K if evse.inputs.cable_cooled else _UNCOOLED_RISE_K
        board_k = _BOARD_RISE_K * (evse.power_kw / evse.spec.max_power_kw) ** 2
    else:
        rise_k, board_k = _AC_CABLE_RISE_K, _BOARD_RISE_K * load
    course = Course(ambient_c + board_k, ambient_c + rise_k * load, cable_s)
    arrived = evse.temperature_c == course.board_c and evse.cable_c == course.cable_c
    return None if arrived else course


def temperatures_after(evse: Evse, course: Course, step_s: float) -> tuple[float, float]:
    """Cabinet and cable `step_s` later, C."""
    return (
        _nearer(evse.temperature_c, course.board_c, step_s / _BOARD_S),
        _nearer(evse.cable_c, course.cable_c, step_s / course.cable_s),
    )


def next_threshold_s(evse: Evse, course: Course) -> float:
    """Seconds until a temperature meets a threshold at the present current; inf if none."""
    if max(course.board_c, course.cable_c) <= _WARM_C and not is_warm(evse):
        return math.inf
    board = (evse.temperature_c, course.board_c, _BOARD_S)
    cable = (evse.cable_c, course.cable_c, course.cable_s)
    return min(
        *(_until(*board, threshold_c) for threshold_c in (BOARD_STOP_C, BOARD_BACK_C)),
        *(_until(*cable, at_c) for at_c in (CABLE_DERATE_C, CABLE_STOP_C, CABLE_BACK_C)),
    )


def _nearer(now_c: float, end_c: float, share: float) -> float:
    left_k = (now_c - end_c) * math.exp(-share)
    return end_c if abs(left_k) < _SETTLED_K else end_c + left_k


def _until(now_c: float, end_c: float, constant_s: float, threshold_c: float) -> float:
    """Seconds until a temperature on its way to `end_c` is at the threshold; inf if never."""
    left, after = now_c - end_c, threshold_c - end_c
    if left * after <= 0 or abs(after) >= abs(left):
        return math.inf
    return max(constant_s * math.log(left / after), _LEAST_S)
