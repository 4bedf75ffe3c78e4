"""What the relay keeps for the operator's system, and what it leaves to the operator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from relay_site import IDENTITY, Site, until

from edge_agent.core.directive import Outcome, SetPeriod
from edge_agent.core.ocpp_relay import Kind

VERSIONS = ("ocpp1.6", "ocpp2.0.1")
NOW = "2026-11-22T10:00:00Z"
STATION = {"vendorName": "Acme", "model": "Volt 22"}
BOOT: dict[str, dict[str, Any]] = {
    "ocpp1.6": {"chargePointVendor": "Acme", "chargePointModel": "Volt 22"},
    "ocpp2.0.1": {"reason": "PowerUp", "chargingStation": STATION},
}
SETTERS = {"ocpp1.6": "ChangeConfiguration", "ocpp2.0.1": "SetVariables"}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version of OCPP."""
    return str(request.param)


@pytest.fixture
async def site(tmp_path: Path, version: str) -> AsyncIterator[Site]:
    made = Site(tmp_path, version=version, configures=False)
    await made.open_central()
    await made.start()
    yield made
    await made.close()


async def connect(site: Site) -> None:
    """The pile boots and the operator's system answers."""
    await site.dial()
    await site.pile.call("BootNotification", BOOT[site.version])
    await site.until_ready()


async def lose_central(site: Site) -> None:
    """The operator's system goes away."""
    await site.central.close()
    await site.until_ready(False)


def security(word: str, second: int = 0) -> dict[str, Any]:
    return {"type": word, "timestamp": f"2026-11-22T10:00:{second:02}Z"}


def started(version: str) -> tuple[str, dict[str, Any]]:
    """A transaction begins."""
    if version == "ocpp1.6":
        asked = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": NOW}
        return "StartTransaction", asked
    info = {"transactionId": "t1"}
    told = {"eventType": "Started", "timestamp": NOW, "triggerReason": "Authorized", "seqNo": 0}
    return "TransactionEvent", {**told, "transactionInfo": info, "evse": {"id": 1}}


@pytest.mark.slow
async def test_security_events_wait_for_the_operator_in_order(site: Site) -> None:
    """Told while it is away, and a kill of the agent later, they arrive in order and once."""
    await connect(site)
    await site.pile.call("SecurityEventNotification", security("StartupOfTheDevice"))
    await lose_central(site)
    action, begun = started(site.version)
    await site.pile.call("SecurityEventNotification", security("TamperDetectionActivated", 1))
    await site.pile.call(action, begun)
    for _ in range(2):  # as after a lost answer
        await site.pile.call("SecurityEventNotification", security("InvalidMessages", 2))
    await site.pile.hang_up()
    await site.stop()
    await site.start()
    await site.open_central()
    await site.until_delivered()

    told = [
        heard.payload.get("type", heard.action)
        for heard in site.central.heard
        if heard.action in ("SecurityEventNotification", action)
    ]
    assert told == ["StartupOfTheDevice", "TamperDetectionActivated", action, "InvalidMessages"]


async def test_security_event_that_the_operator_does_not_know_holds_nothing_up(
    site: Site,
) -> None:
    """NotImplemented is taken as an answer at once: the transaction behind it goes up."""
    site.central.answers["SecurityEventNotification"] = "NotImplemented"
    await connect(site)
    action, begun = started(site.version)

    answer = await site.pile.call("SecurityEventNotification", security("InvalidMessages"))
    await site.pile.call(action, begun)

    assert answer == {}
    assert site.central.actions().count("SecurityEventNotification") == 1
    assert site.central.actions()[-1] == action
    assert await site.waiting() == 0
    assert site.alarms == []


@pytest.mark.slow
async def test_boot_is_said_again_without_claiming_another_boot(site: Site) -> None:
    """A boot that the operator accepted is repeated after its outage, in 2.0.1 as Unknown.

    One that it never heard is told as it was.
    """
    await connect(site)
    await lose_central(site)
    await site.open_central()
    await site.until_ready()
    again = site.central.heard[-1].payload
    await lose_central(site)
    await site.pile.call("BootNotification", BOOT[site.version])
    await site.open_central()
    await site.until_ready()
    fresh = [h.payload for h in site.central.heard if h.action == "BootNotification"][-1]

    assert fresh == BOOT[site.version]
    expected = dict(fresh)
    if site.version == "ocpp2.0.1":
        expected["reason"] = "Unknown"
    assert again == expected


