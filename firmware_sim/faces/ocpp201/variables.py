"""The variables of the device model that the station has, and which values it takes."""

from __future__ import annotations

from typing import Any

_FIXED = {
    "ChargingStation.AvailabilityState": "Available",
    "ReservationCtrlr.Enabled": "true",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
    "SampledDataCtrlr.TxUpdatedMeasurands": "Energy.Active.Import.Register,Power.Active.Import,"
    "Current.Import,Voltage,SoC",
}
_SECONDS = {
    "OCPPCommCtrlr.HeartbeatInterval": "heartbeat_s",
    "SampledDataCtrlr.TxUpdatedInterval": "sample_s",
    "AlignedDataCtrlr.Interval": "aligned_s",
}


class Variables:
    """GetVariables and SetVariables; intervals are real seconds, 0 switches off."""

    def __init__(self, *, sample_s: float) -> None:
        self.heartbeat_s = 300.0
        self.sample_s = sample_s
        self.aligned_s = 0.0

    def values(self) -> dict[str, str]:
        """Every variable as `Component.Variable` with its actual value."""
        seconds = {name: f"{getattr(self, field):.0f}" for name, field in _SECONDS.items()}
        return {**_FIXED, **seconds}

    def read(self, wish: dict[str, Any]) -> dict[str, Any]:
        """One getVariableResult."""
        values, name = self.values(), _name(wish)
        place = {"component": wish["component"], "variable": wish["variable"]}
        if name in values:
            return {"attribute_status": "Accepted", "attribute_value": values[name], **place}
        return {"attribute_status": self._unknown(wish), **place}

    def write(self, wish: dict[str, Any]) -> dict[str, Any]:
        """One setVariableResult: accepted, rejected (fixed or nonsense) or unknown."""
        place = {"component": wish["component"], "variable": wish["variable"]}
        name, value = _name(wish), wish["attribute_value"]
        if name not in self.values():
            return {"attribute_status": self._unknown(wish), **place}
        if name in _FIXED or not value.isdecimal() or int(value) > 86400:
            return {"attribute_status": "Rejected", **place}
        setattr(self, _SECONDS[name], float(value))
        return {"attribute_status": "Accepted", **place}

    def report(self) -> list[dict[str, Any]]:
        """The reportData of a base report."""
        entries = []
        for name, value in self.values().items():
            component, _, variable = name.partition(".")
            attribute = {
                "value": value,
                "mutability": "ReadOnly" if name in _FIXED else "ReadWrite",
            }
            entries.append(
                {
                    "component": {"name": component},
                    "variable": {"name": variable},
                    "variable_attribute": [attribute],
                }
            )
        return entries

    def _unknown(self, wish: dict[str, Any]) -> str:
        components = {name.partition(".")[0] for name in self.values()}
        known = wish["component"]["name"] in components
        return "UnknownVariable" if known else "UnknownComponent"


def _name(wish: dict[str, Any]) -> str:
    return f"{wish['component']['name']}.{wish['variable']['name']}"
