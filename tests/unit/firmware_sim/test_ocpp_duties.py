"""What charge points owe a central system, in both versions."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from example_system import ExampleSystem
from ocpp.v16 import call as call16
from ocpp.v201 import call as call201
from ocpp_simulator import SimulatedStation, simulated

VERSIONS = ("ocpp1.6", "ocpp2.0.1")


class Scene:
    """A station of one version and its central system; `is_old` is 1.6."""

    def __init__(self, folder: Path, version: str, stack: AsyncExitStack) -> None:
        self.system = ExampleSystem(version)
        self.is_old = version == "ocpp1.6"
        self.station: SimulatedStation
        self._folder, self._version, self._stack = folder, version, stack

    async def begin(self, *own: str) -> Scene:
        """Starts both and waits for the statuses; `own` are lines of the pile's OCPP table."""
        lines = ("[pile.ocpp]", "job_step_s = 0.02", *own)
        await self.system.open()
        self._stack.push_async_callback(self.system.close)
        self.station = await self._stack.enter_async_context(
            simulated(self._folder, self._version, self.system.url(), *lines, mode="stepped")
        )
        told = 3 if self.is_old else 2
        await self.system.until(lambda: len(self.system.heard("StatusNotification")) >= told)
        return self

    def either(self, old: Callable[[], Any], new: Callable[[], Any]) -> Any:
        """The request of this version."""
        return old() if self.is_old else new()

    async def sets(self, old: str, new: str, value: str) -> str:
        """Changes a setting; gives the answer."""
        if self.is_old:
            return str((await self.system.ask(call16.ChangeConfiguration(old, value))).status)
        component, _, variable = new.partition(".")
        wish = {"component": {"name": component}, "variable": {"name": variable}}
        answer = await self.system.ask(call201.SetVariables([{**wish, "attribute_value": value}]))
        return str(answer.set_variable_result[0]["attribute_status"])

    async def lists(self, version: int, kind: str, words: dict[str, str]) -> str:
        """Sends a local list; gives the answer."""
        if self.is_old:
            told = [{"id_tag": t, "id_tag_info": {"status": s}} for t, s in words.items()]
            answer = await self.system.ask(call16.SendLocalList(version, kind, told))
        else:
            told = [
                {"id_token": {"id_token": t, "type": "Central"}, "id_token_info": {"status": s}}
                for t, s in words.items()
            ]
            answer = await self.system.ask(call201.SendLocalList(version, kind, told))
        return str(answer.status)

    async def begun(self, count: int = 1) -> list[dict[str, Any]]:
        """The starts of transactions, once there are so many."""

        def starts() -> list[dict[str, Any]]:
            events = self.system.heard("TransactionEvent")
            found = self.system.heard("StartTransaction")
            return found + [e for e in events if e["eventType"] == "Started"]

        await self.system.until(lambda: len(starts()) >= count)
        return starts()

    async def ended(self) -> dict[str, Any]:
        """The first end of a transaction."""
        if self.is_old:
            return await self.system.wait_for("StopTransaction")
        return await self.system.wait_for("TransactionEvent", eventType="Ended")

    async def away(self) -> None:
        """The link is gone."""
        await self.station.inject("wire:disconnect")
        face = self.station.simulator._ocpp["B-01"]
        async with asyncio.timeout(60):
            while getattr(face, "_journal").online:  # noqa: B009
                await asyncio.sleep(0.01)

    async def settled(self) -> None:
        """All that was due has been told."""
        beat = self.either(
            lambda: call16.TriggerMessage("Heartbeat"), lambda: call201.TriggerMessage("Heartbeat")
        )
        before = len(self.system.heard("Heartbeat"))
        await self.system.ask(beat)
        await self.system.until(lambda: len(self.system.heard("Heartbeat")) > before)

    def power_kw(self) -> float:
        """What the first EVSE gives now."""
        return self.station.simulator.fleet.evse("B-01*1").power_kw


@pytest.fixture(params=VERSIONS)
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """One of each version, not begun; at its end no frame was outside of the schemas."""
    async with AsyncExitStack() as stack:
        made = Scene(tmp_path, request.param, stack)
        yield made
    assert made.system.wrong == []


def token_of(start: dict[str, Any]) -> str:
    """The driver of a start."""
    return str(start.get("idTag") or start["idToken"]["idToken"])


