"""One open Modbus connection: a question goes out, its answer comes back, all else is thrown away.

Frames and check sums are pymodbus's. Its client takes an answer with another function code or
length for the one that was asked for, so the asking is done here. Who may ask, and when a
connection is opened anew, belongs to `modbus_bus.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from edge_agent.core.frames import IN, NO_TAP, OUT, FrameTap

_READ_BITS: Final = frozenset({1, 2})
_MBAP: Final = struct.Struct(">HHHB")
# The largest length that the header of a Modbus TCP frame may tell: unit and 253 bytes.
_MAX_LENGTH: Final = 254
_UNIT_AND_CHECK_SUM: Final = 3
# So many bytes of noise behind a frame are what switching a line driver off makes; more is a frame.
_NOISE: Final = 2


class WireError(Exception):
    """No usable answer; `reason` is the stable word, `garbled` tells that something else came."""

    def __init__(self, reason: str, text: str, *, garbled: bool = False) -> None:
        self.reason = reason
        self.garbled = garbled
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Question:
    """A request as bytes, and what its good answer begins with and how long it is.

    `address` and `count` are for messages only.
    """

    unit: int
    pdu: bytes
    answer_head: bytes
    answer_size: int
    address: int
    count: int


def read_question(unit: int, function: int, address: int, count: int) -> Question:
    """Asks for `count` registers (functions 3, 4) or bits (1, 2).

    >>> read_question(1, 3, 0x400C, 2).answer_size
    6
    """
    size = (count + 7) // 8 if function in _READ_BITS else 2 * count
    pdu = struct.pack(">BHH", function, address, count)
    return Question(unit, pdu, bytes((function, size)), size + 2, address, count)


def counter_question(question: Question) -> Question | None:
    """A read at the same place whose answer has another length; None for bits and writes.

    >>> counter_question(read_question(1, 3, 0x400C, 24)).answer_size
    4
    """
    function = question.pdu[0]
    if function not in (3, 4):
        return None
    return read_question(question.unit, function, question.address, 2 if question.count == 1 else 1)


def write_question(unit: int, function: int, address: int, values: Sequence[int]) -> Question:
    """Writes one coil (5), one register (6) or several registers (16).

    >>> write_question(1, 6, 0x4105, [1]).pdu.hex()
    '0641050001'
    """
    if function == 16:
        head = struct.pack(">BHH", 16, address, len(values))
        body = struct.pack(f">B{len(values)}H", 2 * len(values), *values)
        return Question(unit, head + body, head, len(head), address, len(values))
    value = (0xFF00 if values[0] else 0) if function == 5 else values[0]
    pdu = struct.pack(">BHH", function, address, value)
    return Question(unit, pdu, pdu, len(pdu), address, 1)


def words_of(function: int, answer: bytes, count: int) -> tuple[int, ...]:
    """The registers in a good answer, or its bits as 0 and 1.

    >>> words_of(3, bytes([3, 4, 0, 1, 0, 2]), 2), words_of(1, bytes([1, 1, 0b101]), 3)
    ((1, 2), (1, 0, 1))
    """
    if function in _READ_BITS:
        return tuple(answer[2 + i // 8] >> i % 8 & 1 for i in range(count))
    return struct.unpack_from(f">{count}H", answer, 2)


class Wire(asyncio.Protocol):
    """One connection with one question under way at most.

    `spoiled` says why it must not be used any more, "" while it is sound.
    """

    def __init__(self) -> None:
        self.spoiled = ""
        self.tap: FrameTap = NO_TAP
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[bytes] | None = None
        self._question: Question
        self._buffer = b""
        self._heard_s = 0.0

    async def ask(self, question: Question, timeout_s: float) -> bytes:
        """The answer's function code and data, exceptions included; raises `WireError`."""
        if self.spoiled or self._transport is None:
            raise WireError("CONNECTION_LOST", self.spoiled or "not connected")
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bytes] = loop.create_future()
        self._waiting = waiting
        self._question = question
        self._buffer = b""
        frame = self._frame(question)
        self.tap.frame(OUT, frame)
        self._transport.write(frame)
        timer = loop.call_later(timeout_s, self._expire, timeout_s)
        try:
            return await waiting
        finally:
            timer.cancel()
            self._waiting = None

    async def settle(self, quiet_s: float, longest_s: float) -> None:
        """Waits for silence, because what comes now answers a question of an earlier connection."""
        loop = asyncio.get_running_loop()
        begun_s = self._heard_s = loop.time()
        pause_s = quiet_s
        while pause_s > 0:
            await asyncio.sleep(pause_s)
            end_s = min(self._heard_s + quiet_s, begun_s + longest_s)
            pause_s = end_s - loop.time()
        if self.spoiled and self._transport is not None:
            self.spoiled = ""

    def close(self) -> None:
        """Closes the connection at once."""
        self.spoiled = self.spoiled or "closed"
        transport, self._transport = self._transport, None
        if transport is not None:
            # The device file of an adapter that was pulled out may fail even here.
            with contextlib.suppress(OSError):
                transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the open connection."""
        if not self.spoiled:
            self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails the question under way."""
        self.spoiled = f"the connection was closed: {exc}" if exc else "the device hung up"
        self._transport = None
        self._fail("CONNECTION_LOST", self.spoiled)

    def data_received(self, data: bytes) -> None:
        """Completes the answer, or spoils the connection where nothing was asked."""
        self.tap.frame(IN, data)
        waiting = self._waiting
        if waiting is None or waiting.done():
            self.spoiled = f"{len(data)} bytes came that nobody had asked for"
            self._heard_s = asyncio.get_running_loop().time()
            return
        self._buffer = self._buffer + data if self._buffer else data
        answer = self._answer(self._buffer)
        if answer is None or waiting.done():
            return
        question = self._question
        if answer[0] == question.pdu[0] | 0x80 and len(answer) == 2:
            waiting.set_result(answer)
        elif len(answer) != question.answer_size or not answer.startswith(question.answer_head):
            self._garbled(
                f"{answer[:2].hex()} with {len(answer)} bytes came, {question.answer_head.hex()} "
                f"with {question.answer_size} was due"
            )
        else:
            waiting.set_result(answer)

    def _frame(self, question: Question) -> bytes:
        raise NotImplementedError

    def _answer(self, data: bytes) -> bytes | None:
        """Function code and data of a whole frame; None while it is not whole, or is unusable."""
        raise NotImplementedError

    def _garbled(self, text: str) -> None:
        self.spoiled = text
        self._fail("BAD_REPLY", text, garbled=True)

    def _expire(self, timeout_s: float) -> None:
        if self._buffer:
            text = f"the answer broke off after {len(self._buffer)} bytes"
            self._fail("BAD_REPLY", text, garbled=True)
        else:
            self._fail("TIMEOUT", f"no answer within {timeout_s:g} s")

    def _fail(self, reason: str, text: str, *, garbled: bool = False) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(WireError(reason, text, garbled=garbled))


