"""Everything that a central system may ask of a simulated station, drawn at random, by version."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpp.v16 import call as call16
from ocpp.v201 import call as call201

HOSTS = ("ok", "unreachable", "broken")
TOKENS = ("ANNA", "BERT", "CARL", "REFUSED")
BAD_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
HASH = {
    "hash_algorithm": "SHA256",
    "issuer_name_hash": "00" * 32,
    "issuer_key_hash": "00" * 32,
    "serial_number": "1",
}


def later(seconds: float) -> str:
    """An instant from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def question_16(rng: random.Random, number: int) -> Any:
    """A request of OCPP 1.6."""
    connector, token = rng.choice((0, 1, 2, 9)), rng.choice(TOKENS)
    kinds = (
        lambda: call16.ReserveNow(connector, later(rng.choice((-5, 2, 600))), token, number),
        lambda: call16.CancelReservation(rng.randint(max(number - 5, 1), number)),
        lambda: call16.ChangeAvailability(connector, rng.choice(("Operative", "Inoperative"))),
        lambda: call16.RemoteStartTransaction(token, rng.choice((None, 1, 2))),
        lambda: call16.RemoteStopTransaction(rng.randint(1, 30)),
        lambda: call16.UnlockConnector(rng.choice((1, 2, 9))),
        lambda: call16.TriggerMessage(
            rng.choice(("BootNotification", "Heartbeat", "MeterValues", "StatusNotification",
                        "FirmwareStatusNotification", "DiagnosticsStatusNotification")),
            rng.choice((None, 1, 2)),
        ),
        lambda: call16.ExtendedTriggerMessage(
            rng.choice(("LogStatusNotification", "SignChargePointCertificate", "MeterValues"))
        ),
        lambda: call16.GetConfiguration(rng.choice((None, ["HeartbeatInterval", "Nonsense"]))),
        lambda: call16.ChangeConfiguration(
            *rng.choice((("MeterValueSampleInterval", "1"), ("ClockAlignedDataInterval", "1"),
                         ("StopTxnSampledData", "Voltage,SoC"), ("HeartbeatInterval", "x"),
                         ("LocalPreAuthorize", "true"), ("MinimumStatusDuration", "0")))
        ),
        lambda: call16.SendLocalList(
            number, rng.choice(("Full", "Differential")),
            [{"id_tag": token, "id_tag_info": {"status": rng.choice(("Accepted", "Blocked"))}}],
        ),
        call16.GetLocalListVersion,
        call16.ClearCache,
        lambda: call16.SetChargingProfile(connector, _profile_16(rng, number)),
        lambda: call16.ClearChargingProfile(rng.choice((None, number - 1)), rng.choice((None, 1))),
        lambda: call16.GetCompositeSchedule(connector, 600, rng.choice((None, "A", "W"))),
        lambda: call16.UpdateFirmware(f"ftp://{rng.choice(HOSTS)}.test/f", later(0)),
        lambda: call16.SignedUpdateFirmware(number, {
            "location": "ftp://ok.test/f", "retrieve_date_time": later(0),
            "signing_certificate": rng.choice((BAD_CERTIFICATE, "none")), "signature": "AA",
        }),
        lambda: call16.GetDiagnostics("ftp://ok.test/logs"),
        lambda: call16.GetLog({"remote_location": "ftp://ok.test/"}, "SecurityLog", number),
        lambda: call16.InstallCertificate("CentralSystemRootCertificate", BAD_CERTIFICATE),
        lambda: call16.GetInstalledCertificateIds("CentralSystemRootCertificate"),
        lambda: call16.DeleteCertificate(HASH),
        lambda: call16.CertificateSigned(BAD_CERTIFICATE),
        lambda: call16.DataTransfer("nobody", "x", "y"),
    )  # fmt: skip
    return rng.choice(kinds)()


