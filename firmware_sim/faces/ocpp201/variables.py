"""The variables of the device model that the station has, and which values they take (2.0.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firmware_sim.config_tables import OcppPileTable
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.ocpp_names import maker_of
from firmware_sim.faces.ocpp_power import MAX_PERIODS, MAX_PROFILES, MAX_STACK_LEVEL
from firmware_sim.faces.ocpp_settings import Setting, Settings

_MEASURANDS = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC"
_POINTS = frozenset({"EVConnected", "Authorized", "PowerPathClosed"})
_CHECKED = ("OCPPCommCtrlr.NetworkConfigurationPriority", "SecurityCtrlr.BasicAuthPassword")


def variables_201(spec: PileSpec, *, sample_s: float, own: OcppPileTable) -> Settings:
    """The variables as `Component.Variable` with their defaults."""

    def words(value: str, known: str) -> Setting:
        return Setting(value, "list", takes=_any_of(frozenset(known.split(","))))

    table = {
        "OCPPCommCtrlr.HeartbeatInterval": Setting("300", "seconds"),
        "OCPPCommCtrlr.WebSocketPingInterval": Setting("20", "seconds"),
        "OCPPCommCtrlr.MessageAttempts": Setting("3", "count"),
        "OCPPCommCtrlr.MessageAttemptInterval": Setting("1", "seconds"),
        "OCPPCommCtrlr.NetworkConfigurationPriority": Setting("0", reboot=True),
        "SampledDataCtrlr.TxUpdatedInterval": Setting(f"{sample_s:g}", "seconds"),
        "SampledDataCtrlr.TxStartedMeasurands": words(_MEASURANDS, _MEASURANDS),
        "SampledDataCtrlr.TxUpdatedMeasurands": words(_MEASURANDS, _MEASURANDS),
        "SampledDataCtrlr.TxEndedMeasurands": words(_MEASURANDS, _MEASURANDS),
        "SampledDataCtrlr.SignReadings": Setting(str(own.signed_meter).lower(), "bool", fixed=True),
        "AlignedDataCtrlr.Interval": Setting("0", "seconds"),
        "AlignedDataCtrlr.Measurands": words(_MEASURANDS, _MEASURANDS),
        "AuthCtrlr.OfflineTxForUnknownIdEnabled": Setting("true", "bool"),
        "AuthCtrlr.LocalAuthorizeOffline": Setting("true", "bool"),
        "AuthCtrlr.LocalPreAuthorize": Setting("false", "bool"),
        "AuthCtrlr.AuthorizeRemoteStart": Setting("false", "bool"),
        "AuthCacheCtrlr.Enabled": Setting("true", "bool"),
        "LocalAuthListCtrlr.Enabled": Setting("true", "bool"),
        "TxCtrlr.EVConnectionTimeOut": Setting("180", "seconds"),
        "TxCtrlr.StopTxOnInvalidId": Setting("true", "bool"),
        "TxCtrlr.TxStartPoint": Setting("PowerPathClosed", "list", takes=_any_of(_POINTS)),
        "TxCtrlr.TxStopPoint": Setting("PowerPathClosed", "list", takes=_any_of(_POINTS)),
        "ReservationCtrlr.Enabled": Setting("true", "bool"),
        "ReservationCtrlr.NonEvseSpecific": Setting("true", "bool"),
        "SecurityCtrlr.BasicAuthPassword": Setting(
            "", secret=True, takes=lambda key: 16 <= len(key) <= 40
        ),
        "SecurityCtrlr.OrganizationName": Setting("Pilewise"),
        **_facts(spec),
    }
    return Settings(table, own.settings, own.fixed)


def _facts(spec: PileSpec) -> dict[str, Setting]:
    """What cannot be changed."""
    vendor, model = maker_of(spec.model)
    values = {
        "SmartChargingCtrlr.Enabled": "true",
        "SmartChargingCtrlr.ProfileStackLevel": str(MAX_STACK_LEVEL),
        "SmartChargingCtrlr.PeriodsPerSchedule": str(MAX_PERIODS),
        "SmartChargingCtrlr.Entries": str(MAX_PROFILES),
        "SmartChargingCtrlr.RateUnit": "W,A",
        "ChargingStation.AvailabilityState": "Available",
        "ChargingStation.Model": model,
        "ChargingStation.VendorName": vendor,
        "ClockCtrlr.TimeSource": "Heartbeat",
        "SecurityCtrlr.SecurityProfile": "0",
        "TxCtrlr.StopTxOnEVSideDisconnect": "true",
        "LocalAuthListCtrlr.ItemsPerMessage": "100",
    }
    return {name: Setting(value, fixed=True) for name, value in values.items()}


class DeviceModel:
    """GetVariables, SetVariables and the reports, over a table of settings.

    `on_write` sees a value that was taken and may still refuse it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.on_write: Callable[[str, str], bool] = lambda name, value: True

    def read(self, wish: dict[str, Any]) -> dict[str, Any]:
        """One getVariableResult."""
        place = {"component": wish["component"], "variable": wish["variable"]}
        setting = self.settings.table.get(_name(wish))
        if setting is None:
            return {"attribute_status": self._unknown(wish), **place}
        if str(wish.get("attribute_type", "Actual")) != "Actual":
            return {"attribute_status": "NotSupportedAttributeType", **place}
        if setting.secret:
            return {"attribute_status": "Rejected", **place}
        return {"attribute_status": "Accepted", "attribute_value": setting.value, **place}

    def write(self, wish: dict[str, Any]) -> dict[str, Any]:
        """One setVariableResult: accepted, rejected (fixed or nonsense) or unknown."""
        place = {"component": wish["component"], "variable": wish["variable"]}
        name, value = _name(wish), wish["attribute_value"]
        if name not in self.settings.table:
            return {"attribute_status": self._unknown(wish), **place}
        if str(wish.get("attribute_type", "Actual")) != "Actual":
            return {"attribute_status": "NotSupportedAttributeType", **place}
        if name in _CHECKED and not self.on_write(name, value):
            return {"attribute_status": "Rejected", **place}
        return {"attribute_status": self.settings.write(name, value), **place}

    def report(self, names: set[str] | None = None) -> list[dict[str, Any]]:
        """The reportData of these variables (None: of all)."""
        return [
            _reported(name, setting)
            for name, setting in self.settings.table.items()
            if names is None or name in names or name.partition(".")[0] in names
        ]

    def _unknown(self, wish: dict[str, Any]) -> str:
        components = {name.partition(".")[0] for name in self.settings.table}
        known = wish["component"]["name"] in components
        return "UnknownVariable" if known else "UnknownComponent"


def _reported(name: str, setting: Setting) -> dict[str, Any]:
    component, _, variable = name.partition(".")
    mutability = "ReadOnly" if setting.fixed else "ReadWrite"
    attribute: dict[str, Any] = {"mutability": "WriteOnly" if setting.secret else mutability}
    if not setting.secret:
        attribute["value"] = setting.value
    return {
        "component": {"name": component},
        "variable": {"name": variable},
        "variable_attribute": [attribute],
    }


def _any_of(known: frozenset[str]) -> Callable[[str], bool]:
    return lambda value: {word.strip() for word in value.split(",") if word.strip()} <= known


def _name(wish: dict[str, Any]) -> str:
    return f"{wish['component']['name']}.{wish['variable']['name']}"
