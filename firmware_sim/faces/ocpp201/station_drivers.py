"""Answers about drivers: the local list, and whom the central system let on before (2.0.1)."""

from __future__ import annotations

from typing import Any

from ocpp.v201 import call, call_result
from ocpp.v201.enums import Action

from firmware_sim.core.driver_list import Word
from firmware_sim.faces.ocpp201.desk import Desk
from firmware_sim.faces.ocpp201.messages import word
from firmware_sim.faces.ocpp201.routing import answers, follows
from firmware_sim.faces.ocpp_profiles import instant_ms

_MAX_SENT = 100


class DriverAnswers:
    """SendLocalList, GetLocalListVersion, ClearCache, CustomerInformation."""

    _desk: Desk

    @answers(Action.send_local_list)
    def on_send_local_list(
        self,
        version_number: int,
        update_type: str,
        local_authorization_list: list[dict[str, Any]] | None = None,
        **_: Any,
    ) -> Any:
        """Takes a whole list, or changes to the one that is there."""
        entries = local_authorization_list or []
        enabled = self._desk.settings.is_on("LocalAuthListCtrlr.Enabled")
        if not enabled or len(entries) > _MAX_SENT:
            return call_result.SendLocalList(word("Failed"))
        words = {
            entry["id_token"]["id_token"]: _word_of(entry.get("id_token_info")) for entry in entries
        }
        drivers = self._desk.drivers
        if update_type == "Full":
            whole = {token: known for token, known in words.items() if known is not None}
            fits = len(whole) == len(words)
            status = drivers.send_full(version_number, whole) if fits else "Failed"
        else:
            status = drivers.send_changes(version_number, words)
        return call_result.SendLocalList(word(status))

    @answers(Action.get_local_list_version)
    def on_get_local_list_version(self, **_: Any) -> Any:
        """The version of the list, 0 without one or where lists are switched off."""
        enabled = self._desk.settings.is_on("LocalAuthListCtrlr.Enabled")
        return call_result.GetLocalListVersion(self._desk.drivers.version if enabled else 0)

    @answers(Action.clear_cache)
    def on_clear_cache(self, **_: Any) -> Any:
        """Forgets whom the central system let on."""
        enabled = self._desk.settings.is_on("AuthCacheCtrlr.Enabled")
        if enabled:
            self._desk.drivers.forget()
        return call_result.ClearCache(word("Accepted" if enabled else "Rejected"))

    @answers(Action.customer_information)
    def on_customer_information(self, **_: Any) -> Any:
        """Promises what is known of a customer."""
        return call_result.CustomerInformation(word("Accepted"))

    @follows(Action.customer_information)
    def after_customer_information(
        self,
        request_id: int,
        report: bool,
        clear: bool,
        id_token: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Tells whether the token is in the list, and forgets it if asked to."""
        drivers, token = self._desk.drivers, str((id_token or {}).get("id_token", ""))
        known = token if token in drivers.listed else ""
        if clear:
            drivers.listed.pop(token, None)
            drivers.forget()
        told = known if report else ""
        self._desk.promise(
            call.NotifyCustomerInformation(told, 0, self._desk.stamp(), request_id, tbc=False)
        )


def _word_of(info: dict[str, Any] | None) -> Word | None:
    if info is None:
        return None
    return Word(str(info["status"]), instant_ms(info.get("cache_expiry_date_time")))
