"""What is written to a pile: its profile's signs of life and named commands, and nothing else.

Nothing is written unless the operator allows it for the pile. Reading belongs to `modbus.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

from edge_agent.core.profile import Profile
from edge_agent.core.profile_access import KeepAlive, WriteSpan
from edge_agent.core.registers import STATION_DEVICE
from edge_agent.errors import PileError, WriteForbidden
from edge_agent.piles.modbus_blocks import Lane
from edge_agent.piles.modbus_wire import read_question, words_of, write_question

log: Final = structlog.get_logger("edge_agent.modbus")
SHORTEST_S: Final = 0.5
# How often commands that expire are looked at, and how much of their time may pass before.
LOOK_S: Final = 0.5
REPEAT_SHARE: Final = 0.8


class WriteGate:
    """The only way by which a write leaves: `allowed` by the operator, and named by the profile."""

    def __init__(
        self, pile_id: str, profile: Profile, lanes: Mapping[int, Lane], *, allowed: bool
    ) -> None:
        self.allowed = allowed
        self._pile_id = pile_id
        self._profile = profile
        self._lanes = lanes
        self._kept: dict[tuple[str, int], _Kept] = {}

    @property
    def keeps(self) -> bool:
        """True where the model forgets what was commanded, so that it has to be said again."""
        return self.allowed and any(span.expires_s for span in self._profile.writes)

    def span(self, name: str) -> WriteSpan | None:
        """The command of that name; None where the model has none."""
        return next((span for span in self._profile.writes if span.name == name), None)

    async def command(self, span: WriteSpan, values: tuple[int, ...], connector: int) -> None:
        """Writes a command's values; raises `WriteForbidden`, or `PileError` as of reading."""
        if span not in self._profile.writes or not span.allows(span.register, values):
            raise WriteForbidden(self._pile_id, f"{span.name} does not take {values}")
        connector = connector if span.each_connector else 0
        if span.after_read and (span.name, connector) not in self._kept:
            await self._read_first(span.after_read, connector)
        lane, address = self.target(span.register, connector)
        await self._write(lane, span.function, address, values)
        if span.expires_s:
            due_s = time.monotonic() + REPEAT_SHARE * span.expires_s
            self._kept[span.name, connector] = _Kept(span, values, connector, due_s)

    async def repeat(self, now_s: float) -> None:
        """Writes again what the device would forget; raises as `command` does."""
        for kept in [kept for kept in self._kept.values() if now_s >= kept.due_s]:
            await self.command(kept.span, kept.values, kept.connector)

    async def _read_first(self, name: str, connector: int) -> None:
        """Reads a point that the device wants to be read before it takes a value."""
        point = self._profile.points[name]
        if not self.allowed:
            raise WriteForbidden(self._pile_id, "writing is off; set writes = true for this pile")
        lane, address = self.target(point.register, 0 if point.station else connector or 1)
        await lane.bus.ask(
            self._pile_id, read_question(lane.unit, point.function, address, point.words)
        )

    async def sign(self, sign: KeepAlive, connector: int) -> None:
        """Writes a sign of life; raises as `command` does."""
        if sign not in self._profile.keep_alives or sign.action != "write":
            raise WriteForbidden(self._pile_id, "this is no sign of life of its profile")
        lane, address = self.target(sign.register, connector)
        await self._write(lane, sign.function, address, sign.values)

    def target(self, register: int, connector: int) -> tuple[Lane, int]:
        """Where a register is: of a connector counted from 1, or of the station (0)."""
        if connector:
            lane = self._lanes[self._profile.device_of(connector)]
            return lane, self._profile.address_of(register, connector)
        return self._lanes.get(STATION_DEVICE) or self._lanes[0], register

    async def _write(self, lane: Lane, function: int, address: int, values: Sequence[int]) -> None:
        if not self.allowed:
            raise WriteForbidden(self._pile_id, "writing is off; set writes = true for this pile")
        await lane.bus.ask(self._pile_id, write_question(lane.unit, function, address, values))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A command that the device forgets, and when it has to be said again."""

    span: WriteSpan
    values: tuple[int, ...]
    connector: int
    due_s: float


@dataclass(slots=True)
class _Sign:
    """A sign of life for one connector (0: for the station), and when it is due."""

    what: KeepAlive
    connector: int
    period_s: float
    due_s: float = 0.0
    sent: bool = False


class SignsOfLife:
    """Sends what keeps a device from believing itself alone, each on its own period.

    Commands that expire are said again as well. Reads are always done. While `is_away` says so the
    device is left alone.
    """

    def __init__(
        self,
        pile_id: str,
        profile: Profile,
        gate: WriteGate,
        connectors: int,
        is_away: Callable[[], bool],
    ) -> None:
        self._pile_id = pile_id
        self._gate = gate
        self._is_away = is_away
        self._trouble = ""
        self._signs = [
            _Sign(what, connector, what.period_s)
            for what in profile.keep_alives
            if what.action == "read" or gate.allowed
            for connector in (range(1, connectors + 1) if what.each_connector else (0,))
        ]

    def __bool__(self) -> bool:
        return bool(self._signs) or self._gate.keeps

    async def run(self) -> NoReturn:
        """Sends them until cancelled; a failure is said once and tried again when next due."""
        loop = asyncio.get_running_loop()
        for sign in self._signs:
            sign.due_s = loop.time() + SHORTEST_S
        while True:
            due_s = min([sign.due_s for sign in self._signs], default=loop.time() + LOOK_S)
            if self._gate.keeps:
                due_s = min(due_s, loop.time() + LOOK_S)
            await asyncio.sleep(max(due_s - loop.time(), 0.0))
            if not self._is_away():
                await self._repeat()
            for sign in [sign for sign in self._signs if sign.due_s <= loop.time()]:
                if not self._is_away():
                    await self._send(sign)
                sign.due_s = max(sign.due_s + sign.period_s, loop.time())

    async def _repeat(self) -> None:
        try:
            await self._gate.repeat(time.monotonic())
        except PileError as error:
            self._say(f"a command that expires was not taken again: {error}")

    async def _send(self, sign: _Sign) -> None:
        try:
            if not sign.sent:
                sign.period_s = await self._period_s(sign)
            if sign.what.action == "read":
                await self._read(sign, sign.what.function, sign.what.register, sign.what.count)
            else:
                await self._check(sign)
                await self._gate.sign(sign.what, sign.connector)
            sign.sent = True
        except PileError as error:
            self._say(f"a sign of life was not taken: {error}")
            return
        self._say("")

    async def _check(self, sign: _Sign) -> None:
        """Looks whether the device has seen the last one, where the profile says how it shows."""
        if sign.what.expect is None or not sign.sent:
            return
        [seen] = await self._read(sign, 3, sign.what.register, 1)
        if seen != sign.what.expect:
            log.warning(
                "device has not seen the sign of life",
                pile_id=self._pile_id,
                register=sign.what.register,
                seen=seen,
                expected=sign.what.expect,
            )

    async def _period_s(self, sign: _Sign) -> float:
        """The period that the device itself asks for, at most the profile's."""
        what = sign.what
        if what.period_register is None:
            return what.period_s
        [raw] = await self._read(sign, what.period_function, what.period_register, 1)
        wanted_s = raw * what.period_factor
        # 0 means that the device does not watch.
        return min(max(wanted_s, SHORTEST_S), what.period_s) if wanted_s else what.period_s

    async def _read(self, sign: _Sign, function: int, register: int, count: int) -> tuple[int, ...]:
        lane, address = self._gate.target(register, sign.connector)
        question = read_question(lane.unit, function, address, count)
        answer = await lane.bus.ask(self._pile_id, question)
        return words_of(function, answer, count)

    def _say(self, trouble: str) -> None:
        if bool(trouble) != bool(self._trouble):
            if trouble:
                log.warning("sign of life", pile_id=self._pile_id, why=trouble)
            else:
                log.info("signs of life are taken again", pile_id=self._pile_id)
        self._trouble = trouble
