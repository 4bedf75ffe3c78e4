"""The relay in OCPP 2.0.1: a simulated station before it, the `ocpp` package's server behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from ocpp.v201 import call
from ocpp_simulator import SimulatedStation, simulated
from package_system import PackageSystem
from relay_site import IDENTITY, Site, until

from edge_agent.core.reading import EvseStatus, RecordKind

pytestmark = pytest.mark.slow
EVENT = "TransactionEvent"
HEARTBEAT: Any = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "HeartbeatInterval"},
}


class Scene:
    """Station, relay and operator's system; `wire` is what the station sent and got."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = Site(folder / "agent", version="ocpp2.0.1", policy="accept", configures=False)
        self.far = PackageSystem()
        self.site.central = self.far
        self.station: SimulatedStation
        self._open = AsyncExitStack()

    async def begin(self, *lines: str) -> None:
        """Starts all three; returns when the operator's system answers."""
        await self.site.open_central()
        await self.site.start()
        url = self.site.server.url_of(IDENTITY)
        self.station = await self._open.enter_async_context(
            simulated(self.folder, "ocpp2.0.1", url, *lines, mode="stepped")
        )
        await self.site.until_ready()
        await until(lambda: len(self.far.heard("StatusNotification")) >= 2)

    async def end(self) -> None:
        """Stops all three."""
        await self._open.aclose()
        await self.site.close()

    async def session(self, evse: int = 1, token: str = "") -> None:
        """A car charges for a minute and leaves."""
        await self.station.plug(evse, token)
        await self.station.advance(60)
        await self.station.unplug(evse)
        await self.station.advance(5)

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """TransactionEvents as the operator's system heard them."""
        return self.far.heard(EVENT, since=since)

    async def until_told(self, ends: int) -> None:
        """Waits until the operator's system heard that many transactions end."""
        await until(lambda: [e["eventType"] for e in self.events()].count("Ended") >= ends)
        # Answered as well: else the last one would come again under its id.
        await self.site.until_delivered()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    (tmp_path / "agent").mkdir()
    made = Scene(tmp_path)
    yield made
    await made.end()


def order(events: list[dict[str, Any]]) -> list[tuple[str, list[int]]]:
    """Transactions in the order of arrival, each with its sequence numbers."""
    key = [(e["transactionInfo"]["transactionId"], e["seqNo"]) for e in events]
    return [(name, [n for _, n in told]) for name, told in groupby(key, lambda k: k[0])]


async def test_201_session_passes_between_station_and_operator(scene: Scene) -> None:
    """Boot, statuses and a session reach the operator as sent; its answers reach the station."""
    await scene.begin()

    await scene.session()
    await scene.until_told(1)

    events = scene.events()
    assert len(order(events)) == 1
    numbers = order(events)[0][1]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 3
    assert not any(event["offline"] for event in events)
    boot = scene.far.heard("BootNotification")
    assert [b["chargingStation"]["model"] for b in boot] == ["Simulated"]
    records = await scene.site.spool.call(lambda file: file.read_run(0, 1 << 62, 500, 1 << 20))
    assert records is not None
    kinds = [record.kind for record in records.records]
    assert kinds.count(RecordKind.SESSION_START) == kinds.count(RecordKind.SESSION_END) == 1


async def test_201_calls_of_the_operator_reach_the_station(scene: Scene) -> None:
    """Variables, availability, reservations and transactions are asked for through the relay."""
    await scene.begin()
    token = {"id_token": "DRIVER", "type": "Central"}

    set_to = await scene.far.ask(call.SetVariables([{"attribute_value": "77", **HEARTBEAT}]))
    got = await scene.far.ask(call.GetVariables([HEARTBEAT]))
    held = await scene.far.ask(call.ReserveNow(5, "2099-01-01T00:00:00Z", token, evse_id=2))
    await until(lambda: scene.site.watch.fused("P1*2").status is EvseStatus.RESERVED)
    freed = await scene.far.ask(call.CancelReservation(5))
    off = await scene.far.ask(call.ChangeAvailability("Inoperative", {"id": 2}))
    await until(lambda: scene.site.watch.fused("P1*2").status is EvseStatus.INOPERATIVE)
    started = await scene.far.ask(call.RequestStartTransaction(token, 9, evse_id=1))
    await scene.station.plug(1)
    await scene.station.advance(5)
    await until(lambda: len(scene.events()) > 0)
    info = scene.events()[0]["transactionInfo"]
    await scene.far.ask(call.RequestStopTransaction(info["transactionId"]))
    await scene.until_told(1)
    triggered = await scene.far.ask(call.TriggerMessage("Heartbeat"))
    await until(lambda: bool(scene.far.heard("Heartbeat")))

    assert set_to.set_variable_result[0]["attribute_status"] == "Accepted"
    assert got.get_variable_result[0]["attribute_value"] == "77"
    assert [held.status, freed.status, off.status] == ["Accepted"] * 3
    assert started.status == "Accepted"
    assert info["remoteStartId"] == 9
    assert scene.events()[-1]["transactionInfo"]["stoppedReason"] == "Remote"
    assert triggered.status == "Accepted"