def question_201(rng: random.Random, number: int) -> Any:
    """A request of OCPP 2.0.1."""
    evse, token = rng.choice((0, 1, 2, 9)), {"id_token": rng.choice(TOKENS), "type": "Central"}
    kinds = (
        lambda: call201.ReserveNow(
            number, later(rng.choice((-5, 2, 600))), token, evse_id=rng.choice((None, 1, 2))
        ),
        lambda: call201.CancelReservation(rng.randint(max(number - 5, 1), number)),
        lambda: call201.ChangeAvailability(
            rng.choice(("Operative", "Inoperative")), rng.choice((None, {"id": 1}, {"id": 9}))
        ),
        lambda: call201.RequestStartTransaction(token, number, rng.choice((None, 1, 2))),
        lambda: call201.RequestStopTransaction("unknown"),
        lambda: call201.GetTransactionStatus(rng.choice((None, "unknown"))),
        lambda: call201.UnlockConnector(rng.choice((1, 2, 9)), 1),
        lambda: call201.TriggerMessage(
            rng.choice(("BootNotification", "Heartbeat", "MeterValues", "StatusNotification",
                        "TransactionEvent", "LogStatusNotification", "FirmwareStatusNotification",
                        "SignChargingStationCertificate", "SignV2GCertificate")),
            rng.choice((None, {"id": 1})),
        ),
        lambda: call201.GetVariables([_place("TxCtrlr", rng.choice(("TxStartPoint", "X")))]),
        lambda: call201.SetVariables([{
            **_place("SampledDataCtrlr", "TxUpdatedInterval"),
            "attribute_value": rng.choice(("1", "x")),
        }]),
        lambda: call201.SetVariables([{
            **_place("AlignedDataCtrlr", "Interval"), "attribute_value": "1",
        }]),
        lambda: call201.GetBaseReport(number, rng.choice(("FullInventory", "SummaryInventory"))),
        lambda: call201.GetReport(number, [{"component": {"name": rng.choice(("TxCtrlr", "X"))}}]),
        lambda: call201.SendLocalList(number, rng.choice(("Full", "Differential")), [
            {"id_token": token, "id_token_info": {"status": rng.choice(("Accepted", "Blocked"))}}
        ]),
        call201.GetLocalListVersion,
        call201.ClearCache,
        lambda: call201.CustomerInformation(number, True, False, id_token=token),
        lambda: call201.SetChargingProfile(evse, _profile_201(rng, number)),
        lambda: call201.ClearChargingProfile(number - 1),
        lambda: call201.GetChargingProfiles(number, {}, rng.choice((None, 0, 1))),
        lambda: call201.GetCompositeSchedule(600, evse, rng.choice((None, "A", "W"))),
        lambda: call201.UpdateFirmware(number, {
            "location": f"ftp://{rng.choice(HOSTS)}.test/f",
            "retrieve_date_time": later(0),
        }),
        lambda: call201.GetLog({"remote_location": "ftp://ok.test/"}, "SecurityLog", number),
        lambda: call201.InstallCertificate("CSMSRootCertificate", BAD_CERTIFICATE),
        call201.GetInstalledCertificateIds,
        lambda: call201.DeleteCertificate(HASH),
        lambda: call201.CertificateSigned(BAD_CERTIFICATE),
        lambda: call201.DataTransfer("nobody", "x", {"a": 1}),
    )  # fmt: skip
    return rng.choice(kinds)()


def _place(component: str, variable: str) -> dict[str, Any]:
    return {"component": {"name": component}, "variable": {"name": variable}}


def _schedule(rng: random.Random) -> dict[str, Any]:
    unit = rng.choice(("A", "W"))
    limits = (6.0, 16.0, 32.0) if unit == "A" else (4000.0, 11000.0, 30000.0)
    return {
        "charging_rate_unit": unit,
        "start_schedule": later(-60),
        "charging_schedule_period": [
            {"start_period": 0, "limit": rng.choice(limits)},
            {"start_period": 300, "limit": rng.choice(limits)},
        ],
    }


def _profile_16(rng: random.Random, number: int) -> dict[str, Any]:
    purposes = ("ChargePointMaxProfile", "TxDefaultProfile", "TxProfile")
    return {
        "charging_profile_id": number,
        "stack_level": rng.randint(0, 9),
        "charging_profile_purpose": rng.choice(purposes),
        "charging_profile_kind": rng.choice(("Absolute", "Recurring", "Relative")),
        "recurrency_kind": "Daily",
        "charging_schedule": _schedule(rng),
    }


def _profile_201(rng: random.Random, number: int) -> dict[str, Any]:
    purposes = (
        "ChargingStationMaxProfile",
        "TxDefaultProfile",
        "ChargingStationExternalConstraints",
    )
    return {
        "id": number,
        "stack_level": rng.randint(0, 9),
        "charging_profile_purpose": rng.choice(purposes),
        "charging_profile_kind": rng.choice(("Absolute", "Recurring", "Relative")),
        "recurrency_kind": "Daily",
        "charging_schedule": [{"id": 1, **_schedule(rng)}],
    }
