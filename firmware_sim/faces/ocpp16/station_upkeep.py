"""Answers about the station itself: settings, triggers, resets, updates, logs (1.6)."""

from __future__ import annotations

from functools import partial
from typing import Any

from ocpp.v16 import call, call_result
from ocpp.v16.enums import (
    Action,
    ConfigurationStatus,
    DataTransferStatus,
    LogStatus,
    ResetStatus,
    TriggerMessageStatus,
    UpdateFirmwareStatus,
)

from firmware_sim.core.controller import stop
from firmware_sim.core.status import MREC_VENDOR_ID
from firmware_sim.faces.ocpp16.desk import Desk
from firmware_sim.faces.ocpp16.routing import answers, follows
from firmware_sim.faces.ocpp16.settings import shown
from firmware_sim.faces.ocpp_profiles import instant_ms
from firmware_sim.faces.ocpp_upkeep import update_steps, upload_steps

_TRIGGERS = frozenset({
    "BootNotification", "DiagnosticsStatusNotification", "FirmwareStatusNotification", "Heartbeat",
    "MeterValues", "StatusNotification",
})  # fmt: skip
_EXTENDED = _TRIGGERS - {"DiagnosticsStatusNotification"} | {
    "LogStatusNotification",
    "SignChargePointCertificate",
}
_LOG_NAME = "pilewise.log"


