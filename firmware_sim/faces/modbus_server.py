"""The only file that opens pymodbus' servers: a port or serial line with devices by unit id.

What the words mean is in `registers/`; what passes on a connection is in `modbus_connection.py`.
"""

from __future__ import annotations

import asyncio
import math
import os
import termios
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import structlog
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.server.base import ModbusBaseServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.transport import ModbusProtocol

from firmware_sim.errors import BindError
from firmware_sim.faces.modbus_connection import Connection, Registers

_log = structlog.get_logger(__name__)
_PSEUDO_TERMINALS = "/dev/pts/"
# A kernel hands bytes over in bursts, so a shorter silence does not show that a frame ended.
_LEAST_FRAME_GAP_S = 0.05


@dataclass(frozen=True, slots=True)
class LineSettings:
    """A serial line as a master has to set it."""

    path: str
    baud: int = 19200
    parity: str = "N"
    stop_bits: int = 1

    @property
    def character_s(self) -> float:
        """How long one character takes: start, eight data bits, parity, stop bits."""
        return (9 + (self.parity != "N") + self.stop_bits) / self.baud

    @property
    def silence_s(self) -> float:
        """The silence between frames: 3.5 characters, above 19200 baud 1.75 ms."""
        return 3.5 * self.character_s if self.baud <= 19200 else 0.00175


def _no_data() -> SimDevice:
    """What pymodbus wants to serve; never asked, because a connection answers itself."""
    return SimDevice(0, [SimData(0, values=[0], datatype=DataType.REGISTERS)])


class RegisterPort:
    """Devices by unit id on one TCP port or serial line.

    `kept_back` is the answer that a `stale` wire gives to the next question. Of a line, `silence_s`
    passes before each answer, and after `frame_gap_s` a frame that was begun is void.
    """

    silence_s = 0.0
    frame_gap_s = math.inf
    has_connections = True

    def __init__(self, devices: Sequence[Registers], framing: FramerType, asked_for: str) -> None:
        self.devices = tuple(devices)
        self.framing = framing
        self.asked_for = asked_for
        self.kept_back = b""
        self._connections: list[Connection] = []
        self._server: ModbusBaseServer | None = None

    def device(self, unit: int) -> Registers | None:
        """The device that answers to a unit id."""
        for device in self.devices:
            if device.answers_to(unit):
                return device
        return None

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections that are open, the oldest first."""
        self._connections = [one for one in self._connections if one.transport]
        return tuple(self._connections)

    @property
    def is_half_open(self) -> bool:
        """Whether connections are never answered and never closed."""
        return any(device.is_half_open() for device in self.devices)

    def admits(self, newcomer: Connection) -> bool:
        """Whether a new connection may stay; a device with one client only may drop the older."""
        older = self.connections
        self._connections.append(newcomer)
        # Behind a gateway the port is the gateway's, which serves many.
        limit = self.devices[0].clients if len(self.devices) == 1 else "many"
        if limit == "oldest" and older:
            return False
        if limit == "newest":
            for connection in older:
                connection.close()
        return True

    async def start(self) -> str:
        """Listens; gives host:port as bound, or the path of the line. Raises BindError."""
        host, _, port = self.asked_for.rpartition(":")
        server = ModbusTcpServer(_no_data(), framer=self.framing, address=(host, int(port)))
        await self._listen(server)
        # A listening ModbusProtocol keeps asyncio's Server where a connection keeps its transport.
        bound = cast(asyncio.Server, server.transport).sockets[0].getsockname()
        return f"{bound[0]}:{bound[1]}"

    def cut(self, connection: Connection) -> None:
        """Closes one connection."""
        connection.close()

    def drop_connections(self) -> None:
        """Closes every connection that is open; the port keeps listening."""
        for connection in self.connections:
            connection.close()

    def let_go(self) -> None:
        """Closes the connections that only a half-open wire kept."""
        for connection in self.connections:
            if connection.peer_left:
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
            raise BindError("a Modbus pile", self.asked_for, "the address is taken or not ours")

    def _serve_with(self, server: ModbusBaseServer) -> None:
        server.callback_new_connection = partial(Connection, self, server)  # type: ignore[method-assign]
        self._server = server


class SerialPort(RegisterPort):
    """Devices by unit id on one serial line, or on a pseudo-terminal that stands for it."""

    has_connections = False

    def __init__(self, devices: Sequence[Registers], line: LineSettings) -> None:
        super().__init__(devices, FramerType.RTU, line.path)
        self._line = line
        self.silence_s = line.silence_s
        self.frame_gap_s = max(line.silence_s, _LEAST_FRAME_GAP_S)

    async def start(self) -> str:
        """Listens on the line; gives its path. Raises BindError.

        A pseudo-terminal has no wire and may refuse parity and stop bits: it is then opened with
        neither, and bytes travel as they would after the receiver took them off.
        """
        line = self._line
        try:
            await self._open(line)
            return line.path
        except termios.error as error:
            if not _is_pseudo_terminal(line.path):
                raise BindError("a Modbus pile", line.path, str(error)) from error
        except RuntimeError as error:  # pyserial, which drives serial lines, is an extra
            hint = "pyserial is missing: pip install 'pilewise[serial]'"
            raise BindError("a Modbus pile", line.path, hint) from error
        # Only now is the line free: an error that is being handled still holds it.
        _log.warning("pseudo-terminal without parity", line=line.path, parity=line.parity)
        await self._open(replace(line, parity="N", stop_bits=1))
        return line.path

    async def _open(self, line: LineSettings) -> None:
        server = ModbusSerialServer(
            _no_data(),
            framer=FramerType.RTU,
            port=line.path,
            baudrate=line.baud,
            parity=line.parity,
            stopbits=line.stop_bits,
            reconnect_delay=0,
        )
        await self._listen(server)

    def admits(self, newcomer: Connection) -> bool:
        """Whether the line may stay: a line has no connections, it is just there."""
        return True

    def cut(self, connection: Connection) -> None:
        """Does nothing: who would hang up on a line merely keeps silent on it."""

    def drop_connections(self) -> None:
        """Does nothing: a line has no connections."""


def _is_pseudo_terminal(path: str) -> bool:
    return os.path.realpath(path).startswith(_PSEUDO_TERMINALS)