def later(seconds: float) -> str:
    """An instant of the piles' clock, which stands still since the test began."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def test_pending_station_says_only_what_it_is_asked_for(scene: Scene) -> None:
    """It answers, sends what is triggered, waits its interval, and boots again until accepted."""
    pending = {"status": "Pending", "interval": 1}
    scene.system.boot_answers = [pending]
    task = asyncio.create_task(scene.begin(), name="test:begin")
    await scene.system.until(lambda: scene.system.heard("BootNotification"))
    await scene.settled()
    early = {action for action, _ in scene.system.calls}
    await task

    assert early == {"BootNotification", "Heartbeat"}
    assert len(scene.system.heard("BootNotification")) == 2


@pytest.mark.slow
async def test_rejected_station_waits_the_interval_in_silence(scene: Scene) -> None:
    """Nothing is said between two boots."""
    scene.system.boot_answers = [{"status": "Rejected", "interval": 1}]
    began_s = asyncio.get_running_loop().time()

    await scene.begin()

    assert [action for action, _ in scene.system.calls][:2] == ["BootNotification"] * 2
    assert asyncio.get_running_loop().time() - began_s >= 1.0


async def test_local_list_is_replaced_changed_and_versioned(scene: Scene) -> None:
    """Full and differential updates, a version that is too old, and one out of nothing."""
    await scene.begin()
    version = scene.either(call16.GetLocalListVersion, call201.GetLocalListVersion)

    none = await scene.system.ask(version)
    full = await scene.lists(3, "Full", {"ANNA": "Accepted", "BERT": "Blocked"})
    change = await scene.lists(4, "Differential", {"CARL": "Accepted"})
    old = await scene.lists(4, "Differential", {"DORA": "Accepted"})
    now = await scene.system.ask(version)

    field = "list_version" if scene.is_old else "version_number"
    assert (getattr(none, field), getattr(now, field)) == (0, 4)
    assert (full, change, old) == ("Accepted", "Accepted", "VersionMismatch")


async def test_listed_driver_is_let_on_offline_and_a_blocked_one_is_not(scene: Scene) -> None:
    """Without the link the list decides; who is in nobody's list depends on a setting."""
    await scene.begin()
    await scene.lists(1, "Full", {"ANNA": "Accepted", "BERT": "Blocked"})
    await scene.sets(
        "AllowOfflineTxForUnknownId", "AuthCtrlr.OfflineTxForUnknownIdEnabled", "false"
    )
    await scene.away()
    await scene.station.plug(1, "BERT")
    await scene.station.unplug(1)
    await scene.station.plug(1, "STRANGER")
    await scene.station.unplug(1)
    await scene.station.plug(1, "ANNA")
    await scene.station.plug(2, "ANNA")
    await scene.station.clear()

    starts = await scene.begun(2)

    assert [token_of(start) for start in starts] == ["ANNA", "ANNA"]
    assert scene.system.heard("Authorize") == []
    if not scene.is_old:
        assert all(start["offline"] for start in starts)


async def test_known_driver_is_let_on_without_asking_first(scene: Scene) -> None:
    """With LocalPreAuthorize the cache answers, until it is cleared."""
    await scene.begin()
    await scene.sets("LocalPreAuthorize", "AuthCtrlr.LocalPreAuthorize", "true")
    clear = scene.either(call16.ClearCache, call201.ClearCache)

    await scene.station.plug(1, "ANNA")
    await scene.begun()
    await scene.settled()
    await scene.station.unplug(1)
    await scene.station.plug(1, "ANNA")
    await scene.begun(2)
    await scene.settled()
    asked = len(scene.system.heard("Authorize"))
    cleared = await scene.system.ask(clear)
    await scene.station.plug(2, "ANNA")
    await scene.begun(3)

    assert str(cleared.status) == "Accepted"
    assert (asked, len(scene.system.heard("Authorize"))) == (1, 2)


async def test_status_that_does_not_last_is_not_told(tmp_path: Path) -> None:
    """MinimumStatusDuration: a car that comes and goes at once is never heard of."""
    async with AsyncExitStack() as stack:
        scene = await Scene(tmp_path, "ocpp1.6", stack).begin(
            'settings = { MinimumStatusDuration = "1" }'
        )
        before = len(scene.system.heard("StatusNotification"))
        await scene.station.plug(1, "ANNA")
        await scene.station.unplug(1)
        await scene.station.plug(2, "BERT")

        await scene.system.wait_for("StatusNotification", before, connectorId=2)

        told = scene.system.heard("StatusNotification")[before:]
        assert {status["connectorId"] for status in told} == {2}


