"""Moves one EVSE through time: timers run out, the battery fills, the meter counts.

What an action does to a state is in `controller.py`.
"""

from __future__ import annotations

import math
from dataclasses import replace

from firmware_sim.core.controller import cancel_reservation, settle
from firmware_sim.core.evse import Evse, Phase

# Longest stretch that is integrated at once; within it the taper loses at most 1 % of its power.
_MAX_STEP_S = 10.0
_EPSILON_S = 1e-9


def advance(evse: Evse, dt_s: float) -> Evse:
    """The EVSE `dt_s` seconds of domain time later."""
    if not (math.isfinite(dt_s) and dt_s >= 0):
        raise ValueError(f"time cannot move by {dt_s} s")
    left_s = dt_s
    while left_s > _EPSILON_S:
        step_s = min(left_s, _next_event_s(evse))
        if math.isinf(step_s) or not _is_moving(evse):
            return evse
        evse = _step(evse, step_s)
        left_s -= step_s
    return evse


def _timers(evse: Evse) -> list[float]:
    timers = [fault.remaining_s for fault in evse.faults if fault.remaining_s is not None]
    if evse.reservation is not None:
        timers.append(evse.reservation.remaining_s)
    if evse.token_ahead is not None:
        timers.append(evse.token_ahead.remaining_s)
    return timers


def _is_moving(evse: Evse) -> bool:
    return evse.is_running or bool(_timers(evse))


def _next_event_s(evse: Evse) -> float:
    """Seconds until a timer ends, at most one integration step while energy flows."""
    events = _timers(evse)
    if evse.session is not None and evse.is_running:
        in_handshake = evse.session.handshake_left_s > 0
        events.append(evse.session.handshake_left_s if in_handshake else _MAX_STEP_S)
    return min(events, default=math.inf)


def _step(evse: Evse, step_s: float) -> Evse:
    evse = _charge(evse, step_s)
    faults = tuple(
        fault if fault.remaining_s is None else replace(fault, remaining_s=left)
        for fault in evse.faults
        if (left := _less(fault.remaining_s, step_s)) is None or left > _EPSILON_S
    )
    evse = replace(evse, faults=faults) if evse.faults else evse
    if ahead := evse.token_ahead:
        left_s = ahead.remaining_s - step_s
        kept = replace(ahead, remaining_s=left_s) if left_s > _EPSILON_S else None
        evse = replace(evse, token_ahead=kept)
    if kept_for := evse.reservation:
        left_s = kept_for.remaining_s - step_s
        if left_s <= _EPSILON_S:
            return cancel_reservation(evse)
        evse = replace(evse, reservation=replace(kept_for, remaining_s=left_s))
    return settle(evse)


def _less(remaining_s: float | None, step_s: float) -> float | None:
    return None if remaining_s is None else remaining_s - step_s


def _charge(evse: Evse, step_s: float) -> Evse:
    session, car = evse.session, evse.car
    if session is None or car is None or session.phase is not Phase.RUNNING:
        return evse
    if session.handshake_left_s > 0:
        left_s = session.handshake_left_s - step_s
        left_s = left_s if left_s > _EPSILON_S else 0.0
        return replace(evse, session=replace(session, handshake_left_s=left_s))
    if evse.power_kw == 0:
        return evse
    stored_kwh = evse.power_kw * step_s / 3600 * car.stored_share
    missing_kwh = car.battery.missing_kwh(car.target_soc_pct)
    if stored_kwh >= missing_kwh:
        battery = replace(car.battery, soc_pct=max(car.target_soc_pct, car.battery.soc_pct))
        stored_kwh = missing_kwh
    else:
        battery = car.battery.charged(stored_kwh)
    return replace(
        evse,
        car=replace(car, battery=battery),
        meter=evse.meter.added(stored_kwh / car.stored_share * 1000),
        session=replace(session, charging_s=session.charging_s + step_s),
    )
