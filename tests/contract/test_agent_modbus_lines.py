"""The agent's Modbus readers on serial lines, and against the simulator of pymodbus."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
import structlog
from modbus_site import ABB, Site, site_of
from serial_pair import SerialPair, need_pyserial, serial_pair

from edge_agent.core.profile_file import parse_profile
from edge_agent.core.reading import EvseStatus
from edge_agent.piles import modbus_bus, modbus_patience
from edge_agent.piles.modbus_address import SerialAddress, TcpAddress
from edge_agent.piles.modbus_bus import Bus
from edge_agent.profiles import load_profile

SIMULATED = {
    "id": "simulated",
    "maker": "pymodbus",
    "model": "simulator",
    "transports": ["modbus-tcp"],
    "sources": ["this test"],
    "point": {
        "state": {"register": 10, "kind": "u16"},
        "power": {"register": 20, "kind": "f32", "scale": 0.001, "feeds": "power_kw"},
    },
    "state": {"point": "state", "words": {"3": "Charging"}},
}
SETUP = {
    "co size": 50,
    "di size": 50,
    "hr size": 50,
    "ir size": 50,
    "shared blocks": True,
    "type exception": False,
    "defaults": {
        "value": {"bits": 0, "uint16": 0, "uint32": 0, "float32": 0.0, "string": " "},
        "action": dict.fromkeys(("bits", "uint16", "uint32", "float32", "string")),
    },
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs and pauses are a fraction of the real ones."""
    monkeypatch.setattr(modbus_bus, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(modbus_patience, "BACKOFF_CAP_S", 0.2)


def line(path: Path) -> Bus:
    return Bus(SerialAddress(str(path)), random.Random(1))


def on_a_line(pair: SerialPair, *more: str) -> str:
    """Simulated piles at the device's end of a line."""
    keys = f'transport = "rtu"\nserial_line = "{pair.device}"\n'
    return "".join(pile + keys for pile in (ABB, *more))


@pytest.mark.slow
async def test_piles_on_one_serial_line_are_read_through_one_connection(tmp_path: Path) -> None:
    """Two wallboxes and a controller with coils share a line by unit id; all are read."""
    other = ABB.replace("A-01", "A-02") + "unit_id = 2\n"
    coils = other.replace("A-02", "C-03").replace("abb-terra-ac", "phoenix-ev-cc")
    async with serial_pair(tmp_path) as pair:
        text = on_a_line(pair, other, coils.replace("unit_id = 2", "unit_id = 3"))
        async with site_of(tmp_path, text) as site:
            bus = line(pair.master)
            piles = [site.read(bus), site.read(bus, "A-02", 2)]
            piles.append(site.read(bus, "C-03", 3, load_profile("phoenix-ev-cc-ac1")))

            for notes in piles:
                await notes.more_readings(3)

            assert bus.connections == 1
            assert [notes.misses for notes in piles] == [[], [], []]
            assert {notes.readings[-1].status for notes in piles} == {EvseStatus.AVAILABLE}


@pytest.mark.slow
async def test_E8_pulled_cable_is_one_line_of_log_and_no_growing_number(tmp_path: Path) -> None:
    """While the adapter is away each pile is missed, said once, and no descriptor is left open."""
    with structlog.testing.capture_logs() as logged:
        async with AsyncExitStack() as stack:
            pair, site = await plugged(stack, tmp_path / "line", tmp_path / "by-id")
            notes = site.read(line(pair.master))
            await notes.more_readings(2)
            before = descriptors()
            pair.pull()

            await notes.until(lambda: len(notes.misses) >= 20)

            assert descriptors() <= before

    said = [entry["event"] for entry in logged if entry["event"].startswith("pile ")]
    assert said == ["pile cannot be read"]


@pytest.mark.slow
async def test_E16_line_that_comes_back_as_another_device_is_read_again(tmp_path: Path) -> None:
    """The lasting name leads to another device file after replugging; the agent follows it."""
    lasting = tmp_path / "by-id"
    with structlog.testing.capture_logs() as logged:
        async with AsyncExitStack() as stack:
            pair, site = await plugged(stack, tmp_path / "first", lasting)
            notes = site.read(line(lasting))
            await notes.more_readings(2)
            pair.pull()
            lasting.unlink()
            await notes.until(lambda: ("A-01*1", "NOT_CONNECTED") in notes.misses)
            await plugged(stack, tmp_path / "second", lasting)

            await notes.more_readings(2)

    said = [entry for entry in logged if entry["event"].startswith("pile ")]
    assert [entry["event"] for entry in said] == ["pile cannot be read", "pile is read again"]


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def name(lasting: Path, pair: SerialPair) -> None:
    lasting.symlink_to(pair.master)


async def plugged(stack: AsyncExitStack, folder: Path, lasting: Path) -> tuple[SerialPair, Site]:
    """A pile behind an adapter whose device file is in the folder, under its lasting name."""
    pair = await stack.enter_async_context(serial_pair(made(folder)))
    name(lasting, pair)
    return pair, await stack.enter_async_context(site_of(folder, on_a_line(pair)))


async def test_E16_line_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    """The error names the path and where the present adapters are listed."""
    need_pyserial()

    with pytest.raises(FileNotFoundError, match=r"by-id/usb-X.*ls -l /dev/serial/by-id"):
        await SerialAddress(str(tmp_path / "by-id/usb-X")).open()


@contextmanager
def pymodbus_simulator(folder: Path) -> Iterator[int]:
    """The simulator that pymodbus installs, as a process; gives its port."""
    pytest.importorskip("aiohttp", reason="hint: pip install 'pymodbus[simulator]'")
    port, web = free_port(), free_port()
    device = {
        "setup": SETUP,
        "invalid": [1],
        "write": [],
        "bits": [],
        "uint16": [{"addr": 10, "value": 3}],
        "uint32": [],
        "float32": [{"addr": [20, 21], "value": 11040.0}],
        "string": [],
        "repeat": [],
    }
    served = {"comm": "tcp", "host": "127.0.0.1", "port": port, "framer": "socket"}
    setup = {
        "server_list": {"server": served | {"ignore_missing_devices": False}},
        "device_list": {"device": device},
    }
    (folder / "setup.json").write_text(json.dumps(setup))
    program = "import asyncio; from pymodbus.server.simulator.main import run_main; "
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", program + "asyncio.run(run_main())"),
            *("--json_file", str(folder / "setup.json"), "--modbus_device", "device"),
            *("--http_host", "127.0.0.1", "--http_port", str(web)),
            *("--log_file", str(folder / "log")),
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.slow
async def test_simulator_of_pymodbus_is_read(tmp_path: Path) -> None:
    """A foreign slave with a profile of its own: its state and its power arrive."""
    async with site_of(tmp_path, ABB) as site:
        with pymodbus_simulator(tmp_path) as port:
            bus = Bus(TcpAddress("127.0.0.1", port), random.Random(1))
            notes = site.read(bus, "S-01", 1, parse_profile(SIMULATED))

            await notes.until(lambda: notes.readings, deadline_s=20.0)

    assert notes.readings[0].status is EvseStatus.CHARGING
    assert notes.readings[0].values.power_kw == pytest.approx(11.04)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