async def test_settings_of_the_operator_are_left_alone(site: Site) -> None:
    """On a relayed pile the agent writes nothing, and says so when it is asked to."""
    await connect(site)
    await until(lambda: any(action == "TriggerMessage" for action, _ in site.pile.asked))
    # What the agent reads of the settings comes after the triggers of its greeting.
    await until(
        lambda: any(name in ("GetConfiguration", "GetVariables") for name, _ in site.pile.asked)
    )
    await site.central.ask(SETTERS[site.version], {"key": "MeterValueSampleInterval", "value": "1"})
    answer = await site.link.perform("P1*1", SetPeriod(1.0))

    assert [action for action, _ in site.pile.asked].count(SETTERS[site.version]) == 1
    assert answer.outcome is Outcome.UNSUPPORTED
    assert "operator" in answer.message


async def test_settings_are_the_agents_where_the_configuration_says_so(
    tmp_path: Path, version: str
) -> None:
    """With `configure_relayed` the agent applies its wishes to a relayed pile."""
    site = Site(tmp_path, version=version, configures=True)
    await site.open_central()
    await site.start()
    await connect(site)

    await until(lambda: any(action == SETTERS[version] for action, _ in site.pile.asked))
    await site.close()


@pytest.mark.slow
async def test_full_queue_gives_samples_up_and_refuses_what_it_must_not_lose(
    tmp_path: Path, version: str
) -> None:
    """The pile is told to keep what no longer fits; what it was told is safe arrives."""
    site = Site(tmp_path, version=version, room_bytes=2_500)
    await site.open_central()
    await site.start()
    await connect(site)
    await lose_central(site)
    taken: list[str] = []
    for number in range(40):
        action, begun = started(version)
        begun["timestamp"] = stamp = f"2026-11-22T10:00:{number:02}Z"
        if "transactionInfo" in begun:
            begun["transactionInfo"] = {"transactionId": f"t{number}"}
        answer = await site.pile.frame(action, begun)
        if answer[0] == 4:
            assert answer[2] == "InternalError"
            break
        taken.append(stamp)
    sample = {"timestamp": NOW, "sampledValue": [{"value": 1}]}
    meter = {"eventType": "Updated", "timestamp": NOW, "triggerReason": "MeterValuePeriodic"}
    if version == "ocpp1.6":
        sample["sampledValue"] = [{"value": "1"}]
        told = {"connectorId": 1, "transactionId": 1, "meterValue": [sample]}
        await site.pile.call("MeterValues", told)
    else:
        info = {"transactionInfo": {"transactionId": "t0"}, "seqNo": 7}
        await site.pile.call("TransactionEvent", {**meter, **info, "meterValue": [sample]})
    await site.open_central()
    await site.until_delivered()

    assert 0 < len(taken) < 40
    assert [heard.payload["timestamp"] for heard in site.delivered()] == taken
    assert site.store.given_up[IDENTITY, Kind.SAMPLE] == 1
    assert [reason for _, reason, _ in site.alarms] == ["UPSTREAM_QUEUE_FULL"]
    await site.close()


def authorize(version: str, token: str) -> dict[str, Any]:
    """An Authorize for a token."""
    if version == "ocpp1.6":
        return {"idTag": token}
    return {"idToken": {"idToken": token, "type": "ISO14443"}}


def verdict(answer: dict[str, Any]) -> str:
    """What an answer says of the token."""
    return str((answer.get("idTagInfo") or answer["idTokenInfo"])["status"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "verdicts"),
    [
        ("cached", {"seen": "Accepted", "LISTED": "Invalid", "NEW": "Invalid"}),
        ("list", {"SEEN": "Invalid", "listed": "Accepted", "NEW": "Invalid"}),
        ("accept", {"SEEN": "Accepted", "LISTED": "Accepted", "NEW": "Accepted"}),
        ("reject", {"SEEN": "Invalid", "LISTED": "Invalid", "NEW": "Invalid"}),
    ],
)
async def test_tokens_are_judged_by_policy_while_the_operator_is_away(
    tmp_path: Path, version: str, policy: str, verdicts: dict[str, str]
) -> None:
    """`cached` knows whom the operator accepted, `list` the configured ones.

    Tokens of OCPP are the same in capitals and in small letters.
    """
    site = Site(tmp_path, version=version, policy=policy, tokens=("LISTED",))
    accepted = {"status": "Accepted"}
    site.central.answers["Authorize"] = (
        {"idTagInfo": accepted} if version == "ocpp1.6" else {"idTokenInfo": accepted}
    )
    await site.open_central()
    await site.start()
    await connect(site)
    await site.pile.call("Authorize", authorize(version, "SEEN"))
    await lose_central(site)

    found = {
        token: verdict(await site.pile.call("Authorize", authorize(version, token)))
        for token in verdicts
    }

    assert found == verdicts
    await site.close()
