"""The only file that knows pymodbus' servers: a port or serial line with devices by unit id.

What the words mean is in `registers/`; which wire fault is present, the device says; how an
answer is framed or spoiled is in `modbus_frames.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.server.base import ModbusBaseServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.transport import ModbusProtocol

from firmware_sim.core.wire import WireFault
from firmware_sim.errors import BindError
from firmware_sim.faces.modbus_frames import (
    BIT_WRITES,
    READS,
    answer_read,
    answer_write,
    frame,
    refusal,
)
from firmware_sim.faces.registers.map import (
    IllegalAddressError,
    IllegalFunctionError,
    IllegalValueError,
)

_MOST_READ: Final = {1: 2000, 2: 2000, 3: 125, 4: 125}


class Registers(Protocol):
    """A device behind a port: its unit id (None: any), its functions, its registers."""

    unit_id: int | None
    functions: frozenset[int]

    def read(self, function: int, address: int, count: int) -> list[int]:
        """The words asked for; raises one of the Illegal…Error classes."""

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        """Takes the words; raises one of the Illegal…Error classes."""

    def wire_fault(self, address: int = 0, count: int = 0) -> WireFault | None:
        """The wire fault that this request meets, or None; called once for every request."""

    def hangs_up(self) -> bool:
        """Whether new connections are closed at once."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """A serial line as a master has to set it."""

    path: str
    baud: int = 19200
    parity: str = "N"
    stop_bits: int = 1


class _Handler(ServerRequestHandler):
    """One connection; wire faults act here, before the device hears of a request."""

    def callback_connected(self) -> None:
        super().callback_connected()
        if any(device.hangs_up() for device in self.server.devices):
            self.loop.call_soon(self.close)

    async def handle_request(self) -> None:
        request = self.last_pdu
        if request is None:
            return
        device = self.server.device(request.dev_id)
        if device is None:
            # On a line nobody answers for a unit that is not there; a gateway says so.
            if self.server.framing is FramerType.SOCKET:
                self._send(refusal(request, ExcCodes.GATEWAY_NO_RESPONSE), "")
            return
        count = request.count or len(request.registers) or len(request.bits)
        fault = device.wire_fault(request.address, count)
        kind = fault.kind if fault is not None else ""
        if kind == "silent":
            return
        if kind in ("disconnect", "hangup"):
            self.close()
            return
        if fault is not None and kind == "delay":
            await asyncio.sleep(fault.delay_s)
        if fault is not None and kind == "exception":
            answer = refusal(request, fault.exception_code)
        else:
            answer = _answer(device, request)
        self._send(answer, kind)

    def _send(self, answer: ModbusPDU, fault: str) -> None:
        data = frame(self.framer, answer, fault)
        if fault == "stale":
            data, self.server.kept_back = self.server.kept_back, data
        if data and self.transport:
            self.send(data)


def _answer(device: Registers, request: ModbusPDU) -> ModbusPDU:
    """What the device answers, an exception where it refuses."""
    function = request.function_code
    if function not in device.functions:
        return refusal(request, ExcCodes.ILLEGAL_FUNCTION)
    try:
        if function in READS:
            if not 1 <= request.count <= _MOST_READ[function]:
                raise IllegalValueError(request.count)
            words = device.read(function, request.address, request.count)
            return answer_read(request, words)
        values = request.bits if function in BIT_WRITES else request.registers
        device.write(function, request.address, [int(value) for value in values])
        return answer_write(request)
    except IllegalFunctionError:
        return refusal(request, ExcCodes.ILLEGAL_FUNCTION)
    except IllegalAddressError:
        return refusal(request, ExcCodes.ILLEGAL_ADDRESS)
    except IllegalValueError:
        return refusal(request, ExcCodes.ILLEGAL_VALUE)


def _no_data() -> SimDevice:
    """What pymodbus wants to serve; never asked, because the handler answers itself."""
    return SimDevice(0, [SimData(0, values=[0], datatype=DataType.REGISTERS)])


class RegisterPort:
    """Devices by unit id on one TCP port or serial line.

    `kept_back` is the answer that a `stale` wire gives to the next question.
    """

    def __init__(self, devices: Sequence[Registers], framing: FramerType, asked_for: str) -> None:
        self.devices = tuple(devices)
        self.framing = framing
        self.kept_back = b""
        self._asked_for = asked_for
        self._server: ModbusBaseServer | None = None

    def device(self, unit: int) -> Registers | None:
        """The device that answers to a unit id."""
        for device in self.devices:
            if device.unit_id is None or device.unit_id == unit:
                return device
        return None

    @property
    def active_connections(self) -> dict[str, Any]:
        """Connections that are open."""
        return self._server.active_connections if self._server is not None else {}

    async def start(self) -> str:
        """Listens; gives host:port as bound, or the path of the line. Raises BindError."""
        host, _, port = self._asked_for.rpartition(":")
        server = ModbusTcpServer(_no_data(), framer=self.framing, address=(host, int(port)))
        await self._listen(server)
        # A listening ModbusProtocol keeps asyncio's Server where a connection keeps its transport.
        bound = cast(asyncio.Server, server.transport).sockets[0].getsockname()
        return f"{bound[0]}:{bound[1]}"

    def drop_connections(self) -> None:
        """Closes every connection that is open; the port keeps listening."""
        for connection in list(self.active_connections.values()):
            connection.close()

    async def close(self) -> None:
        """Closes the port and every connection."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]

    def in_memory(self) -> Callable[[], ModbusProtocol]:
        """Serves without a port: each call is a new connection, for a transport of the caller's."""
        server = ModbusTcpServer(_no_data(), framer=self.framing, address=("", 0))
        self._serve_with(server)
        return server.handle_new_connection

    async def _listen(self, server: ModbusBaseServer) -> None:
        self._serve_with(server)
        if not await server.listen():
            raise BindError("a Modbus pile", self._asked_for, "the address is taken or not ours")

    def _serve_with(self, server: ModbusBaseServer) -> None:
        def connection() -> ServerRequestHandler:
            handler = _Handler(  # type: ignore[no-untyped-call]
                server, server.trace_packet, server.trace_pdu, server.trace_connect
            )
            handler.server = self
            return handler

        server.callback_new_connection = connection  # type: ignore[method-assign]
        self._server = server


class SerialPort(RegisterPort):
    """Devices by unit id on one serial line, or on a pseudo-terminal that stands for it."""

    def __init__(self, devices: Sequence[Registers], line: LineSettings) -> None:
        super().__init__(devices, FramerType.RTU, line.path)
        self._line = line

    async def start(self) -> str:
        """Listens on the line; gives its path. Raises BindError."""
        line = self._line
        server = ModbusSerialServer(
            _no_data(),
            framer=FramerType.RTU,
            port=line.path,
            baudrate=line.baud,
            parity=line.parity,
            stopbits=line.stop_bits,
            reconnect_delay=0,
        )
        try:
            await self._listen(server)
        except RuntimeError as error:  # pyserial, which drives serial lines, is an extra
            hint = "pyserial is missing: pip install 'pilewise[serial]'"
            raise BindError("a Modbus pile", line.path, hint) from error
        return line.path

    def drop_connections(self) -> None:
        """Does nothing: a line has no connections."""