class UpkeepAnswers:
    """Configuration, TriggerMessage, Reset, firmware, diagnostics, DataTransfer."""

    _desk: Desk

    @answers(Action.get_configuration)
    def on_get_configuration(
        self, key: list[str] | None = None, **_: Any
    ) -> call_result.GetConfiguration:
        """The values of some keys, or of all."""
        known, unknown = shown(self._desk.settings, key)
        return call_result.GetConfiguration(configuration_key=known, unknown_key=unknown)

    @answers(Action.change_configuration)
    def on_change_configuration(
        self, key: str, value: str, **_: Any
    ) -> call_result.ChangeConfiguration:
        """Takes a new value for a key; a higher security profile only if all is there for it."""
        settings, identity = self._desk.settings, self._desk.identity
        if key == "SecurityProfile":
            raised = value.isdecimal() and identity.raise_profile(int(value))
            if not raised:
                return call_result.ChangeConfiguration(ConfigurationStatus.rejected)
        status = settings.write(key, value)
        if key == "AuthorizationKey" and status == "Accepted":
            identity.change_password(value)
        return call_result.ChangeConfiguration(ConfigurationStatus(status))

    @follows(Action.change_configuration)
    def after_change_configuration(self, key: str, **_: Any) -> None:
        """Comes again with what it now has to show."""
        if key in ("AuthorizationKey", "SecurityProfile") and self._desk.identity.is_trying:
            self._desk.redial()

    @answers(Action.trigger_message)
    def on_trigger_message(
        self, requested_message: str, connector_id: int | None = None, **_: Any
    ) -> call_result.TriggerMessage:
        """Promises a message; it is sent after this answer."""
        return call_result.TriggerMessage(
            self._trigger_status(requested_message, connector_id, _TRIGGERS)
        )

    @follows(Action.trigger_message)
    def after_trigger_message(
        self, requested_message: str, connector_id: int | None = None, **_: Any
    ) -> None:
        """Queues the promised message."""
        status = self._trigger_status(requested_message, connector_id, _TRIGGERS)
        if status is TriggerMessageStatus.accepted:
            self._desk.on_trigger(str(requested_message), connector_id)

    @answers(Action.extended_trigger_message)
    def on_extended_trigger_message(
        self, requested_message: str, connector_id: int | None = None, **_: Any
    ) -> call_result.ExtendedTriggerMessage:
        """Promises a message of the security whitepaper."""
        return call_result.ExtendedTriggerMessage(
            self._trigger_status(requested_message, connector_id, _EXTENDED)
        )

    @follows(Action.extended_trigger_message)
    def after_extended_trigger_message(
        self, requested_message: str, connector_id: int | None = None, **_: Any
    ) -> None:
        """Queues the promised message."""
        status = self._trigger_status(requested_message, connector_id, _EXTENDED)
        if status is TriggerMessageStatus.accepted:
            self._desk.on_trigger(str(requested_message), connector_id)

    @answers(Action.reset)
    def on_reset(self, type: str, **_: Any) -> call_result.Reset:  # noqa: A002 - OCPP's word
        """Ends what runs; the pile boots again afterwards."""
        return call_result.Reset(ResetStatus.accepted)

    @follows(Action.reset)
    def after_reset(self, type: str, **_: Any) -> None:  # noqa: A002 - OCPP's word
        """Boots again: a soft reset first tells what waits."""
        for evse in self._desk.pile.evses:
            self._desk.fleet.change(evse.spec.evse_id, partial(stop, reason=f"{type}Reset"))
        self._desk.on_reset(type == "Hard")

    @answers(Action.update_firmware)
    def on_update_firmware(self, **_: Any) -> call_result.UpdateFirmware:
        """Promises an update; nothing is fetched."""
        return call_result.UpdateFirmware()

    @follows(Action.update_firmware)
    def after_update_firmware(self, location: str, retrieve_date: str, **_: Any) -> None:
        """Goes through the update's statuses, from its date on."""
        desk = self._desk
        wait_s = ((instant_ms(retrieve_date) or 0) - desk.now_ms()) / 1000
        desk.firmware.begin(
            update_steps(location, signed=False),
            lambda step: desk.promise(call.FirmwareStatusNotification(_word(step))),
            max(wait_s, 0.0),
        )

    @answers(Action.signed_update_firmware)
    def on_signed_update_firmware(
        self, firmware: dict[str, Any], **_: Any
    ) -> call_result.SignedUpdateFirmware:
        """Promises an update whose signature is checked; without a certificate it is refused."""
        valid = "BEGIN CERTIFICATE" in firmware["signing_certificate"]
        known, bad = UpdateFirmwareStatus.accepted, UpdateFirmwareStatus.invalid_certificate
        return call_result.SignedUpdateFirmware(known if valid else bad)

    @follows(Action.signed_update_firmware)
    def after_signed_update_firmware(
        self, request_id: int, firmware: dict[str, Any], **_: Any
    ) -> None:
        """Goes through the update's statuses."""
        desk = self._desk
        if "BEGIN CERTIFICATE" not in firmware["signing_certificate"]:
            return
        desk.firmware.begin(
            update_steps(firmware["location"], signed=True),
            lambda step: desk.promise(
                call.SignedFirmwareStatusNotification(_word(step), request_id)
            ),
        )

    @answers(Action.get_diagnostics)
    def on_get_diagnostics(self, **_: Any) -> call_result.GetDiagnostics:
        """The name of the file that it is going to send."""
        return call_result.GetDiagnostics(file_name=_LOG_NAME)

    @follows(Action.get_diagnostics)
    def after_get_diagnostics(self, location: str, **_: Any) -> None:
        """Goes through the upload's statuses."""
        desk = self._desk
        desk.upload.begin(
            upload_steps(location, "UploadFailed"),
            lambda step: desk.promise(call.DiagnosticsStatusNotification(_word(step))),
        )

    @answers(Action.get_log)
    def on_get_log(self, **_: Any) -> call_result.GetLog:
        """Promises a log; one that is under way is broken off."""
        known = LogStatus.accepted_canceled if self._desk.upload.is_running else LogStatus.accepted
        return call_result.GetLog(status=known, filename=_LOG_NAME)

    @follows(Action.get_log)
    def after_get_log(self, log: dict[str, Any], request_id: int, **_: Any) -> None:
        """Goes through the upload's statuses."""
        desk = self._desk
        desk.upload.begin(
            upload_steps(str(log.get("remote_location", "")), "UploadFailure"),
            lambda step: desk.promise(call.LogStatusNotification(_word(step), request_id)),
        )

    @answers(Action.data_transfer)
    def on_data_transfer(
        self, vendor_id: str, message_id: str | None = None, data: str | None = None, **_: Any
    ) -> call_result.DataTransfer:
        """One vendor is known, and one message: what comes is given back."""
        if vendor_id != MREC_VENDOR_ID:
            return call_result.DataTransfer(DataTransferStatus.unknown_vendor_id)
        if message_id != "echo":
            return call_result.DataTransfer(DataTransferStatus.unknown_message_id)
        return call_result.DataTransfer(DataTransferStatus.accepted, data=data)

    def _trigger_status(
        self, message: str, connector_id: int | None, known: frozenset[str]
    ) -> TriggerMessageStatus:
        if str(message) not in known:
            return TriggerMessageStatus.not_implemented
        if connector_id and self._desk.evse(connector_id) is None:
            return TriggerMessageStatus.rejected
        return TriggerMessageStatus.accepted


def _word(word: str) -> Any:
    """A word of the standard; the package asks for its enum and takes the text as well."""
    return word
