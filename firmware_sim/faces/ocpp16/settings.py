"""The configuration keys of OCPP 1.6 that the charge point has, and which values they take."""

from __future__ import annotations

from ocpp.v16.datatypes import KeyValue

from firmware_sim.config_tables import OcppPileTable
from firmware_sim.faces.ocpp_power import MAX_PERIODS, MAX_PROFILES, MAX_STACK_LEVEL
from firmware_sim.faces.ocpp_settings import Setting, Settings

_MEASURANDS = frozenset({
    "Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage", "SoC",
})  # fmt: skip
_SAMPLED = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC"
_PROFILES = (
    "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"
)
MAX_KEYS = 100


def known_measurands(value: str) -> bool:
    """Whether every word of a list is a measurand that the meter has."""
    return {word.strip() for word in value.split(",") if word.strip()} <= _MEASURANDS


def settings_16(*, sample_s: float, connectors: int, own: OcppPileTable) -> Settings:
    """The keys with their defaults; `own` is what this pile was given and refuses to change."""

    def fixed(value: str) -> Setting:
        return Setting(value, fixed=True)

    def measured(value: str) -> Setting:
        return Setting(value, "list", takes=known_measurands)

    table = {
        "HeartbeatInterval": Setting("300", "seconds"),
        "MeterValueSampleInterval": Setting(f"{sample_s:g}", "seconds"),
        "ClockAlignedDataInterval": Setting("0", "seconds"),
        "MeterValuesSampledData": measured(_SAMPLED),
        "MeterValuesAlignedData": measured("Energy.Active.Import.Register"),
        "StopTxnSampledData": measured(""),
        "MinimumStatusDuration": Setting("0", "seconds"),
        "ConnectionTimeOut": Setting("180", "seconds"),
        "TransactionMessageAttempts": Setting("3", "count"),
        "TransactionMessageRetryInterval": Setting("1", "seconds"),
        "WebSocketPingInterval": Setting("20", "seconds"),
        "LocalAuthListEnabled": Setting("true", "bool"),
        "LocalAuthorizeOffline": Setting("true", "bool"),
        "LocalPreAuthorize": Setting("false", "bool"),
        "AuthorizationCacheEnabled": Setting("true", "bool"),
        "AllowOfflineTxForUnknownId": Setting("true", "bool"),
        "AuthorizeRemoteTxRequests": Setting("false", "bool"),
        "StopTransactionOnInvalidId": Setting("true", "bool"),
        "StopTransactionOnEVSideDisconnect": fixed("true"),
        "UnlockConnectorOnEVSideDisconnect": Setting("true", "bool"),
        "ReserveConnectorZeroSupported": Setting("false", "bool", fixed=True),
        "NumberOfConnectors": fixed(str(connectors)),
        "SupportedFeatureProfiles": fixed(_PROFILES),
        "GetConfigurationMaxKeys": fixed(str(MAX_KEYS)),
        "LocalAuthListMaxLength": fixed("1000"),
        "SendLocalListMaxLength": fixed("100"),
        "ChargeProfileMaxStackLevel": fixed(str(MAX_STACK_LEVEL)),
        "ChargingScheduleMaxPeriods": fixed(str(MAX_PERIODS)),
        "MaxChargingProfilesInstalled": fixed(str(MAX_PROFILES)),
        "ChargingScheduleAllowedChargingRateUnit": fixed("Current,Power"),
        "AuthorizationKey": Setting("", secret=True, takes=lambda key: 16 <= len(key) <= 40),
        "SecurityProfile": Setting("0", "count"),
        "CpoName": Setting(""),
        "AdditionalRootCertificateCheck": fixed("false"),
        "CertificateStoreMaxLength": fixed("20"),
    }
    return Settings(table, own.settings, own.fixed)


def shown(settings: Settings, keys: list[str] | None) -> tuple[list[KeyValue], list[str]]:
    """The values of `keys` (None or empty: all) and the keys that do not exist."""
    known = [
        KeyValue(key=key, readonly=setting.fixed, value=setting.value)
        for key in (keys or settings.table)
        if (setting := settings.table.get(key)) is not None and not setting.secret
    ]
    return known, [key for key in keys or [] if key not in settings.table]
