"""One connection to a Modbus port or line: frames in, answers out, spoiled where the wire fails.

What the words mean the devices know; ports and lines are opened in `modbus_server.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Protocol

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusIOException
from pymodbus.framer import FramerType
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.server.requesthandler import ServerRequestHandler

from firmware_sim.core.wire import WireFault
from firmware_sim.faces.modbus_frames import (
    BIT_WRITES,
    READS,
    answer_read,
    answer_write,
    frame,
    pieces,
    refusal,
)
from firmware_sim.faces.registers.map import (
    Clients,
    DeviceFailureError,
    IllegalAddressError,
    IllegalFunctionError,
    IllegalValueError,
)

_MOST_READ: Final = {1: 2000, 2: 2000, 3: 125, 4: 125}
_MUTE: Final = ("silent", "half_open")
_CODES: Final[dict[type[Exception], int]] = {
    IllegalFunctionError: ExcCodes.ILLEGAL_FUNCTION,
    IllegalAddressError: ExcCodes.ILLEGAL_ADDRESS,
    IllegalValueError: ExcCodes.ILLEGAL_VALUE,
    DeviceFailureError: ExcCodes.DEVICE_FAILURE,
}


class Registers(Protocol):
    """A device behind a port: which units it answers to, its functions, its registers."""

    functions: frozenset[int]
    clients: Clients

    def answers_to(self, unit: int) -> bool:
        """Whether a request to this unit id is for it."""

    def read(self, function: int, address: int, count: int, unit: int | None) -> list[int]:
        """The words asked for; raises one of the errors of `map.py`."""

    def write(
        self,
        function: int,
        address: int,
        words: Sequence[int],
        client: str,
        unit: int | None,
    ) -> None:
        """Takes the words of a client; raises one of the errors of `map.py`."""

    def wire_fault(self, address: int = 0, count: int = 0) -> WireFault | None:
        """The wire fault that this request meets, or None; called once for every request."""

    def lasts_s(self) -> float | None:
        """How long a connection made now lasts, s: 0 is closed at once, None is not closed."""

    def is_half_open(self) -> bool:
        """Whether connections are never answered and never closed."""


class Connection(ServerRequestHandler):
    """One connection, or the one line; requests are answered in the order in which they came."""

    def __init__(self, port: Any, server: Any) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            server, server.trace_packet, server.trace_pdu, server.trace_connect
        )
        self._port = port
        self._waiting: deque[ModbusPDU] = deque()
        self._slow: asyncio.Task[None] | None = None
        self._heard_at_s = 0.0
        self.peer_left = False
        self.client = ""

    def callback_connected(self) -> None:
        """Learns who the client is, and stays only where the port and its wire let it."""
        super().callback_connected()
        peer = self.transport.get_extra_info("peername")
        self.client = f"{peer[0]}:{peer[1]}" if peer else self._port.asked_for
        if not self._port.admits(self):
            self.loop.call_soon(self.close)
            return
        for device in self._port.devices if self._port.has_connections else ():
            if (left_s := device.lasts_s()) is not None:
                self.loop.call_later(left_s, self._end_of_connection, device)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keeps a half-open connection, so that the peer never hears that it was closed."""
        super().eof_received()
        self.peer_left = True
        return bool(self._port.is_half_open)

    def close(self, reconnect: bool = False) -> None:
        """Closes; what was still to be sent in pieces is not sent."""
        if self._slow is not None:
            self._slow.cancel()
        super().close(reconnect)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Forgets what was still to be answered."""
        self._waiting.clear()
        if self._slow is not None:
            self._slow.cancel()
        super().callback_disconnected(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what came; on a line, silence ends a frame, and what was begun before is void."""
        now_s = self.loop.time()
        if self.recv_buffer and now_s - self._heard_at_s > self._port.frame_gap_s:
            self.recv_buffer = b""
        self._heard_at_s = now_s
        super().data_received(data)

    def callback_data(self, data: bytes, addr: tuple[Any, ...] | None = None) -> int:
        """Every whole frame in what has come; gives how much of it has been used up."""
        used = 0
        while used < len(data) and self.transport:
            try:
                length, request = self.framer.handleFrame(data[used:], 0, 0)
            except ModbusIOException as error:
                self._refuse_unreadable(error)
                return len(data)
            if request is not None:
                self._waiting.append(request)
            if not length:
                break
            used += length
        self._work()
        return used

    def _work(self) -> None:
        """Answers those that wait until one takes its time; the rest waits for that one."""
        while self._waiting and self._slow is None and self.transport:
            parts = self._answer(self._waiting.popleft())
            if all(pause_s == 0 for pause_s, _ in parts):
                self._put(b"".join(part for _, part in parts))
                continue
            self._slow = self.loop.create_task(self._put_slowly(parts), name="firmware_sim:slow")

    async def _put_slowly(self, parts: Sequence[tuple[float, bytes]]) -> None:
        for pause_s, part in parts:
            await asyncio.sleep(pause_s)
            self._put(part)
        self._slow = None
        self._work()

    def _put(self, data: bytes) -> None:
        if data and self.transport:
            self.transport.write(data)  # type: ignore[attr-defined]

    def _answer(self, request: ModbusPDU) -> list[tuple[float, bytes]]:
        """What goes out for a request, in pieces; nothing where nobody answers."""
        device = self._port.device(request.dev_id)
        if device is None:
            # On a line nobody answers for a unit that is not there; a gateway says so.
            if self._port.framing is not FramerType.SOCKET:
                return []
            answer = refusal(request, ExcCodes.GATEWAY_NO_RESPONSE)
            return [(0.0, frame(self.framer, answer, None))]
        count = request.count or len(request.registers) or len(request.bits)
        fault = device.wire_fault(request.address, count)
        kind = fault.kind if fault is not None else ""
        if kind in _MUTE:
            return []
        if kind in ("disconnect", "hangup", "flapping"):
            self._port.cut(self)
            return []
        if fault is not None and kind == "exception":
            answer = refusal(request, fault.exception_code)
        else:
            answer = self._carried_out(device, request)
        data = frame(self.framer, answer, fault)
        if kind == "stale":
            data, self._port.kept_back = self._port.kept_back, data
        return self._after_silence(pieces(data, fault))

    def _after_silence(self, parts: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
        """The answer with the silence of 3.5 characters that a line wants before a frame."""
        if not self._port.silence_s or not parts:
            return parts
        pause_s, first = parts[0]
        return [(pause_s + self._port.silence_s, first), *parts[1:]]

    def _carried_out(self, device: Registers, request: ModbusPDU) -> ModbusPDU:
        """What the device answers, an exception where it refuses."""
        function, unit = request.function_code, request.dev_id
        if function not in device.functions:
            return refusal(request, ExcCodes.ILLEGAL_FUNCTION)
        try:
            if function in READS:
                if not 1 <= request.count <= _MOST_READ[function]:
                    raise IllegalValueError(request.count)
                words = device.read(function, request.address, request.count, unit)
                return answer_read(request, words)
            values = request.bits if function in BIT_WRITES else request.registers
            words = [int(value) for value in values]
            device.write(function, request.address, words, self.client, unit)
            return answer_write(request)
        except tuple(_CODES) as error:
            return refusal(request, _CODES[type(error)])

    def _refuse_unreadable(self, error: ModbusIOException) -> None:
        """Answers a whole frame whose content is none with exception 1, as devices do."""
        answer = ExceptionResponse(error.fcode or 0, ExcCodes.ILLEGAL_FUNCTION)
        answer.dev_id, answer.transaction_id = error.dev_id, error.transaction_id
        self._put(frame(self.framer, answer, None))

    def _end_of_connection(self, device: Registers) -> None:
        if device.lasts_s() is not None:
            self.close()
