"""Answers about drivers: the local list and the memory of whom the central system let on (1.6)."""

from __future__ import annotations

from typing import Any

from ocpp.v16 import call_result
from ocpp.v16.enums import Action, ClearCacheStatus, UpdateStatus

from firmware_sim.core.driver_list import Word
from firmware_sim.faces.ocpp16.desk import Desk
from firmware_sim.faces.ocpp16.routing import answers
from firmware_sim.faces.ocpp_profiles import instant_ms

# LocalAuthListMaxLength of one message.
_MAX_SENT = 100


class DriverAnswers:
    """SendLocalList, GetLocalListVersion, ClearCache."""

    _desk: Desk

    @answers(Action.send_local_list)
    def on_send_local_list(
        self,
        list_version: int,
        update_type: str,
        local_authorization_list: list[dict[str, Any]] | None = None,
        **_: Any,
    ) -> call_result.SendLocalList:
        """Takes a whole list, or changes to the one that is there."""
        if not self._desk.settings.is_on("LocalAuthListEnabled"):
            return call_result.SendLocalList(UpdateStatus.not_supported)
        entries = local_authorization_list or []
        if len(entries) > _MAX_SENT:
            return call_result.SendLocalList(UpdateStatus.failed)
        words = {entry["id_tag"]: _word_of(entry.get("id_tag_info")) for entry in entries}
        drivers = self._desk.drivers
        if update_type == "Full":
            whole = {token: word for token, word in words.items() if word is not None}
            if len(whole) < len(words):
                return call_result.SendLocalList(UpdateStatus.failed)
            status = drivers.send_full(list_version, whole)
        else:
            status = drivers.send_changes(list_version, words)
        return call_result.SendLocalList(UpdateStatus(status))

    @answers(Action.get_local_list_version)
    def on_get_local_list_version(self, **_: Any) -> call_result.GetLocalListVersion:
        """The version of the list, 0 without one, -1 where lists are switched off."""
        enabled = self._desk.settings.is_on("LocalAuthListEnabled")
        return call_result.GetLocalListVersion(self._desk.drivers.version if enabled else -1)

    @answers(Action.clear_cache)
    def on_clear_cache(self, **_: Any) -> call_result.ClearCache:
        """Forgets whom the central system let on."""
        if not self._desk.settings.is_on("AuthorizationCacheEnabled"):
            return call_result.ClearCache(ClearCacheStatus.rejected)
        self._desk.drivers.forget()
        return call_result.ClearCache(ClearCacheStatus.accepted)


def _word_of(info: dict[str, Any] | None) -> Word | None:
    if info is None:
        return None
    until = info.get("expiry_date")
    return Word(str(info["status"]), instant_ms(until) if until else None)
