"""What a bench request may name: faults of parts, of wires, of OCPP, and inputs.

States and the other arguments of a request are in `codec.py`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import get_args

from firmware_sim.core.faults import FAULTS, FaultKind, fault_named
from firmware_sim.core.inputs import INPUTS
from firmware_sim.core.ocpp_faults import KNOWN as OCPP_WORDS
from firmware_sim.core.ocpp_faults import PREFIX as OCPP_PREFIX
from firmware_sim.core.ocpp_faults import OcppFault, parse_ocpp_fault
from firmware_sim.core.sensor_faults import PREFIX as SENSOR_PREFIX
from firmware_sim.core.sensor_faults import SensorFault, parse_sensor_fault
from firmware_sim.core.wire import EVERYWHERE, PREFIX, Kind, WireFault, parse_wire_fault
from firmware_sim.errors import BadArgumentError
from pilewise.v1 import bench_service_pb2


def catalogue_message() -> bench_service_pb2.ListFaultsResponse:
    """Everything that `InjectFault` and `SetInput` know, as the contract says it."""
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
        inputs=[
            bench_service_pb2.InputFacts(
                name=kind.name,
                unit=kind.unit,
                lowest_value=kind.low,
                highest_value=kind.high,
                nominal_value=kind.nominal,
                meaning=kind.meaning,
            )
            for kind in INPUTS.values()
        ],
    )


def fault_of(name: str) -> FaultKind:
    """The fault of the catalogue with that name, MREC name or code; raises BadArgumentError."""
    kind = fault_named(name)
    if kind is None:
        near = get_close_matches(name, FAULTS, 1)
        nearest = f"; the nearest is {near[0]}" if near else ""
        raise BadArgumentError("fault", f"unknown {name!r}{nearest}; known are {', '.join(FAULTS)}")
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


def sensor_fault_of(name: str, duration_s: float | None) -> SensorFault | None:
    """The bad habit of sensors that `name` asks for, None if it is none; may raise."""
    if not name.startswith(SENSOR_PREFIX):
        return None
    try:
        return parse_sensor_fault(name, duration_s)
    except ValueError as error:
        raise BadArgumentError("fault", str(error)) from error
