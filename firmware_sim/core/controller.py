"""The controller of one EVSE: every action on it gives the next state.

A state goes in, a state comes out; when nothing changes the same object comes back, so that
callers can compare by identity. What follows from a state is in `settling.py`, how time moves it
on in `charging.py`, how power is lost and restored in `memory.py`.
"""

from __future__ import annotations

from dataclasses import replace

from firmware_sim.core.evse import Car, Evse, Lock, Phase, Reservation, Session, TokenAhead
from firmware_sim.core.faults import FAULTS, ActiveFault, FaultKind
from firmware_sim.core.inputs import NOMINAL, with_input
from firmware_sim.core.memory import lose_power, mains_changed, restore_power
from firmware_sim.core.settling import ended, settle
from firmware_sim.errors import NotPossibleNowError

__all__ = [
    "authorise",
    "authorise_ahead",
    "cancel_reservation",
    "clear",
    "inject",
    "lose_power",
    "park",
    "plug_in",
    "press_emergency_stop",
    "release_emergency_stop",
    "reserve",
    "restart",
    "restore_power",
    "set_fallback",
    "set_input",
    "set_limit",
    "set_meter",
    "set_operative",
    "set_share",
    "stop",
    "unplug",
]

_INVALID_MODE = FAULTS["InvalidVehicleMode"]


def plug_in(evse: Evse, car: Car, token: str) -> Evse:
    """The EVSE with `car` at its plug; an empty token asks for free vending."""
    if evse.car is not None:
        raise NotPossibleNowError(evse.spec.evse_id, "a car is plugged in already")
    if car.battery.temperature_c is None and evse.inputs is not NOMINAL:
        as_the_air = replace(car.battery, temperature_c=evse.inputs.ambient_c)
        car = replace(car, battery=as_the_air)
    session = Session(
        number=evse.sessions_begun + 1,
        presented_token=token,
        start_wh=evse.meter.total_wh,
        handshake_left_s=evse.spec.handshake_s,
    )
    evse = replace(evse, car=car, session=session, sessions_begun=session.number)
    if evse.token_ahead is not None:
        return authorise(replace(evse, token_ahead=None), evse.token_ahead.token)
    if token == "" or evse.spec.local_auth:
        return authorise(evse, token)
    return settle(evse)


def authorise(evse: Evse, token: str) -> Evse:
    """The EVSE after somebody accepted `token`; a reservation for another token still waits."""
    session = evse.session
    if session is None or session.phase is not Phase.WAITING:
        return evse
    if evse.reservation is not None and evse.reservation.token != token:
        return settle(evse)
    return settle(replace(evse, session=replace(session, granted_token=token)))


def authorise_ahead(evse: Evse, token: str, window_s: float) -> Evse:
    """The EVSE waiting `window_s` for the cable of the driver who showed `token`."""
    if evse.car is not None:
        return authorise(evse, token)
    return replace(evse, token_ahead=TokenAhead(token, window_s))


def stop(evse: Evse, reason: str) -> Evse:
    """The EVSE with its transaction ended for `reason` (OCPP 1.6 stop reasons)."""
    over = ended(evse, reason)
    return evse if over is evse else settle(over)


def restart(evse: Evse) -> Evse:
    """The EVSE with an ended or waiting session let on again, as a local start button does."""
    session = evse.session
    if session is None or session.phase is Phase.RUNNING:
        return evse
    waiting = replace(
        session,
        number=evse.sessions_begun + (1 if session.phase is Phase.ENDED else 0),
        phase=Phase.WAITING,
        end_reason="",
        start_wh=evse.meter.total_wh,
        handshake_left_s=evse.spec.handshake_s,
        charging_s=0.0,
    )
    evse = replace(evse, session=waiting, sessions_begun=waiting.number)
    return authorise(evse, session.presented_token)


def unplug(evse: Evse) -> Evse:
    """The EVSE after the cable came out; pulling at a locked plug ends the transaction first."""
    if evse.car is None:
        raise NotPossibleNowError(evse.spec.evse_id, "no car is plugged in")
    if evse.lock is Lock.LOCKED and stop(evse, "EVDisconnected").lock is Lock.LOCKED:
        raise NotPossibleNowError(evse.spec.evse_id, "the lock holds the plug")
    kept = tuple(
        fault
        for fault in evse.faults
        if fault.kind is not _INVALID_MODE and not (fault.arose and fault.kind.reset == "unplug")
    )
    # In the dark nobody notices: the kept transaction ends when the pile is up again.
    session = evse.session if evse.is_dark else None
    return settle(replace(evse, car=None, session=session, faults=kept))


