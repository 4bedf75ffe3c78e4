"""Transactions of 2.0.1 as their events tell them: triggers, numbers, start and stop points."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from example_system import ExampleSystem
from ocpp.v201 import call
from ocpp_simulator import SimulatedStation, simulated

ANNA = {"id_token": "ANNA", "type": "Central"}
FROM_PLUG_TO_PLUG = (
    '[pile.ocpp]\nsettings = { "TxCtrlr.TxStartPoint" = "EVConnected", '
    '"TxCtrlr.TxStopPoint" = "EVConnected" }'
)


class Story:
    """A station, its central system, and what it told of its transactions."""

    def __init__(self, system: ExampleSystem, station: SimulatedStation) -> None:
        self.system = system
        self.station = station

    async def until(self, kind: str, trigger: str) -> dict[str, Any]:
        """The first event of that kind with that trigger."""
        return await self.system.wait_for("TransactionEvent", eventType=kind, triggerReason=trigger)

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events so far, samples left out."""
        told = self.system.heard("TransactionEvent")
        return [event for event in told if event["triggerReason"] != "MeterValuePeriodic"]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Any]:
    """Starts a station with some lines in its table."""
    async with AsyncExitStack() as stack:
        system = ExampleSystem("ocpp2.0.1")
        await system.open()
        stack.push_async_callback(system.close)

        async def start(*lines: str) -> Story:
            station = await stack.enter_async_context(
                simulated(tmp_path, "ocpp2.0.1", system.url(), *lines, mode="stepped")
            )
            await system.until(lambda: len(system.heard("StatusNotification")) >= 2)
            return Story(system, station)

        yield start
        assert system.wrong == []


async def test_events_are_numbered_and_say_what_triggered_them(begin: Any) -> None:
    """A driver who is accepted at the plug: Authorized, then what the car does, then the end."""
    story = await begin()

    await story.station.plug(1, "ANNA")
    await story.until("Started", "Authorized")
    await story.station.advance(60)
    await story.until("Updated", "ChargingStateChanged")
    await story.station.unplug(1)
    await story.until("Ended", "EVCommunicationLost")

    told = story.system.heard("TransactionEvent")
    assert [event["seqNo"] for event in told] == list(range(len(told)))
    assert {event["transactionInfo"]["transactionId"] for event in told} == {
        told[0]["transactionInfo"]["transactionId"]
    }
    assert told[-1]["transactionInfo"]["stoppedReason"] == "EVDisconnected"
    assert not any(event["offline"] for event in told)


async def test_remote_start_carries_its_number_and_stop_its_reason(begin: Any) -> None:
    """The id of the request is in the event; a remote stop is the trigger of the end."""
    story = await begin()
    answer = await story.system.ask(call.RequestStartTransaction(ANNA, 77, 1))
    await story.station.plug(1)

    start = await story.until("Started", "RemoteStart")
    name = start["transactionInfo"]["transactionId"]
    await story.system.ask(call.RequestStopTransaction(name))
    end = await story.until("Ended", "RemoteStop")

    assert str(answer.status) == "Accepted"
    assert start["transactionInfo"]["remoteStartId"] == 77
    assert end["transactionInfo"]["stoppedReason"] == "Remote"


async def test_transaction_may_last_from_plug_to_plug(begin: Any) -> None:
    """It starts with the cable, is authorised later, and ends when the cable is out."""
    story = await begin(FROM_PLUG_TO_PLUG)

    await story.station.plug(1, "ANNA")
    start = await story.until("Started", "CablePluggedIn")
    authorised = await story.until("Updated", "Authorized")
    name = start["transactionInfo"]["transactionId"]
    await story.system.ask(call.RequestStopTransaction(name))
    stopped = await story.until("Updated", "RemoteStop")
    await story.station.unplug(1)
    end = await story.until("Ended", "EVCommunicationLost")

    assert "idToken" not in start
    assert authorised["idToken"]["idToken"] == "ANNA"
    assert stopped["transactionInfo"]["chargingState"] == "EVConnected"
    assert end["transactionInfo"]["stoppedReason"] == "Remote"
    assert [event["seqNo"] for event in story.events] == sorted(e["seqNo"] for e in story.events)


async def test_driver_refused_at_the_start_is_deauthorised(begin: Any) -> None:
    """StopTxOnInvalidId ends what the central system does not want; without it it goes on."""
    story = await begin('quirks = ["no_boot"]')
    story.system.verdicts[""] = "Invalid"

    await story.station.plug(1)
    end = await story.until("Ended", "Deauthorized")

    assert end["transactionInfo"]["stoppedReason"] == "DeAuthorized"


async def test_reservation_that_lapses_is_told(begin: Any) -> None:
    """Expired when its time is over; one that is cancelled needs no word."""
    story = await begin()
    until = (datetime.now(UTC) + timedelta(seconds=90)).isoformat()
    await story.system.ask(call.ReserveNow(5, until, ANNA, evse_id=1))
    await story.system.ask(call.ReserveNow(6, until, ANNA, evse_id=2))
    await story.system.ask(call.CancelReservation(6))

    await story.station.advance(120)
    await story.system.wait_for("ReservationStatusUpdate")

    told = story.system.heard("ReservationStatusUpdate")
    assert told == [{"reservationId": 5, "reservationUpdateStatus": "Expired"}]


async def test_status_of_a_transaction_and_its_queue_is_known(begin: Any) -> None:
    """What runs is ongoing, what is unknown is not, and nothing waits while all is told."""
    story = await begin()
    await story.station.plug(1, "ANNA")
    start = await story.until("Started", "Authorized")
    name = start["transactionInfo"]["transactionId"]

    running = await story.system.ask(call.GetTransactionStatus(name))
    unknown = await story.system.ask(call.GetTransactionStatus("nothing"))

    assert (running.ongoing_indicator, unknown.ongoing_indicator) == (True, False)


async def test_reports_come_in_parts_and_by_component(begin: Any) -> None:
    """A whole inventory in several messages, the variables of one component, or none."""
    story = await begin()
    wish = [{"component": {"name": "TxCtrlr"}}]

    await story.system.ask(call.GetBaseReport(1, "FullInventory"))
    await story.system.wait_for("NotifyReport", tbc=False)
    parts = story.system.heard("NotifyReport")
    await story.system.ask(call.GetReport(2, component_variable=wish))
    some = await story.system.wait_for("NotifyReport", requestId=2)
    none = await story.system.ask(
        call.GetReport(3, component_variable=[{"component": {"name": "X"}}])
    )

    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert len(parts) > 1
    assert {data["component"]["name"] for data in some["reportData"]} == {"TxCtrlr"}
    assert str(none.status) == "EmptyResultSet"
