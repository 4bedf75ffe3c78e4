"""A real Modbus master against simulated piles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from firmware_sim.errors import BindError
from firmware_sim.faces import modbus
from pilewise.v1 import bench_service_pb2 as pb

STEPPED = '[sim]\nmode = "stepped"\n'
ABB = '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "abb-terra-ac"\nmax_power_kw = 11.04\n'
HYC = (
    '[[pile]]\npile_id = "D-01"\nface = "modbus"\nmodel = "alpitronic-hypercharger"\n'
    "max_power_kw = 150\nconnectors = 2\n"
)


@asynccontextmanager
async def master(address: tuple[str, int]) -> AsyncIterator[AsyncModbusTcpClient]:
    host, port = address
    client = AsyncModbusTcpClient(host, port=port, timeout=1.0, retries=0, reconnect_delay=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def test_master_reads_a_charging_pile(simulate: Callable) -> None:
    """Power and state on the wire follow what the bench did."""
    sim = await simulate(STEPPED + ABB)
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", soc_pct=30))
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=12))

    async with master(sim.address("A-01")) as client:
        state = await client.read_holding_registers(0x400C, count=2, device_id=1)
        power = await client.read_holding_registers(0x401C, count=4, device_id=1)

    assert state.registers == [0, 0x0400]
    assert power.registers == [0, 11_040, 0, 30]


async def test_master_limits_and_stops(simulate: Callable) -> None:
    """A written limit lowers the power at once; a written stop ends the session."""
    sim = await simulate(STEPPED + ABB)
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", soc_pct=30))
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=12))

    async with master(sim.address("A-01")) as client:
        await client.write_registers(0x4100, [0, 6_000], device_id=1)
        limited = await client.read_holding_registers(0x401C, count=2, device_id=1)
        await client.write_register(0x4105, 1, device_id=1)
        stopped = await client.read_holding_registers(0x400C, count=2, device_id=1)

    assert limited.registers == [0, 4140]
    assert stopped.registers == [0, 0x0500]


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (lambda c: c.read_holding_registers(0x5000, count=1, device_id=1), 2),
        (lambda c: c.read_holding_registers(0x4020, count=2, device_id=1), 2),
        (lambda c: c.read_input_registers(0x4000, count=1, device_id=1), 1),
        (lambda c: c.read_coils(0, count=1, device_id=1), 1),
        (lambda c: c.write_registers(0x400E, [0, 1], device_id=1), 2),
        (lambda c: c.write_register(0x4100, 6000, device_id=1), 2),
        (lambda c: c.write_registers(0x4100, [1, 0], device_id=1), 3),
        (lambda c: c.read_holding_registers(0x4000, count=1, device_id=2), 11),
    ],
)
async def test_wrong_requests_get_the_right_exception(
    simulate: Callable,
    request_of: Callable[[AsyncModbusTcpClient], Awaitable],
    code: int,
) -> None:
    """Unknown address, function, value or unit each has its exception code."""
    sim = await simulate(STEPPED + ABB)

    async with master(sim.address("A-01")) as client:
        answer = await request_of(client)

    assert (answer.isError(), answer.exception_code) == (True, code)


async def test_input_and_holding_tables_of_a_dc_pile(simulate: Callable) -> None:
    """A Hypercharger measures in input registers and is limited in holding registers."""
    sim = await simulate(STEPPED + HYC)
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="D-01*2", soc_pct=10, battery_kwh=80))
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=30))

    async with master(sim.address("D-01")) as client:
        before = await client.read_input_registers(200, count=6, device_id=1)
        await client.write_registers(200, [0, 60_000], device_id=1)
        after = await client.read_input_registers(204, count=2, device_id=1)

    assert (before.registers[0], before.registers[4:]) == (3, [2, 0x49F0])
    assert after.registers == [0, 60_000]


@pytest.mark.slow
async def test_silent_wire_answers_nothing_until_it_is_mended(simulate: Callable) -> None:
    """While silent a request times out; afterwards the same connection works."""
    sim = await simulate(STEPPED + ABB)
    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="A-01*1", fault="wire:silent"))

    async with master(sim.address("A-01")) as client:
        with pytest.raises(ModbusException):
            await client.read_holding_registers(0x4000, count=1, device_id=1)
        await sim.bench.ClearFault(pb.ClearFaultRequest(evse_id="A-01*1", fault="wire:silent"))
        answer = await client.read_holding_registers(0x4006, count=2, device_id=1)

    assert answer.registers == [0, 16_000]


async def test_exception_on_the_wire_has_the_code_asked_for(simulate: Callable) -> None:
    """Every request is answered with the injected code."""
    sim = await simulate(STEPPED + ABB)
    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="A-01*1", fault="wire:exception:6"))

    async with master(sim.address("A-01")) as client:
        answer = await client.read_holding_registers(0x4000, count=1, device_id=1)

    assert answer.exception_code == 6


async def test_delayed_wire_answers_late(simulate: Callable) -> None:
    """An answer takes at least the injected delay."""
    sim = await simulate(STEPPED + ABB)
    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="A-01*1", fault="wire:delay:0.1"))

    async with master(sim.address("A-01")) as client:
        begun = time.monotonic()
        await client.read_holding_registers(0x4000, count=1, device_id=1)

    assert time.monotonic() - begun >= 0.1


async def test_pulled_wire_drops_connections_and_lets_new_ones_in_after_mending(
    simulate: Callable, eventually: Callable
) -> None:
    """A connection that is open falls at once; after mending a new one works."""
    sim = await simulate(STEPPED + ABB)
    host, port = sim.address("A-01")
    reader, writer = await asyncio.open_connection(host, port)
    await eventually(lambda: bool(sim.simulator._modbus["A-01"]._server.connections))

    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="A-01*1", fault="wire:disconnect"))
    async with asyncio.timeout(60):
        dropped = await reader.read()
    writer.close()
    await sim.bench.ClearFault(pb.ClearFaultRequest(evse_id="A-01*1"))
    async with master((host, port)) as client:
        answer = await client.read_holding_registers(0x4000, count=1, device_id=1)

    assert dropped == b""
    assert not answer.isError()


async def test_silent_master_makes_the_pile_fall_back(
    simulate: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A master that once polled and then is silent too long leaves 6 A; a poll restores it."""
    sim = await simulate(STEPPED + ABB)
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", soc_pct=30))
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=5))
    face = sim.simulator._modbus["A-01"]
    evse = lambda: sim.simulator.fleet.evse("A-01*1")  # noqa: E731

    face.watch_master()
    never_polled_kw = evse().power_kw
    face.wire_fault()
    real = time.monotonic
    with monkeypatch.context() as patch:
        patch.setattr(modbus.time, "monotonic", lambda: real() + 61)
        face.watch_master()
        silent_kw = evse().power_kw
    async with master(sim.address("A-01")) as client:
        await client.read_holding_registers(0x4000, count=1, device_id=1)
    face.watch_master()

    assert (never_polled_kw, silent_kw, evse().power_kw) == (11.04, pytest.approx(4.14), 11.04)