async def test_201_our_own_calls_and_their_answers_never_go_up(scene: Scene) -> None:
    """Every answer that the operator got was to a call of its own."""
    await scene.begin()
    asked = await scene.site.link.asks.trigger("StatusNotification", 1)
    await scene.far.ask(call.GetVariables([HEARTBEAT]))
    await scene.session()
    await scene.until_told(1)

    assert asked.message == "Accepted"
    mine = {f[1] for far in scene.far.stations for f in far.frames.down if f[0] == 2}
    answered = {f[1] for far in scene.far.stations for f in far.frames.up if f[0] != 2}
    assert answered == mine
    ids = [f[1] for far in scene.far.stations for f in far.frames.up if f[0] == 2]
    assert len(set(ids)) == len(ids)


async def test_201_transaction_events_wait_for_the_operator_in_order(scene: Scene) -> None:
    """Three sessions on two EVSEs while it is away arrive whole, in order, `offline` untouched.

    The boot goes first, as Unknown because the station did not boot; the last status overtakes.
    """
    await scene.begin()
    await scene.session()
    await scene.until_told(1)
    before, links = len(scene.events()), len(scene.far.stations)
    await scene.far.close()
    await scene.site.until_ready(False)

    await scene.session(1)
    await scene.session(2)
    await scene.station.plug(1)
    await scene.station.advance(30)
    await until(lambda: scene.site.link.words[1].state.plugged is True)
    async with asyncio.timeout(60):
        while await scene.site.waiting() < 7:
            await asyncio.sleep(0.02)
    await scene.site.open_central()
    await scene.site.until_ready()
    await scene.site.until_delivered()
    await scene.station.unplug(1)
    await scene.until_told(4)

    after = scene.events()[before:]
    transactions = order(after)
    assert len(transactions) == 3
    for _, numbers in transactions:
        assert numbers == list(range(len(numbers)))
    assert [event["eventType"] for event in after if event["eventType"] != "Updated"] == [
        "Started",
        "Ended",
    ] * 3
    # The station was connected to the agent all the time, and says so.
    assert not any(event["offline"] for event in after)
    back = [f[2] for far in scene.far.stations[links:] for f in far.frames.up if f[0] == 2]
    assert back[:3] == ["BootNotification", "StatusNotification", "StatusNotification"]
    assert back.index(EVENT) > back.index("StatusNotification")
    assert scene.far.heard("BootNotification", since=links)[0]["reason"] == "Unknown"


async def test_201_events_that_the_station_kept_offline_stay_marked(scene: Scene) -> None:
    """What happened while the station had no link keeps `offline` true all the way up."""
    await scene.begin()
    await scene.station.inject("wire:disconnect")
    await until(lambda: scene.site.link.asks is None)
    await scene.session()
    await scene.far.close()
    await scene.site.until_ready(False)
    await scene.station.clear()
    async with asyncio.timeout(60):
        while await scene.site.waiting() < 2:
            await asyncio.sleep(0.02)
    await scene.site.open_central()
    await scene.until_told(1)

    events = scene.events()
    assert all(event["offline"] for event in events)
    assert order(events)[0][1] == list(range(len(events)))


async def test_201_driver_whom_the_operator_refuses_later_is_stopped(scene: Scene) -> None:
    """A transaction that we let begin is ended when the operator says Invalid."""
    await scene.begin()
    scene.far.refused.add("STRANGER")
    await scene.far.close()
    await scene.site.until_ready(False)
    await scene.station.plug(1, "STRANGER")
    await scene.station.advance(30)
    async with asyncio.timeout(60):
        while not await scene.site.waiting():
            await asyncio.sleep(0.02)
    await scene.site.open_central()
    await scene.until_told(1)

    ended = next(event for event in scene.events() if event["eventType"] == "Ended")
    assert ended["transactionInfo"]["stoppedReason"] in ("Remote", "DeAuthorized")


async def test_201_station_that_comes_back_without_a_boot_is_relayed(scene: Scene) -> None:
    """After a lost link its frames go up again over the operator's connection of before."""
    await scene.begin()
    links = len(scene.far.stations)
    await scene.station.inject("wire:disconnect")
    await until(lambda: scene.site.link.asks is None)
    await scene.station.clear()
    await until(lambda: scene.site.link.asks is not None)
    await scene.session()
    await scene.until_told(1)

    assert len(scene.far.stations) - links <= 1
    assert order(scene.events())[0][1][0] == 0
