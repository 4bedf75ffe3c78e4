"""A bare Modbus TCP master: raw frames over asyncio, one connection a pile, one block a period.

No Modbus library is in the way, so that what is measured is the other side. Starting it and adding
up is in `firmware.py`.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from typing import Final

FUNCTION: Final = 3
# Sends are looked at this often: as many polls leave together as fall into it.
_TURN_S: Final = 0.005
_CONNECT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Block:
    """What every pile is asked for."""

    unit: int
    address: int
    count: int

    def request(self, number: int) -> bytes:
        """The frame that asks for it."""
        return struct.pack(">HHHBBHH", number, 0, 6, self.unit, FUNCTION, self.address, self.count)

    @property
    def answer_length(self) -> int:
        """Bytes of the frame that answers it."""
        return 9 + 2 * self.count


@dataclass(slots=True)
class Tally:
    """What the polls came to: seconds that the answered ones took, and how many were missed."""

    took_s: list[float] = field(default_factory=list)
    polls: int = 0
    missed: int = 0
    wrong: int = 0


class Line(asyncio.Protocol):
    """The connection to one pile; one question at a time."""

    def __init__(self, block: Block, tally: Tally) -> None:
        self._block = block
        self._tally = tally
        self._transport: asyncio.Transport | None = None
        self._heard = b""
        self._number = 0
        self._asked_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Without a connection every further poll is missed."""
        self._transport = None

    def ask(self, now_s: float, *, counted: bool) -> None:
        """Sends the next question; one that is still open was missed."""
        if self._asked_s is not None:
            self._tally.missed += 1
        self._number = (self._number + 1) & 0xFFFF
        self._heard = b""
        self._asked_s = now_s if counted else None
        if counted:
            self._tally.polls += 1
        if self._transport is not None:
            self._transport.write(self._block.request(self._number))

    def data_received(self, data: bytes) -> None:
        """Takes an answer; one to an earlier question does not count."""
        self._heard += data
        if len(self._heard) < self._block.answer_length:
            return
        number, _, _, _, function, size = struct.unpack(">HHHBBB", self._heard[:9])
        if number != self._number or self._asked_s is None:
            return
        if function != FUNCTION or size != 2 * self._block.count:
            self._tally.wrong += 1
        self._tally.took_s.append(asyncio.get_running_loop().time() - self._asked_s)
        self._asked_s = None

    def finish(self) -> None:
        """Closes; a question that is still open was missed."""
        if self._asked_s is not None:
            self._tally.missed += 1
        if self._transport is not None:
            self._transport.close()


async def connect(addresses: list[str], block: Block, tally: Tally) -> list[Line]:
    """A line to each pile."""
    loop = asyncio.get_running_loop()
    lines = []
    async with asyncio.timeout(_CONNECT_S):
        for address in addresses:
            host, _, port = address.rpartition(":")
            _, line = await loop.create_connection(lambda: Line(block, tally), host, int(port))
            lines.append(line)
    return lines


async def poll(lines: list[Line], seconds: float, period_s: float, *, counted: bool) -> None:
    """Asks every line once each period, spread evenly over it, and gives the last ones one more."""
    loop = asyncio.get_running_loop()
    begin_s, sent, whole = loop.time(), 0, int(seconds / period_s * len(lines))
    gap_s = period_s / len(lines)
    while sent < whole:
        now_s = loop.time()
        due = min(int((now_s - begin_s) / gap_s) + 1, whole)
        for number in range(sent, due):
            lines[number % len(lines)].ask(now_s, counted=counted)
        sent = due
        await asyncio.sleep(_TURN_S)
    await asyncio.sleep(period_s)
