"""Charge points against central systems like the `ocpp` package's examples, over random scenes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from example_system import ExampleSystem
from ocpp.exceptions import OCPPError
from ocpp_simulator import SimulatedStation, simulated
from station_questions import TOKENS, question_16, question_201

from firmware_sim.core.faults import FAULTS

VERSIONS = ("ocpp1.6", "ocpp2.0.1")
OWN = '[pile.ocpp]\njob_step_s = 0.02\nsigned_meter = true\nsettings = { %s = "0" }'
RETRY = {
    "ocpp1.6": "TransactionMessageRetryInterval",
    "ocpp2.0.1": '"OCPPCommCtrlr.MessageAttemptInterval"',
}


@pytest.fixture(params=VERSIONS)
async def system(request: pytest.FixtureRequest) -> AsyncIterator[ExampleSystem]:
    """An example's central system of each version."""
    made = ExampleSystem(request.param)
    made.verdicts["REFUSED"] = "Invalid"
    await made.open()
    yield made
    await made.close()


async def happen(rng: random.Random, station: SimulatedStation) -> None:
    """Something happens at the pile; what is not possible now does not."""
    evse = rng.choice((1, 2))
    acts = (
        lambda: station.plug(evse, rng.choice(("", *TOKENS))),
        lambda: station.plug(evse, rng.choice(("", *TOKENS))),
        lambda: station.unplug(evse),
        lambda: station.inject(rng.choice(tuple(FAULTS)), evse),
        lambda: station.clear(evse),
        lambda: station.clear(evse),
    )
    try:
        await rng.choice(acts)()
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
            raise


async def play(system: ExampleSystem, station: SimulatedStation, seed: int, steps: int) -> None:
    """Asks and acts at random; the link is lost at times."""
    rng = random.Random(seed)
    ask = question_16 if system.version == "ocpp1.6" else question_201
    for number in range(1, steps + 1):
        if number % 40 == 0:
            before = len(system.stations)
            await station.inject("wire:disconnect")
            await happen(rng, station)
            await station.clear()
            await system.until(lambda before=before: len(system.stations) > before)
        if rng.random() < 0.4:
            await happen(rng, station)
            continue
        question: Any = ask(rng, number)
        try:
            await system.ask(question)
        except OCPPError as error:
            raise AssertionError(f"{question} was answered with {error!r}") from error
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_frame_of_a_random_scene_is_of_the_schemas(
    system: ExampleSystem, tmp_path: Path, seed: int
) -> None:
    """Whatever is asked and whatever happens, no frame is outside of the package's schemas."""
    own = OWN % RETRY[system.version]
    async with simulated(tmp_path, system.version, system.url(), own) as station:
        await system.until(lambda: system.heard("StatusNotification"))

        await play(system, station, seed, 80)

    assert system.wrong == []
    assert system.frames >= 60


@pytest.mark.slow
async def test_every_frame_of_a_long_scene_is_of_the_schemas(
    system: ExampleSystem, tmp_path: Path
) -> None:
    """The same over a long scene; every kind of message has been said by its end."""
    own = OWN % RETRY[system.version]
    async with simulated(tmp_path, system.version, system.url(), own) as station:
        await system.until(lambda: system.heard("StatusNotification"))

        await play(system, station, 7, 1200)

    assert system.wrong == []
    said = {action for action, _ in system.calls}
    both = {
        "BootNotification", "Heartbeat", "StatusNotification", "Authorize", "MeterValues",
        "FirmwareStatusNotification", "LogStatusNotification", "SecurityEventNotification",
        "SignCertificate",
    }  # fmt: skip
    old = {
        "StartTransaction", "StopTransaction", "DiagnosticsStatusNotification",
        "SignedFirmwareStatusNotification",
    }  # fmt: skip
    new = {
        "TransactionEvent", "NotifyEvent", "NotifyReport", "NotifyCustomerInformation",
        "ReportChargingProfiles",
    }  # fmt: skip
    assert said - {"ReservationStatusUpdate"} == both | (
        old if system.version == "ocpp1.6" else new
    )


async def test_example_accepts_the_station_and_a_whole_session(
    system: ExampleSystem, tmp_path: Path
) -> None:
    """Boot, statuses, a driver who is asked about, a transaction and its end."""
    async with simulated(tmp_path, system.version, system.url()) as station:
        await system.until(lambda: len(system.heard("StatusNotification")) >= 2)
        await station.plug(1, "ANNA")
        old = system.version == "ocpp1.6"
        begin = "StartTransaction" if old else "TransactionEvent"
        await system.until(lambda: system.heard(begin))
        await station.unplug(1)
        await system.until(
            lambda: (
                system.heard("StopTransaction")
                or [e for e in system.heard("TransactionEvent") if e["eventType"] == "Ended"]
            )
        )

    actions = [action for action, _ in system.calls]
    assert actions[0] == "BootNotification"
    assert actions.index("Authorize") < actions.index(begin)
    assert system.wrong == []
