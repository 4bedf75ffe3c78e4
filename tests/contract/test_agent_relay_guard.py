"""Calls of the operator's system that the relay must not pass down as they are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from relay_site import Site

NOW = "2026-11-22T10:00:00Z"
BOOT: dict[str, dict[str, Any]] = {
    "ocpp1.6": {"chargePointVendor": "Acme", "chargePointModel": "V"},
    "ocpp2.0.1": {
        "reason": "PowerUp",
        "chargingStation": {"vendorName": "Acme", "model": "V"},
    },
}


@pytest.fixture
async def sites(tmp_path: Path) -> AsyncIterator[dict[str, Site]]:
    """A connected site of each version."""
    made = {}
    for version, boot in BOOT.items():
        folder = tmp_path / version
        folder.mkdir()
        site = made[version] = Site(folder, version=version, configures=False)
        await site.open_central()
        await site.start()
        await site.dial()
        await site.pile.call("BootNotification", boot)
        await site.until_ready()
    yield made
    for site in made.values():
        await site.close()


def set_variables(*names: str) -> dict[str, Any]:
    """A SetVariables of `Component.Variable` names."""
    wishes = []
    for name in names:
        component, _, variable = name.partition(".")
        place = {"component": {"name": component}, "variable": {"name": variable}}
        wishes.append({"attributeValue": "1", **place})
    return {"setVariableData": wishes}


async def test_password_and_server_of_the_pile_are_not_the_operators_to_change(
    sites: dict[str, Site],
) -> None:
    """What would lock the pile out at the agent is refused, told once, and never reaches it."""
    old, new = sites["ocpp1.6"], sites["ocpp2.0.1"]

    key = await old.central.ask("ChangeConfiguration", {"key": "AuthorizationKey", "value": "0"})
    both = ("SecurityCtrlr.BasicAuthPassword", "OCPPCommCtrlr.HeartbeatInterval")
    variables = await new.central.ask("SetVariables", set_variables(*both))
    network = await new.central.ask("SetNetworkProfile", {"configurationSlot": 1})
    await old.central.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "9"})
    await new.central.ask("SetVariables", set_variables(both[1]))

    statuses = [result["attributeStatus"] for result in variables["setVariableResult"]]
    assert key == network == {"status": "Rejected"}
    assert statuses == ["Rejected", "Rejected"]
    passed = [
        json.dumps(payload)
        for site in (old, new)
        for action, payload in site.pile.asked
        if action in ("ChangeConfiguration", "SetVariables", "SetNetworkProfile")
    ]
    assert len(passed) == 2
    assert all("HeartbeatInterval" in text for text in passed)
    assert [reason for _, reason, _ in old.alarms] == ["UPSTREAM_CHANGE_REFUSED"]
    assert len(new.alarms) == 2


async def test_stop_of_a_transaction_that_only_the_operator_knows_stops_no_other(
    sites: dict[str, Site],
) -> None:
    """The operator's unknown number may be ours for another car: it is refused, not passed on."""
    site = sites["ocpp1.6"]
    begun = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": NOW}
    mine = (await site.pile.call("StartTransaction", begun))["transactionId"]
    theirs = site.central.next_transaction

    wrong = await site.central.ask("RemoteStopTransaction", {"transactionId": mine})
    right = await site.central.ask("RemoteStopTransaction", {"transactionId": theirs})

    stops = [payload for action, payload in site.pile.asked if action == "RemoteStopTransaction"]
    assert mine != theirs
    assert wrong == {"status": "Rejected"}
    assert right == {"status": "Accepted"}
    assert stops == [{"transactionId": mine}]


@pytest.mark.slow
async def test_operator_that_asks_too_much_at_once_gets_an_answer_to_each(
    sites: dict[str, Site],
) -> None:
    """Calls that find no room are answered with an error; none is dropped without a word."""
    site = sites["ocpp1.6"]
    socket = site.central.connections[-1]
    count = 300
    for number in range(count):
        await socket.send(json.dumps([2, f"u{number}", "ClearCache", {}]))
    replies = [await site.central.replies.get() for _ in range(count)]

    assert {reply[1] for reply in replies} == {f"u{number}" for number in range(count)}
    assert {reply[0] for reply in replies} == {3, 4}
