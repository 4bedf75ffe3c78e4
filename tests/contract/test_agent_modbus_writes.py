"""What the agent writes to Modbus piles: nothing, unless it is allowed, and then only its list."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
import structlog
from modbus_site import Notes

from edge_agent.core.directive import Outcome, SetAvailability
from edge_agent.core.profile import Profile
from edge_agent.core.profile_access import ConnectorStep, KeepAlive, WriteSpan
from edge_agent.errors import WriteForbidden
from edge_agent.piles import modbus_writes
from edge_agent.piles.modbus import ModbusPile
from edge_agent.piles.modbus_address import TcpAddress
from edge_agent.piles.modbus_blocks import Lane
from edge_agent.piles.modbus_bus import Bus
from edge_agent.piles.modbus_writes import WriteGate
from edge_agent.profiles import load_profile, profile_names

LIFE = KeepAlive("write", 6, 0x6000, 0.05, values=(1,), expect=0)
SWITCH = WriteSpan("availability", 6, 124, highest=1)
READS = frozenset({1, 2, 3, 4})


@dataclass
class Device:
    """A slave that notes every request as (unit, function, address, value) and answers it.

    Every register reads as `value`; a register of `own` as what stands there.
    """

    port: int = 0
    value: int = 0
    own: dict[int, int] = field(default_factory=dict)
    asked: list[tuple[int, int, int, int]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def written(self) -> list[tuple[int, int, int, int]]:
        return [request for request in self.asked if request[1] not in READS]

    async def until_written(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.written) < count:
                self.news.clear()
                await self.news.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(260):
            unit, function = request[6], request[7]
            address, value = (int.from_bytes(request[i : i + 2], "big") for i in (8, 10))
            self.asked.append((unit, function, address, value))
            self.news.set()
            body = request[6:12]
            if function in READS:
                words = [self.own.get(address + i, self.value) for i in range(value)]
                data = b"".join(word.to_bytes(2, "big") for word in words)
                data = bytes((value + 7) // 8) if function in (1, 2) else data
                body = bytes((unit, function, len(data))) + data
            writer.write(request[:4] + len(body).to_bytes(2, "big") + body)
        writer.close()


@asynccontextmanager
async def device() -> AsyncIterator[Device]:
    slave = Device()
    server = await asyncio.start_server(slave.serve, "127.0.0.1", 0)
    slave.port = server.sockets[0].getsockname()[1]
    try:
        yield slave
    finally:
        server.close()


def lanes(slave: Device) -> dict[int, Lane]:
    bus = Bus(TcpAddress("127.0.0.1", slave.port), random.Random(1))
    return {n: Lane(bus, 1) for n in range(-1, 4)}


@asynccontextmanager
async def reader(
    slave: Device, profile: Profile, *, writes: bool, evses: int = 1
) -> AsyncIterator[tuple[ModbusPile, Notes]]:
    notes = Notes()
    names = [f"A*{n}" for n in range(1, evses + 1)]
    rng = random.Random(1)
    pile = ModbusPile("A", names, profile, lanes(slave), 0.05, notes, notes, rng, writes=writes)
    task = asyncio.create_task(pile.run(), name="test:pile")
    try:
        yield pile, notes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sign of life goes at once."""
    monkeypatch.setattr(modbus_writes, "SHORTEST_S", 0.01)


def talkative() -> Profile:
    """A wallbox that wants a sign of life and can be switched."""
    return replace(load_profile("abb-terra-ac"), keep_alives=(LIFE,), writes=(SWITCH,))


def hasty(profile: Profile) -> Profile:
    """The profile with all its signs of life due at once and often."""
    signs = tuple(replace(sign, period_s=0.05) for sign in profile.keep_alives)
    return replace(profile, keep_alives=signs)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in profile_names() if load_profile(name).is_modbus])
async def test_nothing_is_ever_written_without_the_setting(name: str) -> None:
    """No shipped profile makes a write leave: not by polls, signs of life or commands."""
    profile = hasty(load_profile(name))
    async with device() as slave, reader(slave, profile, writes=False) as (pile, notes):
        await notes.until(lambda: len(notes.readings) + len(notes.misses) >= 5)

        answer = await pile.perform("A*1", SetAvailability(False))

        assert answer.outcome is Outcome.UNSUPPORTED
        assert slave.asked
        assert slave.written == []


async def test_sign_of_life_goes_out_on_its_period_where_it_is_allowed() -> None:
    """With the setting the declared register gets the declared value, again and again."""
    async with device() as slave, reader(slave, talkative(), writes=True):
        await slave.until_written(3)

    assert set(slave.written) == {(1, 6, 0x6000, 1)}


