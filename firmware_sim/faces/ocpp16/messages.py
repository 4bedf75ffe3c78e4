"""The state of a pile as OCPP 1.6 requests; who sends them and when is in `sender.py`."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ocpp.v16 import call
from ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus, Measurand, ReadingContext

from firmware_sim.core.evse import Evse, Supply
from firmware_sim.core.pile import Pile, PileSpec
from firmware_sim.core.status import MREC_VENDOR_ID, ocpp_error, ocpp_status
from firmware_sim.faces.ocpp_names import maker_of

_PHASES = ("L1-N", "L2-N", "L3-N")
_ENERGY = Measurand.energy_active_import_register
ALL: Container[str] = {
    _ENERGY,
    Measurand.power_active_import,
    Measurand.current_import,
    Measurand.voltage,
    Measurand.soc,
}


def boot_notification(spec: PileSpec) -> call.BootNotification:
    """Who the pile is; maker and model go with its register map."""
    vendor, model = maker_of(spec.model)
    return call.BootNotification(
        charge_point_vendor=vendor,
        charge_point_model=model,
        charge_point_serial_number=spec.serial,
        firmware_version=spec.firmware or "1.8.21",
    )


def status_notification(
    connector_id: int,
    evse: Evse,
    at: str | None,
    habits: Container[str] = (),
    status: str | None = None,
) -> call.StatusNotification:
    """Status (its own unless told) and worst fault of a connector, named by MREC code."""
    error, code = ("NoError", "") if "faulted_no_error" in habits else ocpp_error(evse)
    fault = next((f for f in evse.faults if f.kind.code == code), None)
    return call.StatusNotification(
        connector_id=connector_id,
        error_code=ChargePointErrorCode(error),
        status=ChargePointStatus(status or shown_status(evse, habits)),
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


def meter_value(
    evse: Evse,
    at: str,
    context: ReadingContext,
    wanted: Container[str] = ALL,
    habits: Container[str] = (),
) -> dict[str, Any]:
    """One sample of the measurands that are wanted: per phase on AC, with the charge on DC.

    Only a DC pile talks to the car's battery, so only it knows the state of charge.
    """
    samples = [
        _sample(_ENERGY, str(int(evse.meter.total_wh)), "Wh"),
        _sample(Measurand.power_active_import, str(round(evse.power_kw * 1000)), "W"),
    ]
    if evse.spec.supply is Supply.DC:
        samples.append(_sample(Measurand.current_import, f"{evse.current_a:.2f}", "A"))
        samples.append(_sample(Measurand.voltage, f"{evse.voltage_v:.1f}", "V"))
        if evse.car is not None:
            soc = f"{evse.car.battery.soc_pct:.1f}"
            samples.append(_sample(Measurand.soc, soc, "Percent"))
    wired = zip(evse.phase_currents_a, evse.phase_voltages_v, strict=True)
    for phase, (current_a, voltage_v) in zip(_PHASES, wired, strict=False):
        samples.append(_sample(Measurand.current_import, f"{current_a:.2f}", "A", phase))
        samples.append(_sample(Measurand.voltage, f"{voltage_v:.1f}", "V", phase))
    kept = [s for s in samples if s["measurand"] in wanted] or samples[:1]
    return {"timestamp": at, "sampled_value": [_as_told(s, context, habits) for s in kept]}


def signed_value(ocmf: str, at: str, context: ReadingContext) -> dict[str, Any]:
    """The energy register as the meter signed it."""
    sample = {
        "value": ocmf,
        "context": context,
        "format": "SignedData",
        "measurand": _ENERGY,
    }
    return {"timestamp": at, "sampled_value": [sample]}


def _sample(measurand: str, value: str, unit: str, phase: str | None = None) -> dict[str, Any]:
    sample: dict[str, Any] = {"value": value, "measurand": measurand, "unit": unit}
    return sample if phase is None else {**sample, "phase": phase}


def _as_told(
    sample: dict[str, Any], context: ReadingContext, habits: Container[str]
) -> dict[str, Any]:
    told = {**sample, "context": context}
    if "no_unit" in habits:
        del told["unit"]
    if "comma" in habits:
        told["value"] = told["value"].replace(".", ",")
        if "," not in told["value"]:
            told["value"] += ",0"
    if "unknown_measurand" in habits and told["measurand"] == _ENERGY:
        told["measurand"] = "Energy.Total.Delivered"
    return told
