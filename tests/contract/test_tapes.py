"""What is said between simulated piles and others is recorded, and played again as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from central_system import CentralSystem
from mosquitto_broker import HINT, MOSQUITTO, Broker, free_port
from pymodbus.client import AsyncModbusTcpClient

from firmware_sim import record_command
from firmware_sim.bench.tape.record_config import TapConfig, load_taps
from firmware_sim.bench.tape.replay import Replay, Where
from firmware_sim.bench.tape.tape import Entry, TapeWriter, read_tape
from firmware_sim.config import load_config
from firmware_sim.errors import ConfigError, TapeError
from firmware_sim.recorder import check_recordable, record_simulator, record_taps

DEADLINE_S = 60.0
KEBA = """
[[pile]]
pile_id = "A-01"
face = "modbus"
model = "keba-p30"
"""
OCPP = """
[[pile]]
pile_id = "B-01"
face = "ocpp16"
url = "{url}"
"""


@asynccontextmanager
async def recording(
    tape: Path, start: Callable[..., Awaitable[None]], *args: Any
) -> AsyncIterator[dict[str, Any]]:
    """Records while the body runs; gives the ready line."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    with TapeWriter(tape) as writer:
        task = asyncio.create_task(start(*args, writer, stop, ready.set_result))
        await asyncio.wait([ready, task], timeout=DEADLINE_S, return_when="FIRST_COMPLETED")
        if task.done():
            await task
        yield ready.result()
        stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await task


@asynccontextmanager
async def replaying(tape: Path, where: Where) -> AsyncIterator[tuple[Replay, dict[str, Any]]]:
    """Replays while the body runs, to the end of the tape."""
    replay, ready = Replay(tape, where), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(replay.run(ready.set_result, asyncio.Event()))
    await asyncio.wait([ready, task], timeout=DEADLINE_S, return_when="FIRST_COMPLETED")
    if task.done():
        await task
    yield replay, ready.result()
    async with asyncio.timeout(DEADLINE_S):
        await task


@asynccontextmanager
async def central() -> AsyncIterator[CentralSystem]:
    system = CentralSystem()
    await system.open()
    try:
        yield system
    finally:
        await system.close()


async def words(address: str, at: int) -> list[int] | int:
    """What a master reads, or the code of the exception that it got."""
    host, _, port = address.rpartition(":")
    client = AsyncModbusTcpClient(host, port=int(port), timeout=2, retries=0)
    try:
        assert await client.connect()
        answer = await client.read_holding_registers(at, count=2, device_id=255)
        return answer.exception_code if answer.isError() else answer.registers
    finally:
        client.close()


def said(tape: Path) -> list[Entry]:
    return list(read_tape(tape, lambda number, why: pytest.fail(f"line {number}: {why}")))


@pytest.mark.slow
async def test_simulated_piles_are_recorded_and_answer_the_same_again(tmp_path: Path) -> None:
    """Registers and messages are on one tape in the order of time; the replay is as it was."""
    config, tape = tmp_path / "sim.toml", tmp_path / "said.jsonl.gz"
    async with central() as system:
        config.write_text(KEBA + OCPP.format(url=system.url("B-01")))
        async with recording(tape, record_simulator, load_config(config)) as ready:
            address = next(p["address"] for p in ready["piles"] if p["pile_id"] == "A-01")
            state = await words(address, 1000)
            await system.wait_for_status(1, "Available")
        booted = len([h for h in system.heard if h.action == "BootNotification"])

    entries = said(tape)
    times = [entry.t_s for entry in entries]
    assert times == sorted(times)
    assert {entry.proto for entry in entries} == {"modbus", "ocpp"}
    assert booted == 1

    async with central() as system:
        where = Where(central=f"ws://127.0.0.1:{system.port}", speed=5)
        async with replaying(tape, where) as (replay, ready):
            address = ready["piles"][0]["address"]
            assert await words(address, 1000) == state
            assert await words(address, 1020) == 0x0A
            await system.wait_for_status(1, "Available")

    summary = replay.summary()
    assert summary["entries"] == len(entries)
    assert summary["differences"] == 1
    assert "reads 2 from 1020, which was never read" in summary["first_differences"][0]


@pytest.mark.slow
async def test_central_system_that_answers_otherwise_is_told(tmp_path: Path) -> None:
    """A charge point of a tape compares what it is told with what it was told then."""
    tape = tmp_path / "said.jsonl"
    with TapeWriter(tape) as writer:
        writer.note("ocpp", "B-01", "event", "open ocpp1.6 /B-01", link=1)
        for number, token in enumerate(("GOOD", "BAD")):
            ask = f'[2,"{number}","Authorize",{{"idTag":"{token}"}}]'
            writer.note("ocpp", "B-01", "from_pile", ask, link=1)
            status = "Accepted" if token == "GOOD" else "Blocked"
            told = f'[3,"{number}",{{"idTagInfo":{{"status":"{status}"}}}}]'
            writer.note("ocpp", "B-01", "to_pile", told, link=1)

    async with central() as system:
        system.answers["Authorize"] = {"idTagInfo": {"status": "Accepted"}}
        async with replaying(tape, Where(central=f"ws://127.0.0.1:{system.port}")) as (replay, _):
            await system.wait_for("Authorize", lambda heard: heard.payload["idTag"] == "BAD")

    summary = replay.summary()
    assert (summary["ocpp_sent"], summary["differences"]) == (2, 1)
    assert "recorded 'Blocked', now 'Accepted'" in summary["first_differences"][0]


