"""What of an EVSE follows from everything else at one instant: lock, faults, pilot, power.

What a hand or a central system does to it is in `controller.py`, how time moves it in
`charging.py`.
"""

from __future__ import annotations

from dataclasses import replace

from firmware_sim.core.causes import arisen
from firmware_sim.core.evse import DC_MAX_CURRENT_A, Evse, Lock, Phase, Pilot, Supply
from firmware_sim.core.faults import FAULTS, ActiveFault
from firmware_sim.core.inputs import NOMINAL
from firmware_sim.core.pilot import letter_of, volts_of

_INVALID_MODE = FAULTS["InvalidVehicleMode"]
# A fault can bring another, which changes the pilot again; each brings at most one more.
_MOST_ROUNDS = 8


def settle(evse: Evse) -> Evse:
    """The EVSE with lock, faults, pilot, relay and power following from everything else."""
    for _ in range(_MOST_ROUNDS):
        evse = _shown(evse)
        troubled = arisen(evse)
        if troubled is evse:
            return evse
        stopping = next(
            (f.kind for f in troubled.faults if f.kind.stops and f not in evse.faults), None
        )
        evse = troubled
        if stopping is not None:
            evse = ended(evse, stopping.stop_reason)
    return _shown(evse)


def ended(evse: Evse, reason: str) -> Evse:
    """The EVSE with its transaction ended, not yet settled."""
    session = evse.session
    if session is None or session.phase is not Phase.RUNNING:
        return evse
    over = replace(session, phase=Phase.ENDED, end_reason=reason, granted_token=None)
    return replace(evse, session=over)


def _shown(evse: Evse) -> Evse:
    session = evse.session
    if evse.operative_after_session is not None and not evse.is_running:
        evse = replace(
            evse, is_operative=evse.operative_after_session, operative_after_session=None
        )
    usable = evse.is_operative and not evse.is_broken and not evse.is_dark
    if session and usable and session.phase is Phase.WAITING and session.granted_token is not None:
        # OCPP 1.6: a reservation is consumed when its transaction starts.
        running = replace(session, phase=Phase.RUNNING)
        evse = replace(evse, session=running, reservation=None)
    if evse.inputs.pilot_ohm is not None and _reads(evse) == "A":
        evse = ended(evse, "EVDisconnected")
    pilot = _pilot(evse)
    if pilot is Pilot.D1 and not evse.is_broken and not evse.spec.ventilated:
        refused = ActiveFault(_INVALID_MODE, None, arose=True)
        evse = ended(replace(evse, faults=(*evse.faults, refused)), _INVALID_MODE.stop_reason)
        pilot = _pilot(evse)
    lock = _lock(evse)
    if pilot is not evse.pilot or lock is not evse.lock:
        evse = replace(evse, pilot=pilot, lock=lock)
    power_kw = _power_kw(evse)
    return evse if power_kw == evse.power_kw else replace(evse, power_kw=power_kw)


def _lock(evse: Evse) -> Lock:
    """The lock holds while a transaction runs and while a part is stuck; without power it opens."""
    inputs = evse.inputs
    if evse.is_running and not evse.is_dark:
        return Lock.UNLOCKED if inputs.lock_stuck_open else Lock.LOCKED
    held = evse.lock is Lock.LOCKED and evse.car is not None
    return Lock.LOCKED if held and _must_hold(evse) else Lock.UNLOCKED


def _must_hold(evse: Evse) -> bool:
    """Whether the lock cannot or must not open: it is stuck, or the plug is still live."""
    if evse.inputs is NOMINAL:
        return False
    live = bool(evse.inputs.contactor_welded) and evse.has_power
    return live or bool(evse.inputs.lock_stuck_shut)


def _reads(evse: Evse) -> str:
    """The letter that the controller measures at the pilot; "" where the car gives it."""
    if evse.inputs is NOMINAL or evse.inputs.pilot_ohm is None:
        return ""
    return letter_of(volts_of(evse.inputs.pilot_ohm))


def _pilot(evse: Evse) -> Pilot:
    if evse.is_dark:
        return Pilot.E
    shown = {fault.kind.pilot for fault in evse.faults if fault.kind.stops}
    if "E" in shown:
        return Pilot.E
    if "F" in shown or not evse.is_operative:
        return Pilot.F
    if evse.car is None:
        return Pilot.A1
    measured = _reads(evse)
    if measured == "A":
        return Pilot.A1
    if evse.is_broken:
        refused = any(fault.kind is _INVALID_MODE for fault in evse.faults)
        return Pilot.D1 if refused else Pilot.B1
    if evse.session is None or evse.session.phase is not Phase.RUNNING:
        return Pilot.B1
    if measured == "B" or evse.car.is_done or evse.session.handshake_left_s > 0:
        return Pilot.B2
    closed = evse.offers_enough
    if measured == "D" or (evse.car.wants_ventilation and measured != "C"):
        return Pilot.D2 if closed and evse.spec.ventilated else Pilot.D1
    return Pilot.C2 if closed else Pilot.C1


def _power_kw(evse: Evse) -> float:
    car = evse.car
    if not evse.relay_closed or car is None:
        return 0.0
    power_kw = evse.offered_kw
    if evse.spec.supply is Supply.DC:
        power_kw = min(power_kw, car.battery.pack_v * DC_MAX_CURRENT_A / 1000)
    elif evse.phases_used < evse.spec.supply.phases:
        power_kw = evse.offered_a * sum(evse.phase_voltages_v[: evse.phases_used]) / 1000
    power_kw = min(power_kw, car.battery.accepted_kw / car.stored_share)
    return power_kw if evse.inputs is NOMINAL else max(power_kw + evse.offset_kw, 0.0)
