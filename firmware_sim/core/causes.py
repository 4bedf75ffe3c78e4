"""Which faults arise from an EVSE's inputs and state, after how long, and when they end again.

What a fault then does is in `faults.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from firmware_sim.core.evse import DC_MAX_CURRENT_A, Brewing, Contactor, Evse, Lock, Stage, Supply
from firmware_sim.core.faults import FAULTS, ActiveFault
from firmware_sim.core.inputs import NOMINAL
from firmware_sim.core.pilot import cable_of, letter_of, volts_of
from firmware_sim.core.thermal import (
    BOARD_BACK_C,
    BOARD_STOP_C,
    CABLE_BACK_C,
    CABLE_DERATE_C,
    CABLE_STOP_C,
    is_warm,
)

# Seconds until it trips, 0 for at once, None where there is no cause. The flag says that the fault
# is present, so that it can hold on to a lower threshold.
Delay = Callable[[Evse, bool], float | None]

# +15 % and -20 % of 230 V trip, back inside +-10 % (EN 50160) is well again.
_HIGH_V, _HIGH_BACK_V, _LOW_V, _LOW_BACK_V = 264.5, 253.0, 184.0, 207.0
_VOLTAGE_S = 1.0
# A tenth more than offered, and half an ampere for the meter's noise, for as long as cars may take.
_OVER_SHARE, _NOISE_A, _OVER_S = 1.1, 0.5, 7.0
_FAR_OVER_SHARE, _FAR_OVER_S = 1.5, 1.0
# IEC 61008-1 for alternating, IEC 62955 for smooth direct current: mA and longest time, s.
_AC_TRIPS: Final = ((150.0, 0.04), (60.0, 0.15), (30.0, 0.3))
_DC_TRIPS: Final = ((200.0, 0.1), (60.0, 0.3), (6.0, 10.0))
_EARTH_OHM = 300.0
# IEC 61851-23: 100 Ohm for each volt.
_ISOLATION_KOHM_PER_V = 0.1
_CABLE_CHECK_S, _ISOLATION_S = 2.0, 5.0
# IEC 61851-23: the output is within 5 % of the pack's voltage before the contactor closes.
_PRECHARGE_PCT, _PRECHARGE_S = 5.0, 5.0
_TOUCHABLE_V, _TOUCHABLE_S = 60.0, 1.0
_FULLY_IN_PCT = 95.0
_SLACK_C = 1e-6


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a fault arises by itself."""

    name: str
    when: str
    delay_s: Delay


def arisen(evse: Evse) -> Evse:
    """The EVSE with the faults that its state brings or ends; the same object if none."""
    if _is_quiet(evse):
        return evse
    present = {fault.kind.name: fault for fault in evse.faults}
    brewing = {one.name: one for one in evse.brewing}
    faults = dict(present)
    for cause in CAUSES:
        fault = present.get(cause.name)
        if fault is not None and not fault.arose:
            brewing.pop(cause.name, None)
            continue
        delay_s = cause.delay_s(evse, fault is not None)
        if fault is not None:
            _hold_or_end(faults, fault, delay_s is not None, plugged=evse.car is not None)
        elif delay_s is None:
            brewing.pop(cause.name, None)
        elif delay_s == 0 or _is_due(brewing.get(cause.name)):
            brewing.pop(cause.name, None)
            faults[cause.name] = ActiveFault(FAULTS[cause.name], None, arose=True)
        else:
            brewing.setdefault(cause.name, Brewing(cause.name, 0.0))
    changed = tuple(faults.values()), tuple(brewing.values())
    if changed == (evse.faults, evse.brewing):
        return evse
    return replace(evse, faults=changed[0], brewing=changed[1])


def tripping_s(evse: Evse, name: str) -> float:
    """Seconds that a fault on its way takes from its beginning to its trip."""
    return _DELAYS[name](evse, False) or 0.0


def _is_quiet(evse: Evse) -> bool:
    """Whether nothing could arise or end: the usual case, which must cost next to nothing."""
    if evse.is_dark:
        return True
    if evse.inputs is not NOMINAL or evse.brewing or evse.emergency_pressed:
        return False
    return not is_warm(evse) and not any(fault.arose for fault in evse.faults)


