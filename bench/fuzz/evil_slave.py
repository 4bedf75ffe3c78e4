"""A Modbus device over TCP whose answers are right until they are told to be something else.

It speaks both framings, answers all units, and knows nothing of profiles: what it says in registers
depends on their addresses alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

Spoil = Callable[[bytes], list[bytes]]


def crc(frame: bytes) -> bytes:
    """The check sum of Modbus RTU. Source: Modbus over serial line 1.02, 6.2.2.

    >>> crc(bytes.fromhex("010300000002")).hex()
    'c40b'
    """
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


@dataclass(eq=False, slots=True)
class Slave:
    """One port. `spoil` takes the next right answer and gives the pieces that are sent instead."""

    profile: str
    rtu: bool
    extreme: bool = False  # registers hold the largest values, and patterns that are no number
    spoil: Spoil | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    questions: int = 0
    port: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens on a free port, or on the one that it had."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listens no more; open connections end."""
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 0.2)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head, pdu, unit = await self._question(reader)
                self.questions += 1
                self.asked.set()
                answer = self._framed(head, unit, self._answer(pdu))
                spoil, self.spoil = self.spoil, None
                pieces = [answer] if spoil is None else spoil(answer)
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                if spoil is not None and not pieces:
                    return
        except (asyncio.IncompleteReadError, OSError, struct.error):
            return
        finally:
            self.hung_up.set()
            writer.close()

    async def _question(self, reader: asyncio.StreamReader) -> tuple[bytes, bytes, int]:
        """What stands before the answer, the request itself, and the unit that is asked."""
        if not self.rtu:
            head = await reader.readexactly(7)
            length, unit = struct.unpack_from(">HB", head, 4)
            return head[:4], await reader.readexactly(length - 1), unit
        frame = await reader.readexactly(8)
        if frame[1] == 16:
            frame += await reader.readexactly(frame[6] + 1)
        return b"", frame[1:-2], frame[0]

    def _framed(self, head: bytes, unit: int, pdu: bytes) -> bytes:
        if self.rtu:
            frame = bytes((unit,)) + pdu
            return frame + crc(frame)
        return head + struct.pack(">HB", len(pdu) + 1, unit) + pdu

    def _answer(self, pdu: bytes) -> bytes:
        function, address, count = struct.unpack_from(">BHH", pdu)
        if function in (1, 2):
            size = (count + 7) // 8
            return bytes((function, size)) + bytes(size)
        if function in (3, 4):
            words = [self._word(address + n) for n in range(count)]
            return bytes((function, 2 * count)) + struct.pack(f">{count}H", *words)
        return pdu[:5]

    def _word(self, address: int) -> int:
        if not self.extreme:
            return address % 7
        rng = random.Random(address * 31 + self.questions)
        return rng.choice((0xFFFF, 0x7FC0, 0x7F80, 0xFF80, 0x8000, 0x7FFF, 0, rng.getrandbits(16)))