class TcpWire(Wire):
    """Modbus TCP: the header names the question that is answered."""

    def __init__(self) -> None:
        super().__init__()
        self._framer = FramerSocket(DecodePDU(False))
        self._number = 0

    def _frame(self, question: Question) -> bytes:
        self._number = self._number % 0xFFFF + 1
        return self._framer.encode(question.pdu, question.unit, self._number)

    def _answer(self, data: bytes) -> bytes | None:
        if len(data) < _MBAP.size + 2:
            return None
        number, protocol, length, unit = _MBAP.unpack_from(data)
        if number != self._number:
            self._garbled(f"an answer to question {number} came, {self._number} was asked")
        elif protocol or not 3 <= length <= _MAX_LENGTH:
            self._garbled("what came is not Modbus TCP")
        elif unit != self._question.unit:
            self._garbled(f"unit {unit} answered, unit {self._question.unit} was asked")
        elif len(data) > length + 6:
            self._garbled(f"{len(data) - length - 6} bytes came behind the answer")
        elif len(data) == length + 6:
            return data[_MBAP.size :]
        return None


class RtuWire(Wire):
    """Modbus RTU, on a serial line or carried over TCP: a check sum, and no numbers."""

    def _frame(self, question: Question) -> bytes:
        frame = bytes((question.unit,)) + question.pdu
        return frame + FramerRTU.compute_CRC(frame).to_bytes(2, "big")

    def _answer(self, data: bytes) -> bytes | None:
        question = self._question
        if question.unit:
            # A line driver that switches on is often seen as a byte of zeros.
            data = data.lstrip(b"\0")
        if len(data) < 5:
            return None
        refused = data[1] == question.pdu[0] | 0x80
        size = (2 if refused else question.answer_size) + _UNIT_AND_CHECK_SUM
        if data[0] != question.unit:
            self._garbled(f"unit {data[0]} answered, unit {question.unit} was asked")
        elif not refused and data[1] != question.pdu[0]:
            self._garbled(f"function {data[1]} answered, function {question.pdu[0]} was asked")
        elif len(data) > size + _NOISE:
            self._garbled(f"{len(data)} bytes came, {size} were due")
        elif len(data) >= size:
            if FramerRTU.check_CRC(data[: size - 2], int.from_bytes(data[size - 2 : size], "big")):
                return data[1 : size - 2]
            self._garbled("the check sum is wrong")
        return None