@pytest.mark.slow
async def test_tap_in_front_of_a_device_passes_everything_on(tmp_path: Path) -> None:
    """A device elsewhere is reached through the tap, and the tape has question and answer."""
    sim, tape, through = tmp_path / "sim.toml", tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    sim.write_text(KEBA)
    async with recording(tape, record_simulator, load_config(sim)) as device:
        target = device["piles"][0]["address"]
        taps = tmp_path / "taps.toml"
        taps.write_text(f'[[modbus]]\npile_id = "X-9"\ntarget = "{target}"\n')
        async with recording(through, record_taps, load_taps(taps)) as ready:
            tapped = await words(ready["taps"][0]["address"], 1000)
        assert tapped == await words(target, 1000)

    frames = [entry for entry in said(through) if entry.way != "event"]
    assert [(e.pile, e.way) for e in frames] == [("X-9", "to_pile"), ("X-9", "from_pile")]


@pytest.mark.slow
@pytest.mark.skipif(MOSQUITTO is None, reason=HINT)
async def test_sensors_are_recorded_and_published_again(tmp_path: Path) -> None:
    """What a sensor said goes onto the tape by subscription, and out again at replay."""
    tape = tmp_path / "said.jsonl"
    broker = Broker(tmp_path, free_port())
    await broker.start()
    try:
        url = f"mqtt://127.0.0.1:{broker.port}"
        config = TapConfig((), (), load_taps_mqtt(tmp_path, url))
        async with recording(tape, record_taps, config):
            async with asyncio.timeout(DEADLINE_S):
                # Retained, so that it is heard whether the tap subscribed before or after.
                await broker.publish("pilewise/bay/A/occupancy", '{"occupied":true}', retain=True)
                while "occupied" not in tape.read_text():
                    await broker.publish("pilewise/bay/A/queue", "{}")
                    await asyncio.sleep(0.2)
        async with replaying(tape, Where(mqtt=url)) as (replay, _):
            pass
    finally:
        await broker.stop()

    assert replay.published >= 1
    assert any(entry.topic == "pilewise/bay/A/occupancy" for entry in said(tape))


def load_taps_mqtt(folder: Path, url: str) -> Any:
    path = folder / "mqtt.toml"
    path.write_text(f'[mqtt]\nurl = "{url}"\n')
    return load_taps(path).mqtt


def test_mistakes_of_a_recorder_are_told_all_at_once(tmp_path: Path) -> None:
    """Codes and lines, as everywhere."""
    path = tmp_path / "taps.toml"
    path.write_text('[[modbus]]\ntarget = "x"\npile_id = "A"\n[[ocpp]]\ntarget = "http://y"\n')

    with pytest.raises(ConfigError) as told:
        load_taps(path)

    assert [(f.code, f.line) for f in told.value.findings] == [("CFG-012", 2), ("CFG-012", 5)]


def test_pile_that_cannot_be_listened_in_on_is_refused(tmp_path: Path) -> None:
    """An encrypted line has no place for a tap; what to do is said."""
    path = tmp_path / "sim.toml"
    path.write_text(OCPP.format(url="wss://127.0.0.1:1/B-01"))

    with pytest.raises(ConfigError, match="REC-001"):
        check_recordable(str(path), load_config(path))


async def test_replay_names_the_piles_that_a_tape_has(tmp_path: Path) -> None:
    """A port asked for a pile that is not on the tape is a mistake."""
    tape = tmp_path / "said.jsonl"
    with TapeWriter(tape) as writer:
        writer.note("modbus", "A-01", "event", "open", link=1)

    replay = Replay(tape, Where(listen={"Z-1": "127.0.0.1:0"}))

    with pytest.raises(TapeError, match="has no Z-1; it has A-01"):
        await replay.run(lambda _: None, asyncio.Event())


def test_mistake_in_the_file_leaves_tapes_as_they_are(tmp_path: Path) -> None:
    """A recorder that cannot begin makes no tape, and empties none that is there."""
    config, kept, new = tmp_path / "taps.toml", tmp_path / "kept.jsonl", tmp_path / "new.jsonl"
    config.write_text('[[modbus]]\ntarget = "x"\npile_id = "A"\n')
    kept.write_text("an hour of work\n")

    codes = [record_command.main(["-c", str(config), "-o", str(tape)]) for tape in (kept, new)]

    assert codes == [3, 3]
    assert kept.read_text() == "an hour of work\n"
    assert not new.exists()
