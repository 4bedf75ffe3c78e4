"""The Modbus reader against a pymodbus server, and against sockets that misbehave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from modbus_site import Notes
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent.core.directive import Cancel, Outcome, PollNow, SetPeriod
from edge_agent.core.reading import EvseStatus, IecState
from edge_agent.piles import modbus_bus
from edge_agent.piles.modbus import ModbusPile
from edge_agent.piles.modbus_address import TcpAddress
from edge_agent.piles.modbus_blocks import Lane
from edge_agent.piles.modbus_bus import Bus
from edge_agent.profiles import load_profile

ABB = load_profile("abb-terra-ac")


@dataclass
class Device:
    """An ABB Terra AC made of pymodbus; `code` is the exception it answers, 0 for none."""

    server: ModbusTcpServer
    registers: list[int]
    code: int = 0

    @property
    def port(self) -> int:
        return int(self.server.transport.sockets[0].getsockname()[1])

    def put(self, address: int, value: int) -> None:
        offset = address - 0x4000
        self.registers[offset : offset + 2] = [value >> 16, value & 0xFFFF]


async def start_device(port: int = 0) -> Device:
    registers = [0] * 0x21
    made: list[Device] = []

    async def answer(
        function: int, start: int, address: int, count: int, current: list[int], wanted: object
    ) -> ExcCodes | None:
        device = made[0]
        current[:] = device.registers
        return ExcCodes(device.code) if device.code else None

    data = SimData(0x4000, values=registers, datatype=DataType.REGISTERS)
    device = SimDevice(1, [data], action=answer)
    server = ModbusTcpServer(device, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    made.append(Device(server, registers))
    made[0].put(0x4016, 2301)
    made[0].put(0x4004, 0x01080500)
    return made[0]


@pytest.fixture
async def device() -> AsyncIterator[Device]:
    made = await start_device()
    yield made
    await made.server.shutdown()


def pile_at(port: int, notes: Notes, period_s: float = 0.05) -> ModbusPile:
    rng = random.Random(1)
    lanes = {0: Lane(Bus(TcpAddress("127.0.0.1", port), rng), 1)}
    return ModbusPile("A-01", ["A-01*1"], ABB, lanes, period_s, notes, notes, rng)


@pytest.fixture
async def tasks() -> AsyncIterator[list[asyncio.Task[None]]]:
    running: list[asyncio.Task[None]] = []
    yield running
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_registers_become_readings(device: Device, tasks: list[asyncio.Task[None]]) -> None:
    """A charging wallbox is read as CHARGING with its power; its firmware is learned once."""
    device.put(0x400C, 4 << 8)
    device.put(0x401C, 11_000)
    notes = Notes()
    tasks.append(asyncio.create_task(pile_at(device.port, notes).run()))

    await notes.until(lambda: len(notes.readings) >= 3 and notes.told)

    reading = notes.readings[0]
    assert (reading.status, reading.iec) == (EvseStatus.CHARGING, IecState.C)
    assert reading.values.power_kw == 11.0
    assert notes.told == [{"maker": "", "model": "", "serial": "0" * 16, "firmware": "1.8.5"}]
    assert notes.readings[1] is notes.readings[2]  # unchanged registers are not decoded again


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 10, 11])
async def test_E4_exceptions_are_missed_with_their_code_and_recovered_from(
    device: Device, tasks: list[asyncio.Task[None]], code: int
) -> None:
    """Each Modbus exception is a miss that names it, and the pile is read again afterwards."""
    device.code = code
    notes = Notes()
    tasks.append(asyncio.create_task(pile_at(device.port, notes).run()))
    await notes.until(lambda: len(notes.misses) >= 2)
    device.code = 0

    await notes.until(lambda: notes.readings)

    assert set(notes.misses) == {("A-01*1", f"MODBUS_EXCEPTION_{code:02X}")}


@pytest.mark.slow
async def test_E3_silent_device_does_not_hold_up_the_others(
    device: Device, tasks: list[asyncio.Task[None]]
) -> None:
    """A device that accepts and never answers is missed; its neighbour is read all the while."""
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    quiet, talking = Notes(), Notes()
    port = silent.sockets[0].getsockname()[1]
    tasks.append(asyncio.create_task(pile_at(port, quiet).run()))
    tasks.append(asyncio.create_task(pile_at(device.port, talking).run()))

    await quiet.until(lambda: quiet.misses)

    assert quiet.misses[0] == ("A-01*1", "TIMEOUT")
    assert len(talking.readings) > 15
    silent.close()


@pytest.mark.slow
async def test_device_that_comes_late_is_found(tasks: list[asyncio.Task[None]]) -> None:
    """A refused connection is tried again until the device is there."""
    first = await start_device()
    port = first.port
    await first.server.shutdown()
    notes = Notes()
    tasks.append(asyncio.create_task(pile_at(port, notes).run()))
    await notes.until(lambda: len(notes.misses) >= 2)

    device = await start_device(port)
    await notes.until(lambda: notes.readings)

    assert notes.misses[0] == ("A-01*1", "NOT_CONNECTED")
    await device.server.shutdown()


@pytest.mark.slow
async def test_E5_late_reply_is_never_taken_for_the_next_one(
    tasks: list[asyncio.Task[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a time-out the socket is closed, so the late answer has nobody left to mislead."""
    monkeypatch.setattr(modbus_bus, "TIMEOUT_S", 0.2)
    sockets: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sockets.append(writer)
        first = len(sockets) == 1
        while request := await reader.read(260):
            count = request[11]
            words = (0xBAD0 if first else 0).to_bytes(2, "big") * count
            body = bytes([request[6], request[7], len(words)]) + words
            head = request[:4] + len(body).to_bytes(2, "big")
            if first:
                await asyncio.sleep(0.3)
            writer.write(head + body)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    notes = Notes()
    port = server.sockets[0].getsockname()[1]
    tasks.append(asyncio.create_task(pile_at(port, notes).run()))

    await notes.until(lambda: len(notes.readings) >= 3)

    assert len(sockets) == 2
    assert {reading.status for reading in notes.readings} == {EvseStatus.AVAILABLE}
    assert all(not reading.faults for reading in notes.readings)
    server.close()


async def test_short_reply_is_not_used(tasks: list[asyncio.Task[None]]) -> None:
    """An answer with fewer registers than were asked for is missed, not decoded."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(260):
            body = bytes([request[6], request[7], 2, 0, 0])
            writer.write(request[:4] + len(body).to_bytes(2, "big") + body)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    notes = Notes()
    tasks.append(asyncio.create_task(pile_at(server.sockets[0].getsockname()[1], notes).run()))

    await notes.until(lambda: notes.misses)

    assert notes.misses[0] == ("A-01*1", "BAD_REPLY")
    assert not notes.readings
    server.close()


async def test_poll_now_and_period_are_obeyed(
    device: Device, tasks: list[asyncio.Task[None]]
) -> None:
    """A directive reads at once or changes the period; a hold is beyond registers."""
    notes = Notes()
    pile = pile_at(device.port, notes, period_s=600.0)
    tasks.append(asyncio.create_task(pile.run()))
    await notes.until(lambda: len(notes.readings) == 1 and notes.told)

    asked = await pile.perform("A-01*1", PollNow())
    await notes.until(lambda: len(notes.readings) == 2)
    changed = await pile.perform("A-01*1", SetPeriod(0.2))
    await notes.until(lambda: len(notes.readings) >= 4)
    held = await pile.perform("A-01*1", Cancel("c"))

    assert [asked.outcome, changed.outcome] == [Outcome.DONE] * 2
    assert held.outcome is Outcome.UNSUPPORTED