def inject(evse: Evse, kind: FaultKind, duration_s: float | None) -> Evse:
    """The EVSE with a fault; a fault that is present already gets the new duration."""
    others = tuple(fault for fault in evse.faults if fault.kind is not kind)
    evse = replace(evse, faults=(*others, ActiveFault(kind, duration_s)))
    return stop(evse, kind.stop_reason) if kind.stops and evse.is_running else settle(evse)


def clear(evse: Evse, kind: FaultKind | None) -> Evse:
    """The EVSE without one fault, or without any when `kind` is None."""
    left = tuple(f for f in evse.faults if kind is not None and f.kind is not kind)
    return evse if left == evse.faults else settle(replace(evse, faults=left))


def set_limit(evse: Evse, limit_kw: float | None) -> Evse:
    """The EVSE with a power limit; below its least power the session is suspended."""
    return evse if evse.limit_kw == limit_kw else settle(replace(evse, limit_kw=limit_kw))


def set_fallback(evse: Evse, fallback_kw: float | None) -> Evse:
    """The EVSE on its fallback power while its master is silent; None ends it."""
    if evse.fallback_kw == fallback_kw:
        return evse
    return settle(replace(evse, fallback_kw=fallback_kw))


def set_share(evse: Evse, share_kw: float) -> Evse:
    """The EVSE with its part of the pile's power."""
    return evse if evse.share_kw == share_kw else settle(replace(evse, share_kw=share_kw))


def set_operative(evse: Evse, operative: bool) -> Evse:
    """The EVSE in or out of service; during a transaction the change waits for its end."""
    if evse.is_running and not operative:
        return replace(evse, operative_after_session=False)
    return settle(replace(evse, is_operative=operative, operative_after_session=None))


def reserve(evse: Evse, reservation: Reservation) -> Evse:
    """The EVSE kept for a token; an existing reservation is replaced."""
    return replace(evse, reservation=reservation)


def cancel_reservation(evse: Evse) -> Evse:
    """The EVSE kept for nobody; a driver who waited is let on."""
    if evse.reservation is None:
        return evse
    evse = replace(evse, reservation=None)
    waits = evse.session is not None and evse.session.phase is Phase.WAITING
    if waits and evse.session and (evse.spec.local_auth or evse.session.presented_token == ""):
        return authorise(evse, evse.session.presented_token)
    return settle(evse)


def park(evse: Evse, occupied: bool, queue_length: int | None) -> Evse:
    """The EVSE with something put into its bay or taken out, and its queue counted."""
    if evse.car is not None and not occupied:
        raise NotPossibleNowError(evse.spec.evse_id, "the car in the bay is plugged in")
    queue = evse.queue_length if queue_length is None else queue_length
    if evse.parked == occupied and evse.queue_length == queue:
        return evse
    return replace(evse, parked=occupied, queue_length=queue)


def set_input(evse: Evse, name: str, value: float | None) -> Evse:
    """The EVSE with one input set, None for its nominal value; faults may arise from it.

    Raises BadArgumentError for an unknown name or a value outside its range.
    """
    inputs = with_input(evse.inputs, name, value)
    if inputs is evse.inputs:
        return evse
    evse = replace(evse, inputs=inputs)
    return mains_changed(evse) if name == "mains_l1_v" else settle(evse)


def press_emergency_stop(evse: Evse) -> Evse:
    """The EVSE with its emergency stop pressed; it stays pressed until somebody releases it."""
    return evse if evse.emergency_pressed else settle(replace(evse, emergency_pressed=True))


def release_emergency_stop(evse: Evse) -> Evse:
    """The EVSE with its emergency stop released."""
    return settle(replace(evse, emergency_pressed=False)) if evse.emergency_pressed else evse


def set_meter(evse: Evse, total_wh: float) -> Evse:
    """The EVSE with another meter standing at `total_wh`, as after an exchange; no session runs."""
    if evse.is_running:
        raise NotPossibleNowError(evse.spec.evse_id, "a transaction runs")
    evse = replace(evse, meter=replace(evse.meter, total_wh=total_wh))
    if evse.session is None:
        return evse
    return replace(evse, session=replace(evse.session, start_wh=total_wh))