async def test_taken_port_is_told(simulate: Callable) -> None:
    """Two simulators cannot share a port; the error names the address."""
    first = await simulate(STEPPED + ABB)
    _, port = first.address("A-01")

    with pytest.raises(BindError, match=str(port)):
        await simulate(STEPPED + ABB + f'listen = "127.0.0.1:{port}"\n')


@pytest.mark.slow
async def test_three_hundred_piles_in_one_process_answer_at_once(simulate: Callable) -> None:
    """Hundreds of piles listen in one process and each answers with its own state."""
    piles = "".join(ABB.replace("A-01", f"P-{number:03d}") for number in range(300))
    sim = await simulate(STEPPED + piles)
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="P-123*1", soc_pct=30))

    async def state(pile: dict) -> int:
        host, _, port = pile["address"].rpartition(":")
        async with master((host, int(port))) as client:
            answer = await client.read_holding_registers(0x400C, count=2, device_id=1)
        return int(answer.registers[1])

    states = [await state(pile) for pile in sim.ready["piles"]]

    assert [n for n, seen in enumerate(states) if seen == 0x0200] == [123]


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00",
        b"\xff" * 300,
        b"\x00\x01\x00\x00\x00\x06\x01",
        b"\x00\x01\x00\x00\x00\x06\x01\x03\x40\x00\x00\x00",
        b"\x00\x01\x00\x00\x00\x06\x01\x03\x40\x00\xff\xff",
        b"\x00\x01\x00\x07\x00\x06\x01\x03\x40\x00\x00\x02",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x01\x00\x00\x00\x09\x01\x10\x41\x00\x00\x02\x04\x00\x00",
    ],
)
async def test_junk_on_one_connection_does_not_disturb_another(
    simulate: Callable, junk: bytes
) -> None:
    """Half frames, impossible counts and foreign protocols leave the pile serving others."""
    sim = await simulate(STEPPED + ABB)
    host, port = sim.address("A-01")
    _, writer = await asyncio.open_connection(host, port)
    writer.write(junk)
    await writer.drain()

    async with master((host, port)) as client:
        answer = await client.read_holding_registers(0x4006, count=2, device_id=1)
    writer.close()

    assert answer.registers == [0, 16_000]
