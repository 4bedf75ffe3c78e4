"""Where a Modbus device is reached: a host and port, or a serial line with its settings.

Talking on an open connection belongs to `modbus_wire.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge_agent.piles.modbus_wire import RtuWire, TcpWire, Wire

TCP: Final = "modbus-tcp"
RTU: Final = "modbus-rtu"
RTU_OVER_TCP: Final = "modbus-rtu-over-tcp"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host and port that speak Modbus TCP, or RTU frames over TCP."""

    host: str
    port: int
    transport: str = TCP

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def gap_s(self) -> float:
        """No silence: what stands behind the port keeps the gaps of its line."""
        return 0.0

    async def open(self) -> Wire:
        """An open connection; raises OSError."""
        wire = TcpWire() if self.transport == TCP else RtuWire()
        await asyncio.get_running_loop().create_connection(lambda: wire, self.host, self.port)
        return wire


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """A serial line and its settings; `parity` is N, E or O."""

    path: str
    baud: int = 19200
    data_bits: int = 8
    parity: str = "N"
    stop_bits: int = 1
    transport: str = RTU

    def __str__(self) -> str:
        return self.path

    @property
    def gap_s(self) -> float:
        """The silence between two frames that the standard asks for: 3.5 characters."""
        return max(3.5 * 11 / self.baud, 0.00175)

    async def open(self) -> Wire:
        """An open line; raises OSError, which pyserial's errors are."""
        wire = RtuWire()
        loop = asyncio.get_running_loop()
        # Opening an adapter may take its time.
        transport = await asyncio.to_thread(self._open, loop, wire)
        transport.setup()
        # The transport introduces itself one turn of the loop later; nobody may ask before.
        wire.connection_made(transport)
        return wire

    def _open(self, loop: asyncio.AbstractEventLoop, wire: Wire) -> Any:
        if not Path(self.path).exists():
            raise FileNotFoundError(
                f"{self.path} is not there; the adapter is unplugged or has another name now: "
                "ls -l /dev/serial/by-id shows the present ones"
            )
        # pyserial is an extra: only agents with a serial line need it.
        from pymodbus.transport.serialtransport import SerialTransport

        line = (self.path, self.baud, self.data_bits, self.parity, self.stop_bits, 0)
        return SerialTransport(loop, wire, *line)
