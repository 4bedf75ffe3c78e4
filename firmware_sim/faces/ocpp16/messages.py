"""The state of a pile as OCPP 1.6 requests; who sends them and when is in `face.py`."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ocpp.v16 import call
from ocpp.v16.enums import (
    ChargePointErrorCode,
    ChargePointStatus,
    Measurand,
    Phase,
    ReadingContext,
    UnitOfMeasure,
)

from firmware_sim.core.evse import Evse, Supply
from firmware_sim.core.pile import Pile, PileSpec
from firmware_sim.core.status import MREC_VENDOR_ID, ocpp_error, ocpp_status

_NAMES = {
    "abb-terra-ac": ("ABB", "Terra AC"),
    "alpitronic-hypercharger": ("alpitronic", "Hypercharger"),
    "generic": ("Pilewise", "Simulated"),
}
_PHASES = (Phase.l1_n, Phase.l2_n, Phase.l3_n)


def boot_notification(spec: PileSpec) -> call.BootNotification:
    """Who the pile is; maker and model go with its register map."""
    vendor, model = _NAMES[spec.model]
    return call.BootNotification(
        charge_point_vendor=vendor,
        charge_point_model=model,
        charge_point_serial_number=spec.serial,
        firmware_version=spec.firmware or "1.8.21",
    )


def status_notification(
    connector_id: int, evse: Evse, at: str | None, habits: Container[str] = ()
) -> call.StatusNotification:
    """Status and worst fault of one connector; faults are named by MREC code."""
    error, code = ("NoError", "") if "faulted_no_error" in habits else ocpp_error(evse)
    fault = next((f for f in evse.faults if f.kind.code == code), None)
    return call.StatusNotification(
        connector_id=connector_id,
        error_code=ChargePointErrorCode(error),
        status=ChargePointStatus(shown_status(evse, habits)),
        timestamp=at,
        info=fault.kind.name if fault else None,
        vendor_id=MREC_VENDOR_ID if fault else None,
        vendor_error_code=code or None,
    )


def shown_status(evse: Evse, habits: Container[str]) -> str:
    """The status that this station shows."""
    status = ocpp_status(evse)
    hidden = status == "Reserved" and "reserve_unreported" in habits
    return "Available" if hidden else status


def station_status(pile: Pile, at: str | None) -> call.StatusNotification:
    """Connector 0: the pile as a whole, unavailable when all of its EVSEs are."""
    out = not any(evse.is_operative for evse in pile.evses)
    return call.StatusNotification(
        connector_id=0,
        error_code=ChargePointErrorCode.no_error,
        status=ChargePointStatus.unavailable if out else ChargePointStatus.available,
        timestamp=at,
    )


def meter_value(evse: Evse, at: str, context: ReadingContext) -> dict[str, Any]:
    """One sample: energy register, power, current and voltage per phase, charge on DC.

    Only a DC pile talks to the car's battery, so only it knows the state of charge.
    """
    samples = [
        _sample(
            Measurand.energy_active_import_register, int(evse.meter.total_wh), UnitOfMeasure.wh
        ),
        _sample(Measurand.power_active_import, round(evse.power_kw * 1000), UnitOfMeasure.w),
    ]
    current, voltage = f"{evse.current_a:.2f}", f"{evse.voltage_v:.1f}"
    if evse.spec.supply is Supply.DC:
        samples.append(_sample(Measurand.current_import, current, UnitOfMeasure.a))
        samples.append(_sample(Measurand.voltage, voltage, UnitOfMeasure.v))
        if evse.car is not None:
            soc = f"{evse.car.battery.soc_pct:.1f}"
            samples.append(_sample(Measurand.soc, soc, UnitOfMeasure.percent))
    for phase in _PHASES[: evse.spec.supply.phases]:
        samples.append(_sample(Measurand.current_import, current, UnitOfMeasure.a, phase))
        samples.append(_sample(Measurand.voltage, voltage, UnitOfMeasure.v, phase))
    for sample in samples:
        sample["context"] = context
    return {"timestamp": at, "sampled_value": samples}


def _sample(
    measurand: Measurand, value: int | str, unit: UnitOfMeasure, phase: Phase | None = None
) -> dict[str, Any]:
    sample: dict[str, Any] = {"value": str(value), "measurand": measurand, "unit": unit}
    return sample if phase is None else {**sample, "phase": phase}
