"""Bad habits of charge points, each switched on by the bench, as a listener has them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ocpp_simulator import SimulatedStation, simulated
from raw_system import Message, RawSystem

VERSIONS = ("ocpp1.6", "ocpp2.0.1")


class Wire:
    """A charge point and the listener that it dials."""

    def __init__(self, system: RawSystem, station: SimulatedStation) -> None:
        self.system = system
        self.station = station
        self.is_old = system.subprotocol == "ocpp1.6"

    async def triggered(self, message: str) -> dict[str, Any]:
        """The payload of a message that was asked for."""
        before = len(self.system.heard)
        wish = {"requestedMessage": message}
        where = {"connectorId": 1} if self.is_old else {"evse": {"id": 1}}
        await self.system.say([2, f"t{before}", "TriggerMessage", wish | where])
        told = await self.system.until(
            lambda m: isinstance(m.frame, list) and m.frame[0] == 2 and m.frame[2] == message,
            before,
        )
        payload: dict[str, Any] = told.frame[3]
        return payload

    async def samples(self) -> list[dict[str, Any]]:
        """What the meter shows when asked."""
        told = await self.triggered("MeterValues")
        values: list[dict[str, Any]] = told["meterValue"][0]["sampledValue"]
        return values

    def told(self, *actions: str) -> list[dict[str, Any]]:
        """The payloads of all calls of some actions, in their order."""
        return [m.frame[3] for m in self.system.heard if any(m.calls(a) for a in actions)]

    async def ended(self) -> dict[str, Any]:
        """The end of a transaction."""
        if self.is_old:
            return await self.system.call("StopTransaction")
        return await self.system.call("TransactionEvent", eventType="Ended")

    async def come_back(self) -> None:
        """Loses the link for a moment."""
        before = len(self.system.connections)
        await self.station.inject("wire:disconnect")
        await self.station.cleared("wire:disconnect")
        await self.system.holds(lambda: len(self.system.connections) > before)
        await self.system.until(lambda m: m.connection > before and m.calls("StatusNotification"))


@pytest.fixture(params=VERSIONS)
async def wire(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Wire]:
    """A charge point of each version that has told its statuses, with a clock set by hand."""
    system = RawSystem(request.param)
    await system.open()
    async with simulated(tmp_path, request.param, system.url(), mode="stepped") as station:
        await system.until(_is_status_of_two)
        yield Wire(system, station)
    await system.close()


def _is_status_of_two(message: Message) -> bool:
    fields = message.frame[3] if message.calls("StatusNotification") else {}
    return 2 in (fields.get("evseId"), fields.get("connectorId"))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


async def test_lost_link_is_followed_by_a_boot_only_where_that_is_the_habit(wire: Wire) -> None:
    """Without the habit statuses come first; with it the station introduces itself again."""
    await wire.come_back()
    without = len(wire.told("BootNotification"))
    await wire.station.inject("ocpp:boots_again")

    await wire.come_back()

    assert (without, len(wire.told("BootNotification"))) == (1, 2)


async def test_boot_storm_goes_on_though_accepted(wire: Wire) -> None:
    """Boot after boot on one connection, until the habit is cleared."""
    await wire.station.inject("ocpp:boot_storm:0.05")

    await wire.system.holds(lambda: len(wire.told("BootNotification")) >= 4)

    assert len(wire.system.connections) == 1


@pytest.mark.parametrize(
    ("habit", "offset"),
    [
        ("clock:-3600", timedelta(hours=-1)),
        ("stamps_local", timedelta(hours=2)),
        ("stamps_offset", timedelta()),
    ],
)
async def test_clock_is_wrong_by_what_the_habit_says(
    wire: Wire, habit: str, offset: timedelta
) -> None:
    """The stamp of a status is off by so much; an offset without minutes still means the same."""
    right = _instant((await wire.triggered("StatusNotification"))["timestamp"])
    await wire.station.inject(f"ocpp:{habit}")

    text = (await wire.triggered("StatusNotification"))["timestamp"]

    assert _instant(text.removesuffix("+02") + "+02:00" if text.endswith("+02") else text) == (
        right + offset
    )


async def test_clock_drifts_was_never_set_or_has_no_zone(wire: Wire) -> None:
    """It gains with time, shows 1970, or leaves the zone out."""
    right = _instant((await wire.triggered("StatusNotification"))["timestamp"])
    await wire.station.inject("ocpp:clock_drift:1000")
    await wire.station.advance(1000)
    drifted = _instant((await wire.triggered("StatusNotification"))["timestamp"])
    await wire.station.clear()
    await wire.station.inject("ocpp:stamps_1970")
    never = (await wire.triggered("StatusNotification"))["timestamp"]
    await wire.station.clear()
    await wire.station.inject("ocpp:stamps_no_zone")
    bare = (await wire.triggered("StatusNotification"))["timestamp"]

    assert drifted == right + timedelta(seconds=1001)
    assert never.startswith("1970-01-01T")
    assert datetime.fromisoformat(bare).tzinfo is None


async def test_ids_are_the_same_or_counted_anew(wire: Wire) -> None:
    """Two calls with one id; after a lost link the count begins again."""
    await wire.station.inject("ocpp:same_ids")
    for _ in range(2):
        await wire.triggered("Heartbeat")
    same = [m.frame[1] for m in wire.system.heard if m.calls("Heartbeat")]
    await wire.station.clear()
    await wire.station.inject("ocpp:counted_ids")
    await wire.come_back()
    await wire.system.until(lambda m: m.connection == 2 and _is_status_of_two(m))

    second = [m.frame[1] for m in wire.system.heard if m.connection == 2 and len(m.frame) == 4]

    assert same == ["1", "1"]
    assert second[:2] == ["1", "2"]


async def test_meter_values_are_spoiled_in_three_ways(wire: Wire) -> None:
    """A measurand that does not exist, no units, a decimal comma."""
    await wire.station.plug()
    await wire.station.inject("ocpp:unknown_measurand")
    strange = {s["measurand"] for s in await wire.samples()}
    await wire.station.clear()
    await wire.station.inject("ocpp:no_unit")
    bare = await wire.samples()
    await wire.station.clear()
    await wire.station.inject("ocpp:comma")
    comma = await wire.samples()

    assert "Energy.Total.Delivered" in strange
    assert all("unit" not in s and "unitOfMeasure" not in s for s in bare)
    assert all("," in s["value"] for s in comma)


@pytest.mark.parametrize("name", ["0", "-1"])
async def test_transaction_is_called_what_the_habit_says(wire: Wire, name: str) -> None:
    """The end of the transaction carries that number, whatever the central system gave."""
    await wire.station.inject(f"ocpp:transaction_id:{name}")
    await wire.station.plug()
    await wire.station.unplug()

    end = await wire.ended()

    told = end["transactionId"] if wire.is_old else end["transactionInfo"]["transactionId"]
    assert str(told) == name


async def test_end_comes_without_its_start(wire: Wire) -> None:
    """The start is lost, the end is told."""
    await wire.station.inject("ocpp:stop_without_start")
    await wire.station.plug()
    await wire.station.unplug()

    await wire.ended()

    assert wire.told("StartTransaction") == []
    assert all(e["eventType"] != "Started" for e in wire.told("TransactionEvent"))


async def test_status_of_the_station_alone_is_told(wire: Wire) -> None:
    """Connectors change and only number 0 is heard of."""
    await wire.station.inject("ocpp:only_station_status")
    before = len(wire.told("StatusNotification"))
    await wire.station.plug()
    await wire.triggered("StatusNotification")

    later = wire.told("StatusNotification")[before:]

    assert {s.get("connectorId", s.get("evseId")) for s in later} <= {0}
    assert later


async def test_available_flashes_at_the_end_of_a_transaction(wire: Wire) -> None:
    """A connector whose car is still there says Available first, then what it is."""
    await wire.station.inject("ocpp:flash_available")
    await wire.station.plug()
    begun = await wire.system.until(
        lambda m: m.calls("StartTransaction") or m.calls("TransactionEvent")
    )
    await wire.triggered("Heartbeat")
    key = "transactionId" if wire.is_old else ""
    stop = (
        {key: 7}
        if wire.is_old
        else {"transactionId": begun.frame[3]["transactionInfo"]["transactionId"]}
    )
    before = len(wire.told("StatusNotification"))
    action = "RemoteStopTransaction" if wire.is_old else "RequestStopTransaction"
    await wire.system.say([2, "stop", action, stop])
    await wire.ended()
    await wire.triggered("Heartbeat")

    statuses = [
        s.get("status", s.get("connectorStatus")) for s in wire.told("StatusNotification")[before:]
    ]
    assert statuses[:2] == ["Available", "Finishing" if wire.is_old else "Occupied"]


async def test_what_happens_offline_is_lost_without_a_queue(wire: Wire) -> None:
    """Nothing of an offline transaction is told; the next online one is."""
    await wire.station.inject("ocpp:no_queue")
    await wire.station.inject("wire:disconnect")
    await wire.station.plug()
    await wire.station.unplug()
    await wire.station.cleared("wire:disconnect")
    await wire.system.holds(lambda: len(wire.system.connections) == 2)
    await wire.system.until(lambda m: m.connection == 2 and _is_status_of_two(m))
    await wire.station.plug(2, "LATER")

    await wire.system.until(lambda m: "LATER" in m.text and not m.calls("Authorize"))

    told = wire.told("StartTransaction", "StopTransaction", "TransactionEvent")
    assert not any("FREE" in json.dumps(t) for t in told)
    assert not any(t.get("eventType") == "Ended" for t in told)


async def test_queue_is_told_newest_first(wire: Wire) -> None:
    """After an outage the end comes before its start."""
    await wire.station.inject("ocpp:queue_reversed")
    await wire.station.inject("wire:disconnect")
    await wire.station.plug()
    await wire.station.unplug()
    await wire.station.cleared("wire:disconnect")
    await wire.ended()
    last = "StartTransaction" if wire.is_old else "TransactionEvent"
    await wire.system.until(
        lambda m: m.calls(last) and m.frame[3].get("eventType", "Started") == "Started"
    )

    told = wire.told("StartTransaction", "StopTransaction", "TransactionEvent")
    assert "meterStop" in told[0] or told[0].get("eventType") == "Ended"


@pytest.mark.parametrize("lost", [False, True])
async def test_power_cut_ends_what_runs_and_may_lose_what_waited(wire: Wire, lost: bool) -> None:
    """The link falls; after the start the station boots and tells the end, unless that was lost."""
    await wire.station.plug()
    await wire.system.until(lambda m: m.calls("StartTransaction") or m.calls("TransactionEvent"))
    await wire.triggered("Heartbeat")
    if lost:
        await wire.station.inject("ocpp:queue_lost")
    await wire.station.inject("wire:disconnect")
    await wire.station.plug(2, "OFFLINE")
    await wire.station.inject("ocpp:power_cut")
    await wire.station.cleared("wire:disconnect")
    await wire.station.advance(30)
    await wire.station.cleared("ocpp:power_cut")
    await wire.station.advance(30)

    boot = await wire.system.until(lambda m: m.connection == 2 and m.calls("BootNotification"))
    if not lost:
        await wire.system.until(lambda m: m.connection == 2 and "OFFLINE" in m.text)
    end = await wire.ended()

    reason = end.get("reason") or end["transactionInfo"]["stoppedReason"]
    assert reason == "PowerLoss"
    assert boot.frame[3].get("reason", "PowerUp") == "PowerUp"
    starts = [m for m in wire.system.heard if m.connection == 2 and "OFFLINE" in m.text]
    assert bool(starts) is not lost


async def test_second_connection_comes_under_the_same_identity(wire: Wire) -> None:
    """It says something there while the first one lives, and goes when the habit is cleared."""
    await wire.station.inject("ocpp:duplicate_identity")
    second = await wire.system.until(lambda m: m.connection == 2)
    wish = {"requestedMessage": "StatusNotification"}
    await wire.system.connections[0].send(json.dumps([2, "first", "TriggerMessage", wish]))
    await wire.system.until(lambda m: m.frame[1] == "first" and m.connection == 1)

    await wire.station.clear()
    await asyncio.wait_for(wire.system.connections[1].wait_closed(), 60)

    paths = {c.request.path for c in wire.system.connections if c.request is not None}
    assert second.calls("Heartbeat")
    assert len(paths) == 1
    assert wire.system.connections[0].close_code is None


@pytest.mark.parametrize(
    ("habit", "offered"), [("no_subprotocol", None), ("subprotocol:ocpp1.5", "ocpp1.5")]
)
async def test_handshake_offers_what_the_habit_says(
    tmp_path: Path, habit: str, offered: str | None
) -> None:
    """No sub-protocol at all, or one of another age."""
    system = RawSystem("ocpp1.6", options={"select_subprotocol": lambda *_: offered})
    await system.open()
    async with simulated(tmp_path, "ocpp1.6", system.url(), f'quirks = ["{habit}"]'):
        await system.until(lambda m: m.calls("BootNotification"))
    await system.close()

    assert system.connections[0].request is not None
    assert system.connections[0].request.headers.get("Sec-WebSocket-Protocol") == offered


@pytest.mark.slow
@pytest.mark.parametrize("habit", ["", "no_ping"])
async def test_pings_are_sent_unless_that_is_the_habit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, habit: str
) -> None:
    """A ping each interval arrives, or none at all."""
    caplog.set_level(logging.DEBUG, "tests.wire")
    system = RawSystem("ocpp1.6", options={"logger": logging.getLogger("tests.wire")})
    await system.open()
    words = f'quirks = ["{habit}"]\n' if habit else ""
    own = words + '[pile.ocpp]\nsettings = { WebSocketPingInterval = "0.1" }'
    async with simulated(tmp_path, "ocpp1.6", system.url(), own):
        await system.until(_is_status_of_two)
        await asyncio.sleep(0.5)
    await system.close()

    pinged = any("< PING" in record.getMessage() for record in caplog.records)
    assert pinged is not bool(habit)


async def test_heartbeats_stop_by_habit(tmp_path: Path) -> None:
    """With an interval of a moment beats come; with the habit none does."""
    system = RawSystem("ocpp1.6")
    await system.open()
    own = '[pile.ocpp]\nsettings = { HeartbeatInterval = "0.05" }'
    system.answers["BootNotification"] = {
        "status": "Accepted", "currentTime": "2026-05-04T10:00:00Z", "interval": 0,
    }  # fmt: skip
    async with simulated(tmp_path, "ocpp1.6", system.url(), own) as station:
        await system.holds(lambda: sum(m.calls("Heartbeat") for m in system.heard) >= 3)
        await station.inject("ocpp:no_heartbeat")
        await system.say([2, "t", "TriggerMessage", {"requestedMessage": "StatusNotification"}])
        await system.until(lambda m: m.frame[1] == "t")
        beats = sum(m.calls("Heartbeat") for m in system.heard)
        await asyncio.sleep(0.2)
    await system.close()

    assert sum(m.calls("Heartbeat") for m in system.heard) <= beats + 1


@pytest.mark.parametrize("word", ["Occupied", "Rejected", "Faulted", "Unavailable"])
async def test_reservation_is_answered_in_the_word_of_the_habit(wire: Wire, word: str) -> None:
    """Every ReserveNow gets the same word."""
    await wire.station.inject(f"ocpp:reserve_{word.lower()}")
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    old = {"connectorId": 1, "expiryDate": later, "idTag": "MINE", "reservationId": 5}
    token = {"idToken": "MINE", "type": "Central"}
    new = {"id": 5, "expiryDateTime": later, "idToken": token, "evseId": 1}
    await wire.system.say([2, "keep", "ReserveNow", old if wire.is_old else new])

    answer = await wire.system.until(lambda m: m.frame[1] == "keep")

    assert answer.frame[2] == {"status": word}
