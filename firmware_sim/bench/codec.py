"""Simulated states as messages of the contract, and what a bench request may hold.

What can be named (faults, inputs) is in `catalogue.py`, what an accepted request does in
`service.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from firmware_sim.core.battery import Battery
from firmware_sim.core.evse import Car, Contactor, Evse, EvseSpec, Lock, Supply
from firmware_sim.core.inputs import INPUTS, NOMINAL
from firmware_sim.core.ocpp_faults import OcppFault
from firmware_sim.core.sensor_faults import SensorFault
from firmware_sim.core.status import ocpp_error, ocpp_status
from firmware_sim.core.wire import WireFault
from firmware_sim.errors import BadArgumentError
from pilewise.v1 import bench_service_pb2, types_pb2

DEFAULT_BATTERY_KWH = 60.0
DEFAULT_TARGET_SOC_PCT = 80.0
# An on-board charger loses about a tenth; a DC pile's meter counts what reaches the battery.
_AC_STORED_SHARE = 0.9
_MAX_BATTERY_KWH = 2000.0
_MAX_DURATION_S = 366 * 86400.0

_PILOT = {
    "A": types_pb2.IEC61851_STATE_A,
    "B": types_pb2.IEC61851_STATE_B,
    "C": types_pb2.IEC61851_STATE_C,
    "D": types_pb2.IEC61851_STATE_D,
    "E": types_pb2.IEC61851_STATE_E,
    "F": types_pb2.IEC61851_STATE_F,
}
_CONTACTOR = {
    Contactor.OPEN: bench_service_pb2.CONTACTOR_STATE_OPEN,
    Contactor.CLOSED: bench_service_pb2.CONTACTOR_STATE_CLOSED,
    Contactor.WELDED: bench_service_pb2.CONTACTOR_STATE_WELDED,
}
_STATUS = {
    "Available": types_pb2.OCPP_STATUS_AVAILABLE,
    "Preparing": types_pb2.OCPP_STATUS_PREPARING,
    "Charging": types_pb2.OCPP_STATUS_CHARGING,
    "SuspendedEVSE": types_pb2.OCPP_STATUS_SUSPENDED_EVSE,
    "SuspendedEV": types_pb2.OCPP_STATUS_SUSPENDED_EV,
    "Finishing": types_pb2.OCPP_STATUS_FINISHING,
    "Reserved": types_pb2.OCPP_STATUS_RESERVED,
    "Unavailable": types_pb2.OCPP_STATUS_UNAVAILABLE,
    "Faulted": types_pb2.OCPP_STATUS_FAULTED,
}


def state_message(
    evse: Evse, wire: WireFault | None, others: Sequence[OcppFault | SensorFault] = ()
) -> bench_service_pb2.SimulatedState:
    """The state of one EVSE as the contract says it; faults of its wire are listed as well."""
    faults = [fault.kind.name for fault in evse.faults]
    if wire is not None:
        faults.append(wire.name)
    faults += [fault.name for fault in others]
    error_code, vendor_error_code = ocpp_error(evse)
    return bench_service_pb2.SimulatedState(
        evse_id=evse.spec.evse_id,
        iec61851_state=_PILOT[evse.pilot.letter],
        ocpp_status=_STATUS[ocpp_status(evse)],
        power_kw=evse.power_kw,
        energy_kwh=evse.meter.total_wh / 1000,
        soc_pct=evse.car.battery.soc_pct if evse.car else None,
        bay_occupied=evse.bay_occupied,
        faults=faults,
        done=evse.car is not None and evse.car.is_done,
        duty_pct=evse.duty_pct,
        pilot_v=evse.pilot_v,
        contactor=_CONTACTOR[evse.contactor],
        locked=evse.lock is Lock.LOCKED,
        temperature_c=evse.temperature_c,
        cable_c=evse.cable_c,
        phases=[
            bench_service_pb2.PhaseValues(voltage_v=voltage_v, current_a=current_a)
            for voltage_v, current_a in zip(
                evse.phase_voltages_v, evse.phase_currents_a, strict=True
            )
        ],
        voltage_v=evse.voltage_v,
        current_a=evse.current_a,
        residual_ma=evse.residual_ma,
        isolation_kohm=evse.isolation_kohm if evse.spec.supply is Supply.DC else None,
        inputs=_unusual(evse),
        emergency_pressed=evse.emergency_pressed,
        dark=evse.is_dark,
        stage=evse.stage.value,
        output_v=evse.output_v,
        error_code=error_code,
        vendor_error_code=vendor_error_code,
        queue_length=evse.queue_length,
        operative=evse.is_operative,
    )


def _unusual(evse: Evse) -> dict[str, float]:
    if evse.inputs is NOMINAL:
        return {}
    values = {name: getattr(evse.inputs, name) for name in INPUTS}
    return {n: v for n, v in values.items() if v is not None and v != INPUTS[n].nominal}


def car_of(request: bench_service_pb2.PlugInRequest, spec: EvseSpec) -> Car:
    """The car that a request describes; raises BadArgumentError naming the field."""
    battery_kwh = _number("battery_kwh", request.battery_kwh, 0, _MAX_BATTERY_KWH)
    soc_pct = _number("soc_pct", request.soc_pct, 0, 100)
    target_soc_pct = _number("target_soc_pct", request.target_soc_pct, 0, 100)
    max_power_kw = _number("max_power_kw", request.max_power_kw, 0, 10_000)
    token_of("id_token", request.id_token)
    phases = round(_number("phases", request.phases, 0, 3))
    told_c = request.HasField("battery_temperature_c")
    battery_c = _number("battery_temperature_c", request.battery_temperature_c, -60, 90)
    return Car(
        battery=Battery(
            capacity_kwh=battery_kwh or DEFAULT_BATTERY_KWH,
            soc_pct=soc_pct,
            max_power_kw=max_power_kw or spec.max_power_kw,
            temperature_c=battery_c if told_c else None,
        ),
        target_soc_pct=target_soc_pct or DEFAULT_TARGET_SOC_PCT,
        stored_share=1.0 if spec.supply is Supply.DC else _AC_STORED_SHARE,
        wants_ventilation=request.wants_ventilation,
        phases=phases or 3,
    )


def token_of(field: str, token: str) -> str:
    """A driver's token; raises BadArgumentError beyond OCPP 1.6's 20 characters."""
    if len(token) > 20:
        raise BadArgumentError(field, f"at most 20 characters, not {len(token)}")
    return token


def duration_of(duration_s: float) -> float | None:
    """How long a fault stays, s; None for good. Raises BadArgumentError."""
    return _number("duration_s", duration_s, 0, _MAX_DURATION_S) or None


def ramp_of(over_s: float) -> float:
    """How long an input moves, s; raises BadArgumentError."""
    return _number("over_s", over_s, 0, _MAX_DURATION_S)


def look_of(look_every_s: float) -> float:
    """How often a change is looked for, s; 0 leaves it open. Raises BadArgumentError."""
    return _number("look_every_s", look_every_s, 0, _MAX_DURATION_S)


def stride_of(duration_s: float) -> float:
    """How far the clock moves, s; raises BadArgumentError."""
    return _number("duration_s", duration_s, 0, _MAX_DURATION_S)


def _number(field: str, value: float, low: float, high: float) -> float:
    if not (math.isfinite(value) and low <= value <= high):
        raise BadArgumentError(field, f"must be {low:g} to {high:g}, not {value:g}")
    return value