def _is_due(one: Brewing | None) -> bool:
    return one is not None and one.share >= 1 - 1e-9


def _hold_or_end(
    faults: dict[str, ActiveFault], fault: ActiveFault, caused: bool, *, plugged: bool
) -> None:
    kind = fault.kind
    if caused:
        faults[kind.name] = replace(fault, remaining_s=None) if fault.remaining_s else fault
    elif (kind.reset, plugged) == ("unplug", False) or (
        kind.reset == "self" and kind.clears_after_s == 0
    ):
        del faults[kind.name]
    elif kind.reset == "self" and fault.remaining_s is None:
        faults[kind.name] = replace(fault, remaining_s=kind.clears_after_s)


def _mains_v(evse: Evse) -> tuple[float, ...]:
    inputs = evse.inputs
    if evse.spec.supply is not Supply.DC:
        return evse.phase_voltages_v
    return inputs.mains_l1_v, inputs.mains_l2_v, inputs.mains_l3_v


def _over_voltage(evse: Evse, active: bool) -> float | None:
    return _VOLTAGE_S if max(_mains_v(evse)) > (_HIGH_BACK_V if active else _HIGH_V) else None


def _under_voltage(evse: Evse, active: bool) -> float | None:
    return _VOLTAGE_S if min(_mains_v(evse)) < (_LOW_BACK_V if active else _LOW_V) else None


def _over_current(evse: Evse, active: bool) -> float | None:
    if not evse.relay_closed:
        return None
    if evse.spec.supply is Supply.DC:
        allowed_a = min(evse.offered_kw * 1000 / max(evse.voltage_v, 1.0), DC_MAX_CURRENT_A)
        current_a = evse.current_a
    else:
        allowed_a, current_a = evse.offered_a, max(evse.phase_currents_a)
    if current_a > allowed_a * _FAR_OVER_SHARE + _NOISE_A:
        return _FAR_OVER_S
    return _OVER_S if current_a > allowed_a * _OVER_SHARE + _NOISE_A else None


def _ground(evse: Evse, active: bool) -> float | None:
    inputs, session = evse.inputs, evse.session
    testing = evse.is_running and session is not None and session.handshake_left_s > 0
    if testing and (not inputs.rcd_test_passes or inputs.earth_ohm > _EARTH_OHM):
        return 0.0
    if not evse.relay_closed:
        return None
    trips = [s for ma, s in _AC_TRIPS if inputs.residual_ac_ma >= ma]
    trips += [s for ma, s in _DC_TRIPS if inputs.residual_dc_ma >= ma]
    if inputs.earth_ohm > _EARTH_OHM:
        trips.append(_AC_TRIPS[-1][1])
    return min(trips, default=None)


def _is_isolated(evse: Evse) -> bool:
    volts = evse.car.battery.pack_v if evse.car is not None else 0.0
    return evse.inputs.isolation_kohm >= volts * _ISOLATION_KOHM_PER_V


def _cable_check(evse: Evse, active: bool) -> float | None:
    checking = evse.stage is Stage.CABLE_CHECK
    return _CABLE_CHECK_S if checking and not _is_isolated(evse) else None


def _precharge(evse: Evse, active: bool) -> float | None:
    within = abs(evse.inputs.precharge_reach_pct - 100) <= _PRECHARGE_PCT
    return _PRECHARGE_S if evse.stage is Stage.PRECHARGE and not within else None


def _resistance(evse: Evse, active: bool) -> float | None:
    flowing = evse.spec.supply is Supply.DC and evse.relay_closed
    return _ISOLATION_S if flowing and not _is_isolated(evse) else None


def _lock(evse: Evse, active: bool) -> float | None:
    locked = evse.lock is Lock.LOCKED
    if evse.is_running:
        return None if locked else 0.0
    return 0.0 if locked and evse.inputs.lock_stuck_shut else None


