"""`probe` against devices made of golden registers: which profile fits, and in which word order."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from golden_device import unit_device
from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from serial_pair import serial_pair

from edge_agent.__main__ import main
from edge_agent.core.probe import weigh
from edge_agent.profiles import load_profile

GOLDEN = Path(__file__).parents[1] / "golden" / "profiles"
Words = dict[tuple[int, int], int]


def golden(name: str) -> Words:
    """(function, address) to word of the first vector, which charges."""
    vector = tomllib.loads((GOLDEN / f"{name}.toml").read_text())["vector"][0]
    found: Words = {}
    for key, words in {**vector.get("once", {}), **vector["registers"]}.items():
        if "/" in key:
            continue
        function, address = key.split(":")
        for offset, word in enumerate(words):
            found[int(function), int(address, 0) + offset] = word
    return found


@contextmanager
def device(words: Mapping[tuple[int, int], int], unit: int) -> Iterator[int]:
    """The port of a device that has just these registers and answers one unit id."""
    started: list[tuple[ModbusTcpServer, asyncio.AbstractEventLoop]] = []

    async def answer(
        function: int, start: int, address: int, count: int, current: list[int], wanted: object
    ) -> ExcCodes | None:
        asked = [(function, a) for a in range(address, address + count)]
        if not any(place in words for place in asked):
            return ExcCodes.ILLEGAL_ADDRESS
        for place in asked:
            current[place[1] - start] = words.get(place, 0)
        return None

    async def serve(ready: Event) -> None:
        data = SimData(0, values=[0] * 0xFFFF, datatype=DataType.REGISTERS)
        server = ModbusTcpServer(SimDevice(unit, [data], action=answer), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        started.append((server, asyncio.get_running_loop()))
        ready.set()
        await server.serving

    ready = Event()
    thread = Thread(target=lambda: asyncio.run(serve(ready)), daemon=True)
    thread.start()
    assert ready.wait(10)
    server, loop = started[0]
    try:
        yield int(server.transport.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(server.shutdown(), loop).result(10)
        thread.join(10)


def probed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    code = main(["probe", *words, "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out.splitlines()[-1]), said.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "unit"),
    [("keba-p30-p40", 255), ("webasto-unite", 255), ("siemens-versicharge-gen3", 2)],
)
def test_probe_finds_the_profile(capsys: pytest.CaptureFixture[str], name: str, unit: int) -> None:
    """Among all models the one whose registers the device has is named first."""
    with device(golden(name), unit) as port:
        code, told, said = probed(capsys, "127.0.0.1", "--port", str(port))

    assert (code, told["profile"]) == (0, name)
    assert told["word_order"] == "as in the profile"
    assert told["evses"][0]["status"] == "CHARGING"
    assert f'fits: profile = "{name}"' in said


@pytest.mark.slow
def test_probe_shows_raw_value_unit_and_age(capsys: pytest.CaptureFixture[str]) -> None:
    """Each point comes with its words in hex, its value and unit, and how old it is."""
    with device(golden("abb-terra-ac"), 1) as port:
        _, told, said = probed(
            capsys, "127.0.0.1", "--port", str(port), "--profile", "abb-terra-ac"
        )

    row = next(row for row in told["points"] if row["point"] == "voltage_l1")
    assert (row["raw"], row["value"], row["unit"]) == ("0000 0903", 230.7, "V")
    assert 0 <= row["age_s"] < 10
    assert "0000 0903" in said


@pytest.mark.slow
def test_E7_word_swapped_floats_are_found_at_commissioning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A Schneider with high word first is named, and told to come in the other word order."""
    words = golden("schneider-evlink-pro-ac")
    swapped = dict(words)
    for first in (2999, 3001, 3003, 3027, 3029, 3031, 3059, 3109):
        swapped[3, first] = words[3, first + 1]
        swapped[3, first + 1] = words[3, first]
    arguments = ("--device-id", "255", "--profile", "schneider-evlink-pro-ac")
    with device(swapped, 255) as port:
        code, told, said = probed(capsys, "127.0.0.1", "--port", str(port), *arguments)
    with device(words, 255) as port:
        _, right, _ = probed(capsys, "127.0.0.1", "--port", str(port), *arguments)

    assert (code, told["word_order"]) == (0, "swapped")
    assert {row["point"] for row in told["points"] if row["doubt"] == "word order"} >= {
        "voltage_l1",
        "frequency",
    }
    assert "error[CMD-006]" in said
    assert 'word_order = "big"' in said
    assert right["word_order"] == "as in the profile"


def test_E7_swapped_words_of_whole_numbers_are_found() -> None:
    """230.000 V in mV makes sense in one order only, and a dead grid in none is no alarm."""
    profile = load_profile("weidmueller-ac-smart")
    words = {(0, *place): word for place, word in golden("weidmueller-ac-smart").items()}
    turned = dict(words)
    for first in (400, 402, 404):
        turned[0, 3, first], turned[0, 3, first + 1] = words[0, 3, first + 1], words[0, 3, first]
    dead = {place: 0 if place[2] in range(400, 406) else word for place, word in words.items()}

    assert not weigh(profile, words).swapped
    assert weigh(profile, turned).swapped
    assert not weigh(profile, dead).swapped


@pytest.mark.slow
def test_probe_of_a_stranger_fits_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A device that has none of the registers is not named as anything."""
    with device({(3, 60000): 1}, 1) as port:
        code, told, said = probed(
            capsys, "127.0.0.1", "--port", str(port), "--profile", "abb-terra-ac"
        )

    assert (code, told["profile"]) == (1, None)
    assert "error[CMD-005]" in said


def test_probe_of_a_closed_port_says_so(
    capsys: pytest.CaptureFixture[str], unused_tcp_port: int
) -> None:
    """Nothing listens: exit code 4 and the address."""
    assert main(["probe", "127.0.0.1", "--port", str(unused_tcp_port)]) == 4
    assert f"127.0.0.1:{unused_tcp_port}" in capsys.readouterr().err


@pytest.mark.slow
async def test_probe_over_a_serial_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --serial the line of the profile is opened, and a named model needs no meter to fit."""
    words = golden("evse-din")
    async with serial_pair(tmp_path) as pair:
        server = ModbusSerialServer(
            unit_device(1, words, []), port=str(pair.device), framer=FramerType.RTU, baudrate=9600
        )
        await server.serve_forever(background=True)
        try:
            code, told, _ = await asyncio.to_thread(
                probed, capsys, "--serial", str(pair.master), "--profile", "evse-din"
            )
        finally:
            await server.shutdown()

    assert (code, told["profile"]) == (0, "evse-din")
    assert told["evses"][0]["status"] == "CHARGING"


def test_probe_wants_one_place_to_look() -> None:
    """A host and a serial line at once, or neither, is wrong usage."""
    for words in (["127.0.0.1", "--serial", "line"], []):
        with pytest.raises(SystemExit) as end:
            main(["probe", *words])
        assert end.value.code == 2
