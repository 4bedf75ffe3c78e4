"""OCPP 2.0.1 messages in the order that no book expects, and the tables behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ocpp.v16.enums import Measurand
from ocpp_gateway import Gateway, gateway_of, raw_station, until

from edge_agent.core.ocpp_meter import MEASURANDS
from edge_agent.core.reading import EvseStatus, RecordKind
from edge_agent.piles.ocpp_pile import token_hash

START, END = RecordKind.SESSION_START, RecordKind.SESSION_END


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway that asks nothing by itself."""
    async with gateway_of(tmp_path, "ocpp2.0.1", settle_s=60.0) as built:
        yield built


def event(gateway: Gateway, kind: str, seq: int, **more: Any) -> dict[str, Any]:
    info = {"transactionId": "T"}
    return {
        "eventType": kind,
        "timestamp": gateway.stamp(),
        "triggerReason": "Authorized",
        "seqNo": seq,
        "transactionInfo": info,
        **more,
    }


def status(gateway: Gateway, word: str, evse: int) -> dict[str, Any]:
    return {
        "timestamp": gateway.stamp(),
        "connectorStatus": word,
        "evseId": evse,
        "connectorId": 0 if evse == 0 else 1,
    }


async def test_session_begins_where_the_cable_is_plugged(gateway: Gateway) -> None:
    """A start without EVSE waits: the session is on the EVSE named later, with the first token."""
    token = {"idToken": "AB", "type": "Central"}
    async with raw_station(gateway) as station:
        await station.call("TransactionEvent", event(gateway, "Started", 0, idToken=token))
        early = await gateway.records(START)
        await station.call("TransactionEvent", event(gateway, "Updated", 1, evse={"id": 2}))
        await station.call("TransactionEvent", event(gateway, "Ended", 2))

    start, end = await gateway.records(START, END)
    assert early == []
    assert (start.evse_id, end.evse_id) == ("B-01*2", "B-01*2")
    assert start.detail is not None
    assert end.detail is not None
    assert start.detail.session_id == end.detail.session_id
    assert start.detail.id_token_hash == token_hash("AB")
    assert start.detail.reason == "NOT_HEARD_YET"  # of the status: no word of it came yet


async def test_evse_0_speaks_for_the_station(gateway: Gateway) -> None:
    """A station that is out of service as a whole takes every EVSE with it, and gives it back."""
    async with raw_station(gateway) as station:
        for evse in (1, 2):
            await station.call("StatusNotification", status(gateway, "Available", evse))
        await station.call("StatusNotification", status(gateway, "Unavailable", 0))
        down = [gateway.status(evse) for evse in (1, 2)]
        await station.call("StatusNotification", status(gateway, "Available", 0))
        await until(lambda: gateway.status(2) is EvseStatus.AVAILABLE)

    assert down == [EvseStatus.INOPERATIVE] * 2


async def test_occupied_evse_is_asked_what_its_transaction_does(tmp_path: Path) -> None:
    """After a reconnect Occupied is not enough: a TransactionEvent is triggered for that EVSE."""
    async with (
        gateway_of(tmp_path, "ocpp2.0.1", settle_s=0.2) as gateway,
        raw_station(gateway, TriggerMessage={"status": "Accepted"}) as station,
    ):
        await station.call("StatusNotification", status(gateway, "Occupied", 1))
        await station.call("StatusNotification", status(gateway, "Available", 2))
        await until(lambda: station.wishes("TriggerMessage"))

    assert station.wishes("TriggerMessage") == [
        {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}
    ]


def test_every_measurand_of_the_standard_is_understood() -> None:
    """The table has the 22 measurands of OCPP 1.6, word for word."""
    assert set(MEASURANDS) == {word.value for word in Measurand}
    assert len(MEASURANDS) == 22