def _contactor(evse: Evse, active: bool) -> float | None:
    agrees = evse.relay_closed == (evse.contactor is Contactor.CLOSED)
    return None if agrees and evse.contactor is not Contactor.WELDED else 0.0


def _pilot(evse: Evse, active: bool) -> float | None:
    ohm = evse.inputs.pilot_ohm
    if ohm is not None and letter_of(volts_of(ohm)) == "E":
        return 0.0
    # Without modulation there is no negative half wave that could tell of a missing diode.
    seen = evse.car is not None and (active or evse.pilot.is_modulated)
    return 0.0 if seen and not evse.inputs.pilot_diode else None


def _proximity(evse: Evse, active: bool) -> float | None:
    ohm = evse.inputs.proximity_ohm
    wrong = ohm is not None and not cable_of(ohm)
    return 0.0 if wrong and evse.car is not None else None


def _connector_voltage(evse: Evse, active: bool) -> float | None:
    open_ = not evse.relay_closed
    return _TOUCHABLE_S if open_ and evse.inputs.connector_v > _TOUCHABLE_V else None


def _at_once(holds: Callable[[Evse, bool], bool]) -> Delay:
    return lambda evse, active: 0.0 if holds(evse, active) else None


def _above(node: str, trip_c: float, back_c: float) -> Delay:
    return _at_once(
        lambda evse, active: (
            getattr(evse, node) > back_c + _SLACK_C
            if active
            else getattr(evse, node) >= trip_c - _SLACK_C
        )
    )


CAUSES: Final = (
    Cause(
        "ConnectorLockFailure", "a transaction runs unlocked, or it does not unlock after", _lock
    ),
    Cause("GroundFailure", "30 mA AC, 6 mA DC, no earth, or a failed self-test", _ground),
    Cause(
        "HighTemperature",
        f"cabinet at {BOARD_STOP_C:g} C, until {BOARD_BACK_C:g} C",
        _above("temperature_c", BOARD_STOP_C, BOARD_BACK_C),
    ),
    Cause("OverCurrentFailure", "10 % above the offer for 7 s, 50 % for 1 s", _over_current),
    Cause("OverVoltage", "a phase above 264.5 V for 1 s, until 253 V", _over_voltage),
    Cause("UnderVoltage", "a phase below 184 V for 1 s, until 207 V", _under_voltage),
    Cause("EmergencyStop", "pressed, until released", _at_once(lambda e, _: e.emergency_pressed)),
    Cause("CableCheckFault", "below 100 Ohm/V while checked before closing", _cable_check),
    Cause("PrechargeFault", "more than 5 % off the pack's voltage for 5 s", _precharge),
    Cause("PilotFault", "no letter's voltage, or no diode", _pilot),
    Cause("EVSEContactorFault", "mirror contact against the coil", _contactor),
    Cause(
        "CableOverTempDerate",
        f"cable at {CABLE_DERATE_C:g} C, until {CABLE_BACK_C:g} C",
        _above("cable_c", CABLE_DERATE_C, CABLE_BACK_C),
    ),
    Cause(
        "CableOverTempStop",
        f"cable at {CABLE_STOP_C:g} C, until {CABLE_BACK_C:g} C",
        _above("cable_c", CABLE_STOP_C, CABLE_BACK_C),
    ),
    Cause(
        "PartialInsertion",
        "a plug that is in to less than 95 %",
        _at_once(lambda e, _: e.car is not None and e.inputs.plug_inserted_pct < _FULLY_IN_PCT),
    ),
    Cause("ResistanceFault", "below 100 Ohm/V for 5 s while energy flows", _resistance),
    Cause("ProximityFault", "none of the four cables", _proximity),
    Cause("ConnectorVoltageHigh", "over 60 V for 1 s with the contactor open", _connector_voltage),
    Cause(
        "BrokenLatch",
        "the plug's latch does not snap in",
        _at_once(lambda e, _: e.car is not None and not e.inputs.latch_closes),
    ),
    Cause("CutCable", "the cable is cut", _at_once(lambda e, _: not e.inputs.cable_whole)),
)

_DELAYS: Final = {cause.name: cause.delay_s for cause in CAUSES}
