"""The state of a pile as OCPP 2.0.1 requests; who sends them and when is in `sender.py`.

Nested objects are plain dictionaries with snake case keys, as the `ocpp` package takes them.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ocpp.v201 import call

from firmware_sim.core.evse import Evse, Supply
from firmware_sim.core.faults import FaultKind
from firmware_sim.core.pile import PileSpec
from firmware_sim.core.status import connector_status
from firmware_sim.faces.ocpp_names import maker_of

_PHASES = ("L1-N", "L2-N", "L3-N")
_ENERGY = "Energy.Active.Import.Register"
ALL: Container[str] = {_ENERGY, "Power.Active.Import", "Current.Import", "Voltage", "SoC"}


def boot_notification(spec: PileSpec, reason: str) -> Any:
    """Who the pile is; maker and model go with its register map."""
    vendor, model = maker_of(spec.model)
    station: Any = {
        "vendor_name": vendor,
        "model": model,
        "serial_number": spec.serial,
        "firmware_version": spec.firmware or "1.8.21",
    }
    return call.BootNotification(charging_station=station, reason=word(reason))


def shown_status(evse: Evse, habits: Container[str]) -> str:
    """The ConnectorStatus that this station shows."""
    status = connector_status(evse)
    hidden = status == "Reserved" and "reserve_unreported" in habits
    return "Available" if hidden else status


def status_notification(number: int, status: str, at: str) -> Any:
    """The status of the one connector of an EVSE; EVSE 0 stands for the station."""
    return call.StatusNotification(
        timestamp=at,
        connector_status=word(status),
        evse_id=number,
        connector_id=1 if number else 0,
    )


def event_data(event_id: int, number: int, fault: FaultKind, at: str, *, cleared: bool) -> Any:
    """One fault as it begins or ends, named by component and by MREC code."""
    return {
        "event_id": event_id,
        "timestamp": at,
        "trigger": "Alerting",
        "actual_value": "false" if cleared else "true",
        "cleared": cleared,
        "event_notification_type": "HardWiredMonitor",
        "tech_code": fault.code,
        "tech_info": fault.name,
        "component": {"name": fault.component, "evse": {"id": number}},
        "variable": {"name": "Problem"},
    }


def meter_value(
    evse: Evse, at: str, context: str, wanted: Container[str] = ALL, habits: Container[str] = ()
) -> Any:
    """One sample of the measurands that are wanted: per phase on AC, with the charge on DC."""
    samples = [
        _sample(int(evse.meter.total_wh), _ENERGY, {"unit": "Wh"}),
        # Kilowatts as watts with a multiplier, as 2.0.1 allows.
        _sample(round(evse.power_kw, 3), "Power.Active.Import", {"unit": "W", "multiplier": 3}),
    ]
    amps, volts = {"unit": "A"}, {"unit": "V"}
    if evse.spec.supply is Supply.DC:
        samples.append(_sample(round(evse.current_a, 2), "Current.Import", amps))
        samples.append(_sample(round(evse.voltage_v, 1), "Voltage", volts))
        if evse.car is not None:
            soc = round(evse.car.battery.soc_pct, 1)
            samples.append({**_sample(soc, "SoC", {"unit": "Percent"}), "location": "EV"})
    wired = zip(evse.phase_currents_a, evse.phase_voltages_v, strict=True)
    for phase, (current_a, voltage_v) in zip(_PHASES, wired, strict=False):
        current = _sample(round(current_a, 2), "Current.Import", amps)
        samples.append({**current, "phase": phase})
        samples.append({**_sample(round(voltage_v, 1), "Voltage", volts), "phase": phase})
    kept = [s for s in samples if s["measurand"] in wanted] or samples[:1]
    return {"timestamp": at, "sampled_value": [_as_told(s, context, habits) for s in kept]}


def signed_value(energy_wh: float, at: str, context: str, sealed: dict[str, str]) -> Any:
    """The energy register with the signature of the meter."""
    sample = {
        **_sample(int(energy_wh), _ENERGY, {"unit": "Wh"}),
        "context": context,
        "signed_meter_value": sealed,
    }
    return {"timestamp": at, "sampled_value": [sample]}


def id_token(token: str, free_token: str) -> dict[str, str]:
    """A driver's token; free vending shows none."""
    if token in ("", free_token):
        return {"id_token": "", "type": "NoAuthorization"}
    return {"id_token": token, "type": "Central"}


def word(text: str) -> Any:
    """A word of the standard; the package asks for its enum and takes the text as well."""
    return text


def _sample(value: float, measurand: str, unit: dict[str, Any]) -> dict[str, Any]:
    return {"value": value, "measurand": measurand, "unit_of_measure": unit}


def _as_told(sample: dict[str, Any], context: str, habits: Container[str]) -> dict[str, Any]:
    told = {**sample, "context": context}
    if "no_unit" in habits:
        del told["unit_of_measure"]
        if sample["unit_of_measure"].get("multiplier"):
            told["value"] = round(told["value"] * 1000)
    if "comma" in habits:
        told["value"] = f"{told['value']:.1f}".replace(".", ",")
    if "unknown_measurand" in habits and told["measurand"] == _ENERGY:
        told["measurand"] = "Energy.Total.Delivered"
    return told
