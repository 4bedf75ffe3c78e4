"""The configuration keys that the charge point has, and which values it takes."""

from __future__ import annotations

from ocpp.v16.datatypes import KeyValue
from ocpp.v16.enums import ConfigurationStatus

_SECONDS = ("HeartbeatInterval", "MeterValueSampleInterval")


class Settings:
    """GetConfiguration and ChangeConfiguration; intervals are real seconds, 0 switches off."""

    def __init__(self, *, sample_s: float, connectors: int) -> None:
        self.heartbeat_s = 300.0
        self.sample_s = sample_s
        self._fixed = {
            "NumberOfConnectors": str(connectors),
            "AllowOfflineTxForUnknownId": "true",
            "LocalAuthorizeOffline": "true",
            "AuthorizeRemoteTxRequests": "false",
            "StopTransactionOnInvalidId": "true",
            "ReserveConnectorZeroSupported": "false",
            "ClockAlignedDataInterval": "0",
            "MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import,"
            "Current.Import,Voltage,SoC",
            "SupportedFeatureProfiles": "Core,Reservation,RemoteTrigger",
        }

    def read(self, keys: list[str] | None) -> tuple[list[KeyValue], list[str]]:
        """The values of `keys` (None or empty: all) and the keys that do not exist."""
        values = {
            "HeartbeatInterval": f"{self.heartbeat_s:.0f}",
            "MeterValueSampleInterval": f"{self.sample_s:.0f}",
            **self._fixed,
        }
        known = [
            KeyValue(key=key, readonly=key in self._fixed, value=values[key])
            for key in (keys or values)
            if key in values
        ]
        return known, [key for key in keys or [] if key not in values]

    def write(self, key: str, value: str) -> ConfigurationStatus:
        """Takes a value: accepted, rejected (fixed or nonsense) or not supported."""
        if key in self._fixed:
            return ConfigurationStatus.rejected
        if key not in _SECONDS:
            return ConfigurationStatus.not_supported
        if not value.isdecimal() or int(value) > 86400:
            return ConfigurationStatus.rejected
        if key == "HeartbeatInterval":
            self.heartbeat_s = float(value)
        else:
            self.sample_s = float(value)
        return ConfigurationStatus.accepted