async def test_meters_are_read_when_the_clock_is_full(scene: Scene) -> None:
    """Each full interval every connector is read, with or without a transaction."""
    await scene.begin()
    await scene.station.plug(1)
    await scene.begun()
    await scene.sets("ClockAlignedDataInterval", "AlignedDataCtrlr.Interval", "900")
    await asyncio.sleep(0.6)  # two beats of the pulse: the interval is known now
    await scene.station.advance(900)

    idle = await scene.system.wait_for(
        "MeterValues", **({"connectorId": 2} if scene.is_old else {"evseId": 2})
    )
    if scene.is_old:
        running = await scene.system.wait_for("MeterValues", connectorId=1)
        assert running["transactionId"] == 1
    else:
        running = await scene.system.wait_for("TransactionEvent", triggerReason="MeterValueClock")
    contexts = {
        sample["context"]
        for told in (idle, running)
        for value in told["meterValue"]
        for sample in value["sampledValue"]
    }
    assert contexts == {"Sample.Clock"}


async def test_begin_and_end_are_signed_by_the_meter(scene: Scene) -> None:
    """Readings in OCMF whose signatures hold against the meter's public key."""
    await scene.begin("signed_meter = true")
    await scene.station.plug(1)
    await scene.begun()
    await scene.station.advance(600)
    await scene.station.unplug(1)
    end = await scene.ended()

    key = ""
    if scene.is_old:
        samples = [s for value in end["transactionData"] for s in value["sampledValue"]]
        texts = [s["value"] for s in samples if s.get("format") == "SignedData"]
    else:
        values = [v for event in (*await scene.begun(), end) for v in event["meterValue"]]
        samples = [s for value in values for s in value["sampledValue"]]
        sealed = [s["signedMeterValue"] for s in samples if "signedMeterValue" in s]
        texts, key = [s["signedMeterData"] for s in sealed], sealed[0]["publicKey"]
    bodies = [json.loads(text.split("|")[1]) for text in texts]
    assert [body["RD"][0]["TX"] for body in bodies] == ["B", "E"]
    assert bodies[1]["RD"][0]["RV"] > bodies[0]["RD"][0]["RV"]
    if key:
        check(texts[0], key)


def check(ocmf: str, key: str) -> None:
    """Holds a signature against the key; raises where it does not fit."""
    _, body, seal = ocmf.split("|")
    public = serialization.load_der_public_key(base64.b64decode(key))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    signature = bytes.fromhex(json.loads(seal)["SD"])
    public.verify(signature, body.encode(), ec.ECDSA(hashes.SHA256()))


async def test_message_is_tried_again_as_often_as_set(scene: Scene) -> None:
    """Attempts and the interval between them are the central system's to set."""
    await scene.begin()
    await scene.sets("TransactionMessageAttempts", "OCPPCommCtrlr.MessageAttempts", "2")
    await scene.sets("TransactionMessageRetryInterval", "OCPPCommCtrlr.MessageAttemptInterval", "0")
    action = "StartTransaction" if scene.is_old else "TransactionEvent"
    del scene.system.stations[-1].route_map[action]

    await scene.station.plug(1)
    await scene.system.until(lambda: len(scene.system.heard(action)) >= 2)
    await scene.settled()

    first = [p for p in scene.system.heard(action) if p.get("eventType", "Started") == "Started"]
    scene.system.wrong.clear()  # the refusals above were meant
    assert len(first) == 2


async def test_reset_comes_after_what_waits_or_after_the_car(scene: Scene) -> None:
    """Soft: what ended is told, then the station boots; OnIdle: it waits for the transaction."""
    await scene.begin()
    await scene.station.plug(1)
    await scene.begun()
    await scene.settled()

    answer = await scene.system.ask(
        scene.either(lambda: call16.Reset("Soft"), lambda: call201.Reset("OnIdle"))
    )
    if scene.is_old:
        stop = await scene.system.wait_for("StopTransaction")
        await scene.system.until(lambda: len(scene.system.heard("BootNotification")) == 2)
        order = [action for action, _ in scene.system.calls]
        assert stop["reason"] == "SoftReset"
        assert order.index("StopTransaction") < len(order) - order[::-1].index("BootNotification")
        assert str(answer.status) == "Accepted"
    else:
        await scene.settled()
        early = len(scene.system.heard("BootNotification"))
        await scene.station.unplug(1)
        boot = await scene.system.wait_for("BootNotification", 1)
        assert (str(answer.status), early) == ("Scheduled", 1)
        assert boot["reason"] == "ScheduledReset"


