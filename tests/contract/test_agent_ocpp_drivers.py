"""Who may charge where no operator's system stands behind the agent, in both versions of OCPP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ocpp_gateway import RawStation, gateway_of, raw_station

VERSIONS = ("ocpp1.6", "ocpp2.0.1")
AT = "2026-11-22T10:00:00Z"
POLICIES = {
    "accept": {"LISTED": "Accepted", "NEW": "Accepted"},
    "list": {"listed": "Accepted", "NEW": "Invalid"},
    "reject": {"LISTED": "Invalid", "NEW": "Invalid"},
}


async def authorized(station: RawStation, version: str, token: str) -> str:
    """What an Authorize is answered."""
    if version == "ocpp1.6":
        answer = await station.call("Authorize", {"idTag": token})
        return str(answer["idTagInfo"]["status"])
    asked = {"idToken": {"idToken": token, "type": "ISO14443"}}
    answer = await station.call("Authorize", asked)
    return str(answer["idTokenInfo"]["status"])


async def begun(station: RawStation, version: str, token: str, evse: int) -> str:
    """What the begin of a transaction is answered about its driver."""
    if version == "ocpp1.6":
        asked = {"connectorId": evse, "idTag": token, "meterStart": 0, "timestamp": AT}
        answer = await station.call("StartTransaction", asked)
        assert answer["transactionId"] > 0
        return str(answer["idTagInfo"]["status"])
    told: dict[str, Any] = {"eventType": "Started", "timestamp": AT, "seqNo": 0}
    more = {"triggerReason": "Authorized", "transactionInfo": {"transactionId": f"t-{token}"}}
    who = {"idToken": {"idToken": token, "type": "ISO14443"}, "evse": {"id": evse}}
    answer = await station.call("TransactionEvent", {**told, **more, **who})
    return str(answer["idTokenInfo"]["status"])


async def ended(station: RawStation, version: str, token: str) -> str:
    """What the end of a transaction is answered about its driver."""
    if version == "ocpp1.6":
        asked = {"transactionId": 1, "meterStop": 5, "timestamp": AT, "idTag": token}
        answer = await station.call("StopTransaction", asked)
        return str(answer["idTagInfo"]["status"])
    told: dict[str, Any] = {"eventType": "Ended", "timestamp": AT, "seqNo": 1}
    info = {"transactionId": f"t-{token}", "stoppedReason": "Local"}
    more = {"triggerReason": "StopAuthorized", "transactionInfo": info}
    who = {"idToken": {"idToken": token, "type": "ISO14443"}}
    answer = await station.call("TransactionEvent", {**told, **more, **who})
    return str(answer["idTokenInfo"]["status"])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("version", VERSIONS)
async def test_driver_is_judged_by_the_configured_policy(
    tmp_path: Path, version: str, policy: str
) -> None:
    """Authorize and the begin of a transaction agree; whoever stops is always let go."""
    expected = POLICIES[policy]
    async with (
        gateway_of(tmp_path, version, authorize=policy, id_tags=frozenset({"LISTED"})) as gateway,
        raw_station(gateway) as station,
    ):
        asked = {token: await authorized(station, version, token) for token in expected}
        told = {
            token: await begun(station, version, token, number)
            for number, token in enumerate(expected, 1)
        }
        stopped = await ended(station, version, "NEW")

    assert asked == told == expected
    assert stopped == "Accepted"


@pytest.mark.parametrize("version", VERSIONS)
async def test_begin_is_kept_whoever_the_driver_is(tmp_path: Path, version: str) -> None:
    """A refused driver's transaction is a session all the same: energy may have flowed."""
    async with (
        gateway_of(tmp_path, version, authorize="reject") as gateway,
        raw_station(gateway) as station,
    ):
        await begun(station, version, "NEW", 1)
        kinds = [record.kind.name for record in await gateway.records()]

    assert "SESSION_START" in kinds
