"""Moves one EVSE through time: timers run out, the battery fills, the meter counts.

What an action does to a state is in `controller.py`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from firmware_sim.core.causes import tripping_s
from firmware_sim.core.controller import cancel_reservation
from firmware_sim.core.evse import Brewing, Evse, Phase
from firmware_sim.core.faults import ActiveFault
from firmware_sim.core.inputs import NOMINAL
from firmware_sim.core.memory import started
from firmware_sim.core.settling import settle
from firmware_sim.core.spec import CABLE_CHECK_LEFT_S, PRECHARGE_LEFT_S, Supply
from firmware_sim.core.thermal import Course, course_of, next_threshold_s, temperatures_after

# Longest stretch that is integrated at once; within it the taper loses at most 1 % of its power.
_MAX_STEP_S = 10.0
_EPSILON_S = 1e-9
# Cooling is looked at again after this long at the latest.
_COOLING_S = 3600.0


def advance(evse: Evse, dt_s: float) -> Evse:
    """The EVSE `dt_s` seconds of domain time later; the same object where nothing moves."""
    if not (math.isfinite(dt_s) and dt_s >= 0):
        raise ValueError(f"time cannot move by {dt_s} s")
    if _rests(evse):
        return evse
    left_s = dt_s
    while left_s > _EPSILON_S:
        course = course_of(evse)
        event_s = _next_event_s(evse, course)
        if math.isinf(event_s):
            return evse
        step_s = min(left_s, event_s)
        evse = _step(evse, step_s, course)
        left_s -= step_s
    return evse


def _rests(evse: Evse) -> bool:
    """Whether nobody and nothing is at it: most piles, most of the time."""
    return (
        evse.session is None
        and not evse.faults
        and evse.temperature_c == evse.cable_c == evse.inputs.ambient_c
        and evse.reservation is None
        and evse.token_ahead is None
        and not evse.brewing
        and evse.boot_left_s == 0
    )


def _timers(evse: Evse) -> list[float]:
    timers = [fault.remaining_s for fault in evse.faults if fault.remaining_s is not None]
    if evse.reservation is not None:
        timers.append(evse.reservation.remaining_s)
    if evse.token_ahead is not None:
        timers.append(evse.token_ahead.remaining_s)
    if evse.boot_left_s > 0:
        timers.append(evse.boot_left_s)
    for one in evse.brewing:
        timers.append(max((1 - one.share) * tripping_s(evse, one.name), _EPSILON_S))
    return timers


def _next_event_s(evse: Evse, course: Course | None) -> float:
    """Seconds until something happens by itself, at most one integration step while energy flows.

    Infinite where nothing moves.
    """
    events = _timers(evse)
    if evse.power_kw > 0:
        events.append(_MAX_STEP_S)
    elif evse.session is not None and evse.is_running and not evse.is_dark:
        events.append(_to_next_stage_s(evse.session.handshake_left_s, evse.spec.supply))
    if course is not None:
        # Cooling down alone is exact in one stride, but it must be one that has an end.
        events.append(min(next_threshold_s(evse, course), _COOLING_S))
    return min(events, default=math.inf)


def _to_next_stage_s(left_s: float, supply: Supply) -> float:
    """Seconds until the handshake's next part begins, or the handshake ends; inf after it."""
    if supply is Supply.DC:
        for begins_at_s in (CABLE_CHECK_LEFT_S, PRECHARGE_LEFT_S):
            if left_s > begins_at_s + _EPSILON_S:
                return left_s - begins_at_s
    return left_s if left_s > 0 else math.inf


def _step(evse: Evse, step_s: float, course: Course | None) -> Evse:
    # One copy of the state for all that time alone changes: copies are what a step costs.
    passed = _charged(evse, step_s)
    if course is not None:
        board_c, cable_c = temperatures_after(evse, course, step_s)
        passed["temperature_c"], passed["cable_c"] = board_c, cable_c
    if evse.faults:
        passed["faults"] = _lasting(evse.faults, step_s)
    if evse.brewing:
        passed["brewing"] = _brewed(evse, step_s)
    if ahead := evse.token_ahead:
        left_s = ahead.remaining_s - step_s
        kept = replace(ahead, remaining_s=left_s) if left_s > _EPSILON_S else None
        passed["token_ahead"] = kept
    evse = replace(evse, **passed) if passed else evse
    if evse.boot_left_s > 0:
        left_s = evse.boot_left_s - step_s
        return started(evse) if left_s <= _EPSILON_S else replace(evse, boot_left_s=left_s)
    if kept_for := evse.reservation:
        left_s = kept_for.remaining_s - step_s
        if left_s <= _EPSILON_S:
            return cancel_reservation(evse)
        evse = replace(evse, reservation=replace(kept_for, remaining_s=left_s))
    return settle(evse)


def _lasting(faults: tuple[ActiveFault, ...], step_s: float) -> tuple[ActiveFault, ...]:
    return tuple(
        fault if fault.remaining_s is None else replace(fault, remaining_s=left)
        for fault in faults
        if (left := _less(fault.remaining_s, step_s)) is None or left > _EPSILON_S
    )


def _brewed(evse: Evse, step_s: float) -> tuple[Brewing, ...]:
    """What is on its way after `step_s` more of its causes."""
    brewed = []
    for one in evse.brewing:
        whole_s = tripping_s(evse, one.name)
        brewed.append(replace(one, share=one.share + step_s / whole_s if whole_s > 0 else 1.0))
    return tuple(brewed)


def _less(remaining_s: float | None, step_s: float) -> float | None:
    return None if remaining_s is None else remaining_s - step_s


def _charged(evse: Evse, step_s: float) -> dict[str, Any]:
    """The fields of the EVSE that its session changes in `step_s`."""
    session, car = evse.session, evse.car
    if session is None or car is None or session.phase is not Phase.RUNNING or evse.is_dark:
        return {}
    if session.handshake_left_s > 0:
        left_s = session.handshake_left_s - step_s
        left_s = left_s if left_s > _EPSILON_S else 0.0
        return {"session": replace(session, handshake_left_s=left_s)}
    if evse.power_kw == 0:
        return {}
    stored_kwh = evse.car_kw * step_s / 3600 * car.stored_share
    missing_kwh = car.battery.missing_kwh(car.target_soc_pct)
    if stored_kwh >= missing_kwh:
        battery = replace(car.battery, soc_pct=max(car.target_soc_pct, car.battery.soc_pct))
        stored_kwh = missing_kwh
    else:
        battery = car.battery.charged(stored_kwh)
    return {
        "car": replace(car, battery=battery),
        "meter": evse.meter.added(_counted_wh(evse, stored_kwh / car.stored_share, step_s)),
        "session": replace(session, charging_s=session.charging_s + step_s),
    }


def _counted_wh(evse: Evse, drawn_kwh: float, step_s: float) -> float:
    """What the meter counts: the car, whatever else draws, and its own error."""
    if evse.inputs is NOMINAL:
        return drawn_kwh * 1000
    beside_kwh = (evse.power_kw - evse.car_kw) * step_s / 3600
    return max(drawn_kwh + beside_kwh, 0.0) * (1 + evse.inputs.meter_drift_pct / 100) * 1000
