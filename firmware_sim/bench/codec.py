"""Simulated states as messages of the contract, and what a bench request may hold.

What an accepted request does is in `service.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

from firmware_sim.core.battery import Battery
from firmware_sim.core.evse import Car, Evse, EvseSpec, Supply
from firmware_sim.core.faults import FAULTS, FaultKind, fault_named
from firmware_sim.core.ocpp_faults import KNOWN as OCPP_WORDS
from firmware_sim.core.ocpp_faults import PREFIX as OCPP_PREFIX
from firmware_sim.core.ocpp_faults import OcppFault, parse_ocpp_fault
from firmware_sim.core.status import ocpp_status
from firmware_sim.core.wire import EVERYWHERE, PREFIX, Kind, WireFault, parse_wire_fault
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
    evse: Evse, wire: WireFault | None, ocpp: Sequence[OcppFault] = ()
) -> bench_service_pb2.SimulatedState:
    """The state of one EVSE as the contract says it; faults of its wire are listed as well."""
    faults = [fault.kind.name for fault in evse.faults]
    if wire is not None:
        faults.append(wire.name)
    faults += [fault.name for fault in ocpp]
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
    )


def catalogue_message() -> bench_service_pb2.ListFaultsResponse:
    """Everything that `InjectFault` knows, as the contract says it."""
    return bench_service_pb2.ListFaultsResponse(
        faults=[
            bench_service_pb2.FaultFacts(
                name=kind.name,
                code=kind.code,
                ocpp_error=kind.ocpp_error,
                stops=kind.stops,
                power_left_pct=0.0 if kind.stops else kind.power_factor * 100,
            )
            for kind in FAULTS.values()
        ],
        wire_faults=[f"{PREFIX}{kind}" for kind in get_args(Kind)],
        ocpp_faults=[f"{OCPP_PREFIX}{word}" for word in OCPP_WORDS],
    )


def car_of(request: bench_service_pb2.PlugInRequest, spec: EvseSpec) -> Car:
    """The car that a request describes; raises BadArgumentError naming the field."""
    battery_kwh = _number("battery_kwh", request.battery_kwh, 0, _MAX_BATTERY_KWH)
    soc_pct = _number("soc_pct", request.soc_pct, 0, 100)
    target_soc_pct = _number("target_soc_pct", request.target_soc_pct, 0, 100)
    max_power_kw = _number("max_power_kw", request.max_power_kw, 0, 10_000)
    token_of("id_token", request.id_token)
    return Car(
        battery=Battery(
            capacity_kwh=battery_kwh or DEFAULT_BATTERY_KWH,
            soc_pct=soc_pct,
            max_power_kw=max_power_kw or spec.max_power_kw,
        ),
        target_soc_pct=target_soc_pct or DEFAULT_TARGET_SOC_PCT,
        stored_share=1.0 if spec.supply is Supply.DC else _AC_STORED_SHARE,
        wants_ventilation=request.wants_ventilation,
    )


def token_of(field: str, token: str) -> str:
    """A driver's token; raises BadArgumentError beyond OCPP 1.6's 20 characters."""
    if len(token) > 20:
        raise BadArgumentError(field, f"at most 20 characters, not {len(token)}")
    return token


def duration_of(duration_s: float) -> float | None:
    """How long a fault stays, s; None for good. Raises BadArgumentError."""
    return _number("duration_s", duration_s, 0, _MAX_DURATION_S) or None


def stride_of(duration_s: float) -> float:
    """How far the clock moves, s; raises BadArgumentError."""
    return _number("duration_s", duration_s, 0, _MAX_DURATION_S)


def fault_of(name: str) -> FaultKind:
    """The fault of the catalogue with that name, MREC name or code; raises BadArgumentError."""
    kind = fault_named(name)
    if kind is None:
        raise BadArgumentError("fault", f"unknown {name!r}; known are {', '.join(FAULTS)}")
    return kind


def wire_fault_of(name: str, duration_s: float | None, *, face: str) -> WireFault | None:
    """The wire fault that `name` asks for, None if it is no wire fault; may raise."""
    if not name.startswith(PREFIX):
        return None
    try:
        fault = parse_wire_fault(name, duration_s)
    except ValueError as error:
        raise BadArgumentError("fault", str(error)) from error
    narrowed = fault.registers is not None or fault.times is not None
    if (fault.kind not in EVERYWHERE or narrowed) and face != "modbus":
        raise BadArgumentError("fault", f"{fault.name} is a fault of Modbus piles")
    return fault


def ocpp_fault_of(name: str, duration_s: float | None, *, face: str) -> OcppFault | None:
    """The OCPP fault that `name` asks for, None if it is none; may raise BadArgumentError."""
    if not name.startswith(OCPP_PREFIX):
        return None
    try:
        fault = parse_ocpp_fault(name, duration_s)
    except ValueError as error:
        raise BadArgumentError("fault", str(error)) from error
    if face == "modbus":
        raise BadArgumentError("fault", f"{fault.name} is a fault of OCPP piles")
    return fault


def _number(field: str, value: float, low: float, high: float) -> float:
    if not (math.isfinite(value) and low <= value <= high):
        raise BadArgumentError(field, f"must be {low:g} to {high:g}, not {value:g}")
    return value
