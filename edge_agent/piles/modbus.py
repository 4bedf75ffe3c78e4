"""A pile read over Modbus, as its profile says: its blocks, its period, its back-off.

Connections belong to `modbus_bus.py`, bytes to `modbus_wire.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import structlog

from edge_agent.core.decoder import Decoder
from edge_agent.core.directive import (
    Action,
    Answer,
    Outcome,
    PollNow,
    SetAvailability,
    SetPeriod,
)
from edge_agent.core.facts import REGISTERS
from edge_agent.core.frames import NO_TAP, FrameTap
from edge_agent.core.profile import Profile
from edge_agent.core.reading import Reading
from edge_agent.errors import PileError, PileRefused, PileSilent, ReplyUnusable, WriteForbidden
from edge_agent.piles.modbus_blocks import Block, Lane, due, joined_words, plan
from edge_agent.piles.modbus_patience import MISFIT, Patience
from edge_agent.piles.modbus_writes import SignsOfLife, WriteGate
from edge_agent.piles.port import FactSink, ReadingSink

log: Final = structlog.get_logger("edge_agent.modbus")

SLOT_S: Final = 0.25


class ModbusPile:
    """One device and its EVSEs; `failures` counts reads that brought nothing."""

    def __init__(
        self,
        pile_id: str,
        evse_ids: Sequence[str],
        profile: Profile,
        lanes: Mapping[int, Lane],
        period_s: float,
        sink: ReadingSink,
        facts: FactSink,
        rng: random.Random,
        *,
        writes: bool = False,
    ) -> None:
        self.pile_id = pile_id
        self.evse_ids = tuple(evse_ids)
        self.period_s = period_s
        self.failures = 0
        self.tap: FrameTap = NO_TAP
        self._decoder = Decoder(profile, evse_ids)
        self._blocks = plan(self._decoder.each, self._decoder.vital, lanes, self._decoder.periods)
        self._once = plan(self._decoder.once, (), lanes, {})
        self._buses = tuple(dict.fromkeys(block.bus for block in self._blocks))
        self._sink = sink
        self._facts = facts
        self._rng = rng
        self._sleeper: asyncio.Future[None] | None = None
        self._asked = False
        self._stale = True
        self._readings: tuple[Reading, ...] = ()
        self._introduced = False
        self._patience = Patience(pile_id, rng)
        self._warm_up = profile.warm_up
        self._gate = WriteGate(pile_id, profile, lanes, allowed=writes)
        self._signs = SignsOfLife(
            pile_id, profile, self._gate, len(self.evse_ids), lambda: self._patience.bad_polls > 0
        )

    async def run(self) -> NoReturn:
        """Polls until cancelled; a device that fails is asked again with jittered back-off."""
        for bus in self._buses:
            bus.join(self.pile_id, self._wake, self.tap)
        try:
            if not self._signs:
                await self._poll_for_ever()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._signs.run(), name=f"edge_agent:signs-{self.pile_id}")
                await self._poll_for_ever()
        finally:
            for bus in self._buses:
                bus.leave(self.pile_id)

    async def _poll_for_ever(self) -> NoReturn:
        # Piles that start together would otherwise be asked in the same instant for ever.
        await asyncio.sleep(self._rng.uniform(0.0, min(self.period_s, 1.0) / 2))
        due_s = time.monotonic()
        while True:
            if self._patience.is_silent:
                await self._wait_for_probe()
            due_s += await self._attempt()
            due_s = await self._sleep_until(due_s + self.period_s)

    async def perform(self, evse_id: str, action: Action) -> Answer:
        """Polls at once, changes the period, or switches an EVSE; registers cannot reserve."""
        if isinstance(action, SetPeriod):
            self.period_s = action.period_s
            self._wake()
            return Answer(Outcome.DONE)
        if isinstance(action, PollNow):
            self._stale = True
            self._wake()
            return Answer(Outcome.DONE)
        if isinstance(action, SetAvailability):
            return await self._switch(evse_id, action.operative)
        return Answer(Outcome.UNSUPPORTED, f"{self.pile_id} is read over Modbus and cannot do that")

    async def _switch(self, evse_id: str, operative: bool) -> Answer:
        span = self._gate.span("availability")
        if span is None:
            return Answer(Outcome.UNSUPPORTED, f"{self.pile_id} has no register for that")
        connector = self.evse_ids.index(evse_id) + 1
        try:
            await self._gate.command(span, (int(operative),), connector)
        except WriteForbidden as error:
            return Answer(Outcome.UNSUPPORTED, str(error))
        except PileSilent as error:
            return Answer(Outcome.TIMED_OUT, str(error))
        except PileError as error:
            return Answer(Outcome.REFUSED, str(error))
        self._wake()
        return Answer(Outcome.DONE)

    async def _attempt(self) -> float:
        """Polls once; gives the seconds by which the next poll is put off."""
        try:
            await self._poll()
        except PileError as error:
            self.failures += 1
            self._miss(error)
            shared = any(bus.shared for bus in self._buses)
            return self._patience.failed(error, self.period_s, shared=shared)
        if self._patience.bad_polls:
            self._patience.answered()
        if not self._introduced:
            await self._introduce()
        return 0.0

    async def _poll(self) -> None:
        changed = self._stale
        if self._warm_up:
            await self._warm()
        trouble = self._patience.bad_polls > 0
        for block in due(self._blocks, time.monotonic(), after_trouble=trouble):
            if block.is_set_aside:
                changed = await self._try_again(block) or changed
                continue
            try:
                answer = await self._ask(block)
            except PileError as error:
                if not self._sets_aside(block, error):
                    raise
                changed = True
                continue
            if answer != block.answer:
                block.answer = answer
                changed = True
        if changed:
            self._readings = self._decoder.readings(joined_words(self._blocks))
            self._stale = False
        for reading in self._readings:
            self._sink.observe(reading)

    async def _warm(self) -> None:
        """Wakes a device that loses the first request after a pause."""
        block = self._blocks[0]
        with contextlib.suppress(PileError):
            await block.bus.ask(self.pile_id, block.question)

    async def _ask(self, block: Block) -> bytes:
        """A block's answer; what is lost on the way is asked once more on a fresh socket."""
        try:
            return await block.bus.ask(self.pile_id, block.question)
        except (PileSilent, ReplyUnusable) as error:
            if self._patience.bad_polls or error.reason == "NOT_CONNECTED":
                raise
        return await block.bus.ask(self.pile_id, block.question)

    def _sets_aside(self, block: Block, error: PileError) -> bool:
        """Whether the device can be read without this block, which is then asked seldom.

        So it is where it refuses the registers for good, or hangs up on whoever asks for them
        while it answers everything else.
        """
        if isinstance(error, PileRefused):
            lasting = error.code in MISFIT
        else:
            first = block is self._blocks[0]
            lasting = (
                error.reason == "CONNECTION_LOST" and not first and not self._patience.bad_polls
            )
        if not lasting or block.is_vital:
            return False
        block.set_aside(time.monotonic())
        log.error(
            "profile does not fit the device",
            pile_id=self.pile_id,
            registers=str(block),
            why=str(error),
            hint="the other registers are read; correct the profile or the firmware",
        )
        return True

    async def _try_again(self, block: Block) -> bool:
        """Asks a block that was set aside once in a while; whether it is back."""
        now_s = time.monotonic()
        if now_s < block.again_s:
            return False
        try:
            block.answer = await block.bus.ask(self.pile_id, block.question)
        except PileError:
            block.set_aside(now_s)
            return False
        block.take_back()
        log.info("registers are answered again", pile_id=self.pile_id, registers=str(block))
        return True

    async def _introduce(self) -> None:
        """Reads serial number and the like once per outage; failure costs nothing else."""
        self._introduced = True
        if not self._once:
            return
        for block in self._once:
            block.answer = b""
            try:
                block.answer = await block.bus.ask(self.pile_id, block.question)
            except PileRefused as error:
                log.info(
                    "device does not tell this of itself", pile_id=self.pile_id, why=str(error)
                )
            except PileError as error:
                log.info("device tells nothing of itself", pile_id=self.pile_id, why=str(error))
                # Where a scale depends on what it tells, it is asked again with the next poll.
                self._introduced = not self._decoder.waits_for_facts
                return
        facts = self._decoder.facts(joined_words(self._once))
        # Firmware and product may have changed what the registers mean.
        self._stale = True
        told = {
            "maker": facts.maker,
            "model": facts.model,
            "serial": facts.serial,
            "firmware": facts.firmware,
        }
        self._facts.learn(self.pile_id, told, REGISTERS)

    async def _wait_for_probe(self) -> None:
        """Waits until the line has room for a unit that may not answer."""
        for bus in self._buses:
            while (wait_s := bus.probe_wait_s(time.monotonic())) > 0:
                await self._sleep_until(time.monotonic() + wait_s * self._rng.uniform(1.0, 1.2))

    def _miss(self, error: PileError) -> None:
        # What was read before the failure must not be taken for fresh when it comes again.
        self._stale = True
        self._introduced = self._introduced and isinstance(error, PileRefused)
        for evse_id in self.evse_ids:
            self._sink.miss(evse_id, error.reason)

    async def _sleep_until(self, due_s: float) -> float:
        """When the next poll really begins: at `due_s`, at once if overdue or asked for."""
        now_s = time.monotonic()
        if self._asked or due_s <= now_s:
            self._asked = False
            # Even a device that is always overdue lets the others run.
            await asyncio.sleep(0)
            return now_s
        # Piles wake together in slots: one turn of the loop then serves several of them.
        slot_s = min(SLOT_S, self.period_s / 4)
        wake_s = math.ceil(due_s / slot_s) * slot_s
        loop = asyncio.get_running_loop()
        self._sleeper = loop.create_future()
        timer = loop.call_at(wake_s, self._wake, False)
        try:
            await self._sleeper
        finally:
            timer.cancel()
            self._sleeper = None
        if self._asked:
            self._asked = False
            return time.monotonic()
        return due_s

    def _wake(self, asked: bool = True) -> None:
        """Ends the pause before the next poll, or lets the next one be skipped."""
        self._asked = self._asked or asked
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)
