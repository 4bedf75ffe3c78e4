"""A strict Modbus master over memory: it asks, checks the whole frame, and says what it got.

The bytes pass through the product's own port; only the network between is missing.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

_MBAP = struct.Struct(">HHHB")


class _Wire:
    """The transport that the port writes to: bytes go to the master, closing is seen."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard
        self.is_open = True
        self.handler: Any = None

    def write(self, data: bytes) -> None:
        if self.is_open:
            self._heard(bytes(data))

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._heard(b"")
            asyncio.get_running_loop().call_soon(self.handler.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return not self.is_open

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Master:
    """One master of one pile; `outcome` is how its last request ended.

    Outcomes: `ok`, `exception N`, `timeout`, `dropped` (the connection was closed), `bad frame`
    (cut short or damaged), `wrong unit`, `stale` (the answer to another question).
    """

    def __init__(self, connect: Callable[[], Any], unit_id: int, timeout_s: float = 1.0) -> None:
        self._connect = connect
        self._unit_id = unit_id
        self._timeout_s = timeout_s
        self._wire: _Wire | None = None
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self._number = 0
        self.outcome = ""
        self.requests = 0
        self.failures = 0
        self.drops = 0
        self.words: list[int] = []

    async def read(
        self, function: int, address: int, count: int, unit: int | None = None
    ) -> list[int] | None:
        """The words asked for, None where the answer was none; `unit` is another's than its own."""
        pdu = await self._ask(struct.pack(">BHH", function, address, count), unit)
        if pdu is None:
            return None
        data = pdu[2:]
        if len(data) != 2 * count and function in (3, 4):
            self._end("bad frame")
            return None
        words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
        if function in (1, 2):
            words = [data[0] & 1] if data else []
        self.words = words
        return words

    async def write(
        self, function: int, address: int, words: list[int], unit: int | None = None
    ) -> bool:
        """Whether the device took the words."""
        if function == 16:
            body = struct.pack(
                f">BHHB{len(words)}H", 16, address, len(words), 2 * len(words), *words
            )
        elif function == 5:
            body = struct.pack(">BHH", 5, address, 0xFF00 if words[0] else 0)
        else:
            body = struct.pack(">BHH", 6, address, words[0])
        return await self._ask(body, unit) is not None

    def hang_up(self) -> None:
        """Leaves the device."""
        if self._wire is not None and self._wire.is_open:
            self._wire.is_open = False
            self._wire.handler.connection_lost(None)

    async def _ask(self, pdu: bytes, unit: int | None) -> bytes | None:
        asked = self._unit_id if unit is None else unit
        self.requests += 1
        self._number = (self._number + 1) & 0xFFFF
        wire = self._open_wire()
        while not self._arrived.empty():
            self._arrived.get_nowait()
        header = _MBAP.pack(self._number, 0, len(pdu) + 1, asked)
        wire.handler.data_received(header + pdu)
        try:
            async with asyncio.timeout(self._timeout_s):
                frame = await self._arrived.get()
        except TimeoutError:
            # As a careful master does: the late answer must not be taken for the next one.
            self.hang_up()
            self._end("timeout")
            return None
        return self._checked(frame, pdu[0], asked)

    def _checked(self, frame: bytes, function: int, asked: int) -> bytes | None:
        if not frame:
            self.drops += 1
            self._end("dropped")
            return None
        if len(frame) < _MBAP.size + 2:
            self._end("bad frame")
            return None
        number, protocol, length, unit = _MBAP.unpack(frame[: _MBAP.size])
        pdu = frame[_MBAP.size :]
        if protocol != 0 or length != len(pdu) + 1:
            self._end("bad frame")
            return None
        if unit != asked:
            self._end("wrong unit")
            return None
        if number != self._number or pdu[0] & 0x7F != function:
            self._end("stale")
            return None
        if pdu[0] & 0x80:
            self._end(f"exception {pdu[1]}")
            return None
        self.outcome = "ok"
        return pdu

    def _end(self, outcome: str) -> None:
        self.outcome = outcome
        self.failures += 1

    def _open_wire(self) -> _Wire:
        if self._wire is None or not self._wire.is_open:
            self._wire = _Wire(self._arrived.put_nowait)
            self._wire.handler = self._connect()
            self._wire.handler.connection_made(self._wire)
        return self._wire
