"""Answers about the device model and the network profiles (2.0.1)."""

from __future__ import annotations

from typing import Any

from ocpp.v201 import call_result
from ocpp.v201.enums import Action

from firmware_sim.core.url import url_parts
from firmware_sim.faces.ocpp201.desk import Desk
from firmware_sim.faces.ocpp201.messages import word
from firmware_sim.faces.ocpp201.routing import answers, follows

_PASSWORD = "SecurityCtrlr.BasicAuthPassword"
_PRIORITY = "OCPPCommCtrlr.NetworkConfigurationPriority"


class ModelAnswers:
    """GetVariables, SetVariables, GetBaseReport, GetReport, SetNetworkProfile."""

    _desk: Desk

    @answers(Action.get_variables)
    def on_get_variables(self, get_variable_data: list[Any], **_: Any) -> Any:
        """The values of some variables."""
        found: Any = [self._desk.variables.read(wish) for wish in get_variable_data]
        return call_result.GetVariables(found)

    @answers(Action.set_variables)
    def on_set_variables(self, set_variable_data: list[Any], **_: Any) -> Any:
        """Takes new values for some variables."""
        done: Any = [self._desk.variables.write(wish) for wish in set_variable_data]
        return call_result.SetVariables(done)

    @follows(Action.set_variables)
    def after_set_variables(self, set_variable_data: list[Any], **_: Any) -> None:
        """Comes again with a new password; a network profile waits for a reset."""
        names = {f"{w['component']['name']}.{w['variable']['name']}" for w in set_variable_data}
        if _PASSWORD in names and self._desk.identity.is_trying:
            self._desk.redial()

    @answers(Action.get_base_report)
    def on_get_base_report(self, report_base: str, **_: Any) -> Any:
        """Promises a report of every variable."""
        known = str(report_base) != "SummaryInventory"
        return call_result.GetBaseReport(word("Accepted" if known else "NotSupported"))

    @follows(Action.get_base_report)
    def after_get_base_report(self, request_id: int, report_base: str, **_: Any) -> None:
        """Queues the report."""
        if str(report_base) != "SummaryInventory":
            self._desk.on_report(request_id, self._desk.variables.report())

    @answers(Action.get_report)
    def on_get_report(self, component_variable: list[Any] | None = None, **_: Any) -> Any:
        """Promises a report of some variables."""
        known = self._desk.variables.report(_names(component_variable))
        return call_result.GetReport(word("Accepted" if known else "EmptyResultSet"))

    @follows(Action.get_report)
    def after_get_report(
        self, request_id: int, component_variable: list[Any] | None = None, **_: Any
    ) -> None:
        """Queues the report."""
        known = self._desk.variables.report(_names(component_variable))
        if known:
            self._desk.on_report(request_id, known)

    @answers(Action.set_network_profile)
    def on_set_network_profile(
        self, configuration_slot: int, connection_data: dict[str, Any], **_: Any
    ) -> Any:
        """Takes where to dial and how; never with a lower security profile."""
        url = str(connection_data["ocpp_csms_url"])
        profile = int(connection_data["security_profile"])
        right = url_parts(url).scheme == ("wss" if profile >= 2 else "ws")
        if not right or profile < self._desk.identity.now.profile:
            return call_result.SetNetworkProfile(word("Rejected"))
        self._desk.networks[str(configuration_slot)] = dict(connection_data)
        return call_result.SetNetworkProfile(word("Accepted"))


def take_variable(desk: Desk, name: str, value: str) -> bool:
    """What a value does beside being kept; False where it cannot be.

    A network profile is tried from the next connection on, and falls back to what worked.
    """
    if name == _PASSWORD:
        if not desk.settings.table[name].accepts(value):
            return False
        desk.identity.change_password(value)
        return True
    slots = [word.strip() for word in value.split(",")]
    if name != _PRIORITY or slots[0] not in desk.networks:
        return name != _PRIORITY
    chosen = desk.networks[slots[0]]
    profile, url = int(chosen["security_profile"]), str(chosen["ocpp_csms_url"])
    return desk.identity.move_to(profile, url)


def _names(wanted: list[Any] | None) -> set[str] | None:
    """Components, and variables as `Component.Variable`; None for all."""
    if wanted is None:
        return None
    names = set()
    for one in wanted:
        variable = one.get("variable")
        component = one["component"]["name"]
        names.add(f"{component}.{variable['name']}" if variable else component)
    return names