async def test_sign_of_life_that_is_not_seen_is_told() -> None:
    """A device that should clear the register and does not is named with what it shows."""
    with structlog.testing.capture_logs() as logged:
        async with device() as slave, reader(slave, talkative(), writes=True):
            slave.own[0x6000] = 1
            await slave.until_written(3)

    told = [entry for entry in logged if entry["event"] == "device has not seen the sign of life"]
    assert told
    assert (told[0]["seen"], told[0]["expected"]) == (1, 0)


async def test_period_of_a_sign_of_life_is_the_one_that_the_device_shows() -> None:
    """A watchdog of 100 ms read from its register makes the period half of it."""
    sign = replace(LIFE, period_s=5.0, period_register=257, period_factor=0.0005, expect=None)
    profile = replace(talkative(), keep_alives=(sign,))
    async with device() as slave:
        slave.own[257] = 100
        async with reader(slave, profile, writes=True):
            await slave.until_written(3)

    assert (1, 3, 257, 1) in slave.asked


async def test_sign_of_life_of_each_connector_goes_to_its_registers() -> None:
    """Two connectors a thousand registers apart get one sign each."""
    sign = replace(LIFE, register=6, expect=None, each_connector=True)
    profile = replace(talkative(), keep_alives=(sign,), step=ConnectorStep(registers=1000))
    async with device() as slave, reader(slave, profile, writes=True, evses=2):
        await slave.until_written(4)

    assert {address for _, _, address, _ in slave.written} == {1006, 2006}


async def test_availability_is_switched_where_the_profile_lists_it() -> None:
    """A directive becomes one write of the listed register with the listed function."""
    profile = replace(talkative(), keep_alives=())
    async with device() as slave, reader(slave, profile, writes=True) as (pile, notes):
        await notes.until(lambda: notes.readings)

        answer = await pile.perform("A*1", SetAvailability(False))

    assert answer.outcome is Outcome.DONE
    assert slave.written == [(1, 6, 124, 0)]


async def test_command_that_expires_is_written_again_until_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device that forgets is told again before it does; a new value takes the old one's place."""
    monkeypatch.setattr(modbus_writes, "LOOK_S", 0.01)
    forgets = replace(SWITCH, expires_s=0.05)
    profile = replace(talkative(), keep_alives=(), writes=(forgets,))
    async with device() as slave, reader(slave, profile, writes=True) as (pile, notes):
        await notes.until(lambda: notes.readings)
        await pile.perform("A*1", SetAvailability(False))
        await slave.until_written(4)
        first = list(slave.written)
        await pile.perform("A*1", SetAvailability(True))
        before = len(slave.written)
        await slave.until_written(before + 3)

    assert set(first) == {(1, 6, 124, 0)}
    assert set(slave.written[before:]) == {(1, 6, 124, 1)}


async def test_point_that_has_to_be_read_first_is_read_before_the_first_write() -> None:
    """A device that takes a value only after a certain read gets that read, once."""
    profile = talkative()
    point = replace(
        next(iter(profile.points.values())), register=777, words=1, spare=True, once=False, feeds=""
    )
    wary = replace(SWITCH, expires_s=30.0, after_read="first")
    profile = replace(
        profile, keep_alives=(), writes=(wary,), points={**profile.points, "first": point}
    )
    async with device() as slave, reader(slave, profile, writes=True) as (pile, notes):
        await notes.until(lambda: notes.readings)
        await pile.perform("A*1", SetAvailability(False))
        await pile.perform("A*1", SetAvailability(True))

    read = (1, point.function, 777, 1)
    asked = [request for request in slave.asked if request == read or request[1] == 6]
    assert asked == [read, (1, 6, 124, 0), (1, 6, 124, 1)]


@pytest.mark.parametrize(
    ("span", "values"),
    [
        (SWITCH, (2,)),
        (SWITCH, (0, 0)),
        (replace(SWITCH, register=125), (0,)),
        (replace(SWITCH, highest=9), (2,)),
    ],
)
async def test_what_is_not_on_the_list_is_held_back(
    span: WriteSpan, values: tuple[int, ...]
) -> None:
    """Other values, other registers and commands that were made up never leave."""
    async with device() as slave:
        gate = WriteGate("A", talkative(), lanes(slave), allowed=True)

        with pytest.raises(WriteForbidden):
            await gate.command(span, values, 1)

        assert slave.asked == []


async def test_device_that_is_away_gets_no_signs_of_life() -> None:
    """While polls fail the device is left alone, so that it does not hold its line twice."""
    async with device() as slave:
        away = True
        gate = WriteGate("A", talkative(), lanes(slave), allowed=True)
        signs = modbus_writes.SignsOfLife("A", talkative(), gate, 1, lambda: away)
        task = asyncio.create_task(signs.run(), name="test:signs")
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await slave.until_written(1)
        away = False
        await slave.until_written(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