async def test_connector_is_unlocked_unless_its_lock_is_stuck(scene: Scene) -> None:
    """A lock that fails says so, an unknown connector has its own word."""
    await scene.begin()

    def unlock(number: int) -> Any:
        return scene.either(
            lambda: call16.UnlockConnector(number), lambda: call201.UnlockConnector(number, 1)
        )

    good = await scene.system.ask(unlock(1))
    unknown = await scene.system.ask(unlock(9))
    await scene.station.inject("ConnectorLockFailure", 2)
    stuck = await scene.system.ask(unlock(2))

    assert str(good.status) == "Unlocked"
    assert str(unknown.status) == ("NotSupported" if scene.is_old else "UnknownConnector")
    assert str(stuck.status) == "UnlockFailed"


async def test_firmware_and_logs_go_through_their_statuses(scene: Scene) -> None:
    """Downloading to Installed, Uploading to Uploaded; an unreachable place fails."""
    await scene.begin()

    def update(host: str) -> Any:
        place, at = f"ftp://{host}.test/fw", later(-5)
        return scene.either(
            lambda: call16.UpdateFirmware(place, at),
            lambda: call201.UpdateFirmware(7, {"location": place, "retrieve_date_time": at}),
        )

    def statuses(action: str) -> list[str]:
        return [told["status"] for told in scene.system.heard(action)]

    await scene.system.ask(update("ok"))
    await scene.system.wait_for("FirmwareStatusNotification", status="Installed")
    good = statuses("FirmwareStatusNotification")
    await scene.system.ask(update("unreachable"))
    await scene.system.wait_for("FirmwareStatusNotification", status="DownloadFailed")
    place = {"remote_location": "ftp://ok.test/"}
    log = (call16 if scene.is_old else call201).GetLog(place, "DiagnosticsLog", 8)
    answer = await scene.system.ask(log)
    await scene.system.wait_for("LogStatusNotification", status="Uploaded")

    assert good == ["Downloading", "Downloaded", "Installing", "Installed"]
    assert str(answer.status) == "Accepted"
    assert answer.filename
    assert statuses("LogStatusNotification") == ["Uploading", "Uploaded"]


async def test_reservation_of_no_connector_in_particular(scene: Scene) -> None:
    """Where that is supported one that is free is kept; where not, it is refused."""
    await scene.begin()
    wish = scene.either(
        lambda: call16.ReserveNow(0, later(600), "MINE", 5),
        lambda: call201.ReserveNow(5, later(600), {"id_token": "MINE", "type": "Central"}),
    )
    settings = getattr(scene.station.simulator._ocpp["B-01"], "_desk").settings  # noqa: B009
    name = "ReserveConnectorZeroSupported" if scene.is_old else "ReservationCtrlr.NonEvseSpecific"
    settings.put(name, "false")

    refused = await scene.system.ask(wish)
    settings.put(name, "true")
    await scene.station.plug(1, "")
    kept = await scene.system.ask(wish)

    held = [e.reservation for e in scene.station.simulator.fleet.pile("B-01").evses]
    assert (str(refused.status), str(kept.status)) == ("Rejected", "Accepted")
    assert held[0] is None
    assert held[1] is not None


async def test_fault_is_told_in_the_words_of_the_code_set(scene: Scene) -> None:
    """1.6 names error, vendor code and vendor; 2.0.1 sends the event, and another when it ends."""
    await scene.begin()

    await scene.station.inject("GroundFailure")
    if scene.is_old:
        told = await scene.system.wait_for("StatusNotification", errorCode="GroundFailure")
        assert (told["vendorErrorCode"], told["vendorId"]) == ("CX002", "https://chargex.inl.gov")
        return
    await scene.station.clear()
    await scene.system.until(lambda: len(scene.system.heard("NotifyEvent")) == 2)

    begun, over = [told["eventData"][0] for told in scene.system.heard("NotifyEvent")]
    assert (begun["techCode"], begun["techInfo"]) == ("CX002", "GroundFailure")
    assert begun["component"]["name"] == "GroundIsolationProtection"
    assert (begun["cleared"], over["cleared"]) == (False, True)
