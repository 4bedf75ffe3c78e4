"""One shared connection per device, gateway or serial line: one question at a time, in turn.

What bytes mean on the wire belongs to `modbus_wire.py`, what to ask to `modbus.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from edge_agent.core.backoff import full_jitter_s
from edge_agent.core.frames import NO_TAP, FrameTap
from edge_agent.errors import PileRefused, PileSilent, ReplyUnusable
from edge_agent.piles.modbus_address import TCP
from edge_agent.piles.modbus_wire import Question, Wire, WireError, counter_question

log: Final = structlog.get_logger("edge_agent.modbus")

TIMEOUT_S: Final = 1.0
CONNECT_TIMEOUT_S: Final = 2.0
RECONNECT_BASE_S: Final = 0.5
RECONNECT_CAP_S: Final = 10.0
# Frames without numbers: after trouble the line has to be silent this long before it is used.
QUIET_S: Final = 0.1
QUIET_CAP_S: Final = 0.5
# Units that do not answer may together hold a shared line for one part in so many.
PROBE_SHARE: Final = 5


class Address(Protocol):
    """Something that can be opened; `str()` of it is what people call it."""

    @property
    def transport(self) -> str:
        """Which frames it speaks."""
        ...

    @property
    def gap_s(self) -> float:
        """The silence that its frames need between them."""
        ...

    async def open(self) -> Wire:
        """An open connection; raises OSError."""
        ...


class Bus:
    """One connection and the piles that share it; waiting piles are served in order of asking.

    `connections` counts how often it was opened. `gap_s` is the silence between two frames.
    """

    def __init__(self, address: Address, rng: random.Random) -> None:
        self.address = address
        self.connections = 0
        self.gap_s = address.gap_s
        self._rng = rng
        self._wire: Wire | None = None
        self._turn = asyncio.Lock()
        self._members: dict[str, Callable[[], None]] = {}
        self._taps: dict[str, FrameTap] = {}
        self._silent: set[str] = set()
        self._free_s = 0.0
        self._probe_s = 0.0
        self._retry_s = 0.0
        self._losses = 0
        self._trouble = ""
        self._doubtful = False

    @property
    def shared(self) -> bool:
        """Whether more than one pile depends on it."""
        return len(self._members) > 1

    def join(self, pile_id: str, wake: Callable[[], None], tap: FrameTap = NO_TAP) -> None:
        """Adds a pile; `wake` is called when a line that was dead altogether speaks again."""
        self._members[pile_id] = wake
        self._taps[pile_id] = tap

    def leave(self, pile_id: str) -> None:
        """Takes a pile away; the last one closes the connection."""
        self._members.pop(pile_id, None)
        self._silent.discard(pile_id)
        if not self._members:
            self._close()

    async def ask(self, pile_id: str, question: Question) -> bytes:
        """The answer of a unit; raises `PileSilent`, `ReplyUnusable` or `PileRefused`."""
        async with self._turn:
            wire = self._wire
            if wire is None or wire.spoiled:
                wire = await self._open(pile_id)
            wire.tap = self._taps.get(pile_id, NO_TAP)
            try:
                if self._doubtful:
                    await self._clear_doubt(wire, question)
                if self.gap_s:
                    await self._keep_gap()
                answer = await wire.ask(question, TIMEOUT_S)
            except WireError as error:
                self._fail(pile_id, error)
                kind = ReplyUnusable if error.garbled else PileSilent
                raise kind(pile_id, error.reason, str(error)) from error
            except asyncio.CancelledError:
                self._close()  # its answer may still come
                raise
            finally:
                if self.gap_s:
                    self._free_s = asyncio.get_running_loop().time() + self.gap_s
        if self._losses or self._silent:
            self._heard(pile_id)
        if answer[0] & 0x80:
            raise PileRefused(pile_id, answer[1], question.address, question.count)
        return answer

    def probe_wait_s(self, now_s: float) -> float:
        """Seconds until one more silent unit may be asked; 0 takes the place.

        A unit that does not answer holds the line for a whole time-out, so the silent ones of a
        shared line are asked in turn and seldom. Alone on its line, a pile is its own master.
        """
        if not self.shared:
            return 0.0
        if now_s < self._probe_s:
            return self._probe_s - now_s
        self._probe_s = now_s + PROBE_SHARE * TIMEOUT_S
        return 0.0

    async def _open(self, pile_id: str) -> Wire:
        self._close()
        loop = asyncio.get_running_loop()
        if loop.time() < self._retry_s:
            raise PileSilent(pile_id, "NOT_CONNECTED", self._trouble)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                wire = await self.address.open()
        except (TimeoutError, OSError) as error:
            text = f"cannot connect to {self.address}: {_why(error)}"
            self._lose(text)
            raise PileSilent(pile_id, "NOT_CONNECTED", text) from error
        self._wire = wire
        self.connections += 1
        return wire

    async def _clear_doubt(self, wire: Wire, question: Question) -> None:
        """Makes sure after trouble that answers belong to their questions.

        Where frames carry no numbers, what still comes is heard out, and a question of another
        length is asked first: a converter that is one answer behind gives that of the one before.
        """
        if self.address.transport != TCP:
            await wire.settle(QUIET_S, QUIET_CAP_S)
            if (other := counter_question(question)) is not None:
                await wire.ask(other, TIMEOUT_S)
        self._doubtful = False

    def _fail(self, pile_id: str, error: WireError) -> None:
        """Closes after a failed question, because a late answer would be taken for the next one."""
        self._close()
        self._doubtful = True
        if error.reason == "TIMEOUT":
            self._silent.add(pile_id)
        elif error.reason == "CONNECTION_LOST":
            self._lose(f"{self.address}: {error}")

    def _lose(self, text: str) -> None:
        """Lets nobody connect for a while: piles that share a dead line would storm it."""
        if self.shared:
            pause_s = full_jitter_s(self._losses, self._rng, RECONNECT_BASE_S, RECONNECT_CAP_S)
            self._retry_s = asyncio.get_running_loop().time() + pause_s
        self._losses += 1
        self._trouble = text

    def _heard(self, pile_id: str) -> None:
        """Lets the others try at once, where nobody at all had been answered before."""
        dead = self._losses > 1 or len(self._silent) == len(self._members)
        self._losses = 0
        self._trouble = ""
        self._silent.discard(pile_id)
        if dead and self.shared:
            self._probe_s = 0.0
            for name, wake in self._members.items():
                if name != pile_id:
                    wake()

    async def _keep_gap(self) -> None:
        pause_s = self._free_s - asyncio.get_running_loop().time()
        if pause_s > 0:
            await asyncio.sleep(pause_s)

    def _close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_TIMEOUT_S:g} s"
    return str(error)
