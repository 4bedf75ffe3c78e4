"""Answers about the station itself: triggers, resets, updates, logs, vendors' messages (2.0.1)."""

from __future__ import annotations

from functools import partial
from typing import Any

from ocpp.v201 import call, call_result
from ocpp.v201.enums import Action

from firmware_sim.core.controller import stop
from firmware_sim.core.status import MREC_VENDOR_ID
from firmware_sim.faces.ocpp201.desk import Desk
from firmware_sim.faces.ocpp201.messages import word
from firmware_sim.faces.ocpp201.routing import answers, follows
from firmware_sim.faces.ocpp_profiles import instant_ms
from firmware_sim.faces.ocpp_upkeep import update_steps, upload_steps

_TRIGGERS = frozenset({
    "BootNotification", "FirmwareStatusNotification", "Heartbeat", "LogStatusNotification",
    "MeterValues", "SignChargingStationCertificate", "StatusNotification", "TransactionEvent",
})  # fmt: skip
_LOG_NAME = "pilewise.log"


class UpkeepAnswers:
    """TriggerMessage, Reset, UpdateFirmware, GetLog, DataTransfer."""

    _desk: Desk

    @answers(Action.trigger_message)
    def on_trigger_message(
        self, requested_message: str, evse: dict[str, Any] | None = None, **_: Any
    ) -> Any:
        """Promises a message; it is sent after this answer."""
        if str(requested_message) not in _TRIGGERS:
            return call_result.TriggerMessage(word("NotImplemented"))
        if evse and self._desk.evse(evse["id"]) is None:
            return call_result.TriggerMessage(word("Rejected"))
        return call_result.TriggerMessage(word("Accepted"))

    @follows(Action.trigger_message)
    def after_trigger_message(
        self, requested_message: str, evse: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Queues the promised message."""
        unknown = evse is not None and self._desk.evse(evse["id"]) is None
        if str(requested_message) in _TRIGGERS and not unknown:
            self._desk.on_trigger(str(requested_message), evse["id"] if evse else None)

    @answers(Action.reset)
    def on_reset(self, type: str, evse_id: int | None = None, **_: Any) -> Any:  # noqa: A002
        """At once, or when no car charges any more; one EVSE alone cannot be reset."""
        if evse_id is not None:
            return call_result.Reset(word("Rejected"))
        waits = type == "OnIdle" and any(evse.is_running for evse in self._desk.pile.evses)
        return call_result.Reset(word("Scheduled" if waits else "Accepted"))

    @follows(Action.reset)
    def after_reset(self, type: str, evse_id: int | None = None, **_: Any) -> None:  # noqa: A002
        """Boots again."""
        if evse_id is not None:
            return
        if type == "OnIdle":
            self._desk.on_reset("ScheduledReset")
            return
        for evse in self._desk.pile.evses:
            self._desk.fleet.change(evse.spec.evse_id, partial(stop, reason="HardReset"))
        self._desk.on_reset("RemoteReset")

    @answers(Action.update_firmware)
    def on_update_firmware(self, firmware: dict[str, Any], **_: Any) -> Any:
        """Promises an update; a certificate that comes with it must be one."""
        if "BEGIN CERTIFICATE" not in firmware.get("signing_certificate", "BEGIN CERTIFICATE"):
            return call_result.UpdateFirmware(word("InvalidCertificate"))
        running = self._desk.firmware.is_running
        return call_result.UpdateFirmware(word("AcceptedCanceled" if running else "Accepted"))

    @follows(Action.update_firmware)
    def after_update_firmware(self, request_id: int, firmware: dict[str, Any], **_: Any) -> None:
        """Goes through the update's statuses, from its date on."""
        desk, certificate = self._desk, firmware.get("signing_certificate")
        if certificate is not None and "BEGIN CERTIFICATE" not in certificate:
            return
        begins_ms = instant_ms(firmware.get("retrieve_date_time")) or 0
        wait_s = max((begins_ms - desk.now_ms()) / 1000, 0.0)
        if wait_s:
            desk.promise(call.FirmwareStatusNotification(word("DownloadScheduled"), request_id))
        desk.firmware.begin(
            update_steps(firmware["location"], signed=certificate is not None),
            lambda step: desk.promise(call.FirmwareStatusNotification(word(step), request_id)),
            wait_s,
        )

    @answers(Action.get_log)
    def on_get_log(self, **_: Any) -> Any:
        """Promises a log; one that is under way is broken off."""
        known = "AcceptedCanceled" if self._desk.upload.is_running else "Accepted"
        return call_result.GetLog(status=word(known), filename=_LOG_NAME)

    @follows(Action.get_log)
    def after_get_log(self, log: dict[str, Any], request_id: int, **_: Any) -> None:
        """Goes through the upload's statuses."""
        desk = self._desk
        desk.upload.begin(
            upload_steps(str(log.get("remote_location", "")), "UploadFailure"),
            lambda step: desk.promise(call.LogStatusNotification(word(step), request_id)),
        )

    @answers(Action.data_transfer)
    def on_data_transfer(
        self, vendor_id: str, message_id: str | None = None, data: Any = None, **_: Any
    ) -> Any:
        """One vendor is known, and one message: what comes is given back."""
        if vendor_id != MREC_VENDOR_ID:
            return call_result.DataTransfer(word("UnknownVendorId"))
        if message_id != "echo":
            return call_result.DataTransfer(word("UnknownMessageId"))
        return call_result.DataTransfer(word("Accepted"), data=data)
