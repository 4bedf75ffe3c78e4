"""A pile read over Modbus TCP, as its profile says. The only file that imports pymodbus.

The library's own retry and reconnect stay off: after a time-out the socket is closed, because a
late answer on it would be taken for the answer to the next question.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Sequence
from typing import Final, NoReturn

import structlog
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException, ModbusIOException

from edge_agent.core.backoff import full_jitter_s
from edge_agent.core.decoder import Decoder
from edge_agent.core.directive import Action, Answer, Outcome, PollNow, SetPeriod
from edge_agent.core.facts import REGISTERS
from edge_agent.core.profile import Profile
from edge_agent.core.reading import Reading
from edge_agent.core.registers import Span
from edge_agent.errors import PileError, PileRefused, PileSilent, ReplyUnusable
from edge_agent.piles.port import FactSink, ReadingSink

log: Final = structlog.get_logger("edge_agent.modbus")

TIMEOUT_S: Final = 1.0
# A dead read costs timeout x (retries + 1); the library's defaults would cost 12 s.
RETRIES: Final = 1
BACKOFF_CAP_S: Final = 10.0
# A device that refuses is asked at its period this often before it is asked more slowly.
PATIENT_REFUSALS: Final = 3
SLOT_S: Final = 0.125


class ModbusPile:
    """One device and its EVSEs; `failures` counts reads that brought nothing."""

    def __init__(
        self,
        pile_id: str,
        evse_ids: Sequence[str],
        profile: Profile,
        address: tuple[str, int],
        device_id: int,
        period_s: float,
        sink: ReadingSink,
        facts: FactSink,
        rng: random.Random,
    ) -> None:
        self.pile_id = pile_id
        self.evse_ids = tuple(evse_ids)
        self.period_s = period_s
        self.failures = 0
        self._decoder = Decoder(profile, evse_ids)
        self._host, self._port = address
        self._device_id = device_id
        self._sink = sink
        self._facts = facts
        self._rng = rng
        self._client: AsyncModbusTcpClient | None = None
        self._sleeper: asyncio.Future[None] | None = None
        self._asked = False
        self._words: list[int] = []
        self._readings: tuple[Reading, ...] = ()
        self._trouble = ""
        self._introduced = False

    async def run(self) -> NoReturn:
        """Polls until cancelled; a device that fails is asked again with jittered back-off."""
        # Piles that start together would otherwise be asked in the same instant for ever.
        await asyncio.sleep(self._rng.uniform(0.0, min(self.period_s, 1.0) / 2))
        due_s = time.monotonic()
        bad_polls = 0
        try:
            while True:
                try:
                    await self._poll()
                    self._say("")
                    bad_polls = 0
                except PileError as error:
                    self.failures += 1
                    self._miss(error)
                    patient = isinstance(error, PileRefused) and bad_polls < PATIENT_REFUSALS
                    if not patient:
                        due_s += full_jitter_s(bad_polls, self._rng, self.period_s, BACKOFF_CAP_S)
                    bad_polls += 1
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    # The library's `wait_for` swallows a cancellation that meets an answer.
                    raise asyncio.CancelledError
                due_s = await self._sleep_until(due_s + self.period_s)
        finally:
            self._close()

    async def perform(self, evse_id: str, action: Action) -> Answer:
        """Polls at once or changes the period; registers cannot reserve."""
        if isinstance(action, SetPeriod):
            self.period_s = action.period_s
            self._wake()
            return Answer(Outcome.DONE)
        if isinstance(action, PollNow):
            self._words = []
            self._wake()
            return Answer(Outcome.DONE)
        return Answer(Outcome.UNSUPPORTED, f"{self.pile_id} is read over Modbus and cannot do that")

    async def _poll(self) -> None:
        words = await self._read(self._decoder.each)
        if words != self._words:
            self._readings = self._decoder.readings(words)
            self._words = words
        for reading in self._readings:
            self._sink.observe(reading)
        if not self._introduced:
            await self._introduce()

    async def _introduce(self) -> None:
        """Reads serial number and the like once per connection; a refusal costs nothing else."""
        self._introduced = True
        if not self._decoder.once:
            return
        try:
            facts = self._decoder.facts(await self._read(self._decoder.once))
        except PileRefused as error:
            log.info("device tells nothing of itself", pile_id=self.pile_id, why=str(error))
            return
        told = {
            "maker": facts.maker,
            "model": facts.model,
            "serial": facts.serial,
            "firmware": facts.firmware,
        }
        self._facts.learn(self.pile_id, told, REGISTERS)

    async def _read(self, blocks: Sequence[Span]) -> list[int]:
        """The joined words of the blocks; a time-out is tried once more on a fresh socket."""
        for last in (False,) * RETRIES + (True,):
            try:
                words: list[int] = []
                for block in blocks:
                    words += await self._read_block(block)
                return words
            except (PileSilent, ReplyUnusable):
                self._close()
                if last:
                    raise
        raise AssertionError("unreachable")

    async def _read_block(self, block: Span) -> list[int]:
        client = self._client or await self._connect()
        read = client.read_holding_registers if block.function == 3 else client.read_input_registers
        try:
            # The client was made with our time-out and keeps it.
            reply = await read(block.address, count=block.count, device_id=self._device_id)
        except ModbusIOException as error:
            raise PileSilent(self.pile_id, "TIMEOUT", str(error)) from error
        except (ModbusException, OSError) as error:
            raise PileSilent(self.pile_id, "CONNECTION_LOST", str(error)) from error
        if reply.isError():
            code = int(getattr(reply, "exception_code", 0))
            raise PileRefused(self.pile_id, code, block.address, block.count)
        if len(reply.registers) != block.count:
            text = f"{len(reply.registers)} registers came, {block.count} were asked for"
            raise ReplyUnusable(self.pile_id, "BAD_REPLY", text)
        return list(reply.registers)

    async def _connect(self) -> AsyncModbusTcpClient:
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            timeout=TIMEOUT_S,
            retries=0,
            reconnect_delay=0,
            name=self.pile_id,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S * 2):
                connected = await client.connect()
        except (TimeoutError, ModbusException, OSError) as error:
            client.close()
            raise PileSilent(self.pile_id, "NOT_CONNECTED", f"cannot connect: {error}") from error
        if not connected:
            client.close()
            text = f"cannot connect to {self._host}:{self._port}"
            raise PileSilent(self.pile_id, "NOT_CONNECTED", text)
        self._client = client
        self._introduced = False
        return client

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _miss(self, error: PileError) -> None:
        self._say(str(error))
        # What was read before the failure must not be taken for fresh when it comes again.
        self._words = []
        for evse_id in self.evse_ids:
            self._sink.miss(evse_id, error.reason)

    def _say(self, trouble: str) -> None:
        """One log line for each change, not for each poll."""
        if trouble == self._trouble:
            return
        if trouble:
            log.warning("pile cannot be read", pile_id=self.pile_id, why=trouble)
        else:
            log.info("pile is read again", pile_id=self.pile_id)
        self._trouble = trouble

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
