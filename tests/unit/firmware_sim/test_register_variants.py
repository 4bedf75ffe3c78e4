"""What `[pile.registers]` makes of a model: gaps, locks, halves of values, clients, slow starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from firmware_sim.config import load_config
from firmware_sim.errors import ConfigError
from pilewise.v1 import bench_service_pb2 as pb

HYC = (
    '[sim]\nmode = "stepped"\n[[pile]]\npile_id = "D-01"\nface = "modbus"\n'
    'model = "alpitronic-hypercharger"\nmax_power_kw = 150\n[pile.registers]\n'
)
LIMIT = 100


@asynccontextmanager
async def master(address: tuple[str, int]) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient(
        address[0], port=address[1], timeout=1.0, retries=0, reconnect_delay=0
    )
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize(
    ("halves", "refused", "between_kw", "after_kw"),
    [
        ("refused", True, 150.0, 150.0),
        ("latched", False, 150.0, 70.0),
        # 65536 + the low word of 150000 W that was there before, then 65536 + 4464.
        ("torn", False, 65.536 + 18.928, 70.0),
    ],
)
async def test_value_that_is_written_in_two_halves(
    simulate: Callable, halves: str, refused: bool, between_kw: float, after_kw: float
) -> None:
    """High word then low word: refused, kept until both are there, or acted on one by one."""
    sim = await simulate(HYC + f'halves = "{halves}"\n')
    offered = lambda: sim.simulator.fleet.evse("D-01*1").offered_kw  # noqa: E731
    async with master(sim.address("D-01")) as client:
        high = await client.write_register(LIMIT, 1, device_id=1)
        between = offered()
        low = await client.write_register(LIMIT + 1, 4464, device_id=1)

    assert [high.isError(), low.isError()] == [refused, refused]
    assert (between, offered()) == (pytest.approx(between_kw), pytest.approx(after_kw))


async def test_latched_half_waits_for_its_own_other_half(simulate: Callable) -> None:
    """A second high word replaces the first; one complete value begins the next anew."""
    sim = await simulate(HYC + 'halves = "latched"\n')
    async with master(sim.address("D-01")) as client:
        for address, word in ((100, 7), (100, 0), (101, 50_000), (101, 60_000)):
            await client.write_register(address, word, device_id=1)

    assert sim.simulator.fleet.evse("D-01*1").limit_kw == 50.0


async def test_gaps_locks_and_limits_of_a_device(simulate: Callable) -> None:
    """Exception 2 for a gap, 3 for a read too long and a second write, 4 for a locked register,
    a closed connection where the device cannot bear the question."""
    sim = await simulate(
        HYC
        + "most_read = 8\ngaps = [[106, 107]]\nlocked = [[102, 103]]\n"
        + "once = [[100, 101]]\nclosing = [[132, 133]]\n"
    )
    async with master(sim.address("D-01")) as client:
        gap = await client.read_input_registers(105, count=2, device_id=1)
        beside = await client.read_input_registers(104, count=2, device_id=1)
        long = await client.read_input_registers(112, count=9, device_id=1)
        locked = await client.write_registers(102, [0, 1], device_id=1)
        once = await client.write_registers(100, [0, 60_000], device_id=1)
        twice = await client.write_registers(100, [0, 50_000], device_id=1)
        with pytest.raises(ModbusException):
            await client.read_input_registers(130, count=4, device_id=1)

    assert (gap.exception_code, long.exception_code) == (2, 3)
    assert (locked.exception_code, twice.exception_code) == (4, 3)
    assert not beside.isError()
    assert not once.isError()
    assert sim.simulator.fleet.evse("D-01*1").limit_kw == 60.0


@pytest.mark.parametrize(("clients", "first_lives", "second_lives"), [
    ("many", True, True), ("newest", False, True), ("oldest", True, False),
])  # fmt: skip
async def test_device_that_takes_one_client(
    simulate: Callable, clients: str, first_lives: bool, second_lives: bool
) -> None:
    """A second master pushes the first out, is turned away, or is served beside it."""
    sim = await simulate(HYC + f'clients = "{clients}"\n')
    async with master(sim.address("D-01")) as first:
        assert not (await first.read_input_registers(0, count=2, device_id=1)).isError()
        async with master(sim.address("D-01")) as second:
            second_read = await answered(second)
            first_read = await answered(first)

    assert (first_read, second_read) == (first_lives, second_lives)


async def test_client_may_come_back_after_the_other_left(simulate: Callable) -> None:
    """The place of a client that has gone is free again."""
    sim = await simulate(HYC + 'clients = "oldest"\n')
    async with master(sim.address("D-01")) as first:
        assert await answered(first)
    async with asyncio.timeout(60):
        while sim.simulator._modbus["D-01"]._server.connections:
            await asyncio.sleep(0.01)

    async with master(sim.address("D-01")) as second:
        assert await answered(second)


async def answered(client: AsyncModbusTcpClient) -> bool:
    try:
        return not (await client.read_input_registers(0, count=2, device_id=1)).isError()
    except ModbusException:
        return False


@pytest.mark.parametrize("boot", ["silent", "busy", "closed"])
async def test_device_that_boots_slowly(simulate: Callable, boot: str) -> None:
    """Until its time is over it says nothing, that it is busy, or hangs up; then it serves."""
    sim = await simulate(HYC + f'boot_s = 30\nboot = "{boot}"\n')
    async with master(sim.address("D-01")) as client:
        if boot == "busy":
            booting = await client.read_input_registers(0, count=2, device_id=1)
            assert booting.exception_code == 6
        else:
            with pytest.raises(ModbusException):
                await client.read_input_registers(0, count=2, device_id=1)
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=31))

    async with master(sim.address("D-01")) as client:
        assert await answered(client)


def test_ranges_that_are_none_are_told(tmp_path: Path) -> None:
    """An empty range and registers of a pile that has none are mistakes of the file."""
    path = tmp_path / "sim.toml"
    path.write_text(
        HYC
        + "gaps = [[9, 3]]\n[[pile]]\npile_id = 'B'\nface = 'ocpp16'\n"
        + "url = 'ws://127.0.0.1:1/B'\n[pile.registers]\nmost_read = 3\n"
    )

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    told = [(found.code, found.path) for found in caught.value.findings]
    assert told == [
        ("CFG-128", "pile[0].registers.gaps"),
        ("CFG-128", "pile[1].registers"),
    ]
