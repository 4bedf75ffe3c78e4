"""The only file that knows pymodbus' server: a listening port that asks a device for words.

What the words mean is in `registers/`; which wire fault is present, the device says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, cast

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from firmware_sim.core.wire import WireFault
from firmware_sim.errors import BindError
from firmware_sim.faces.registers.map import (
    IllegalAddressError,
    IllegalFunctionError,
    IllegalValueError,
)


class Registers(Protocol):
    """A device behind a port: its unit id, its functions, the span of its addresses."""

    unit_id: int
    functions: frozenset[int]
    span: range

    def read(self, function: int, address: int, count: int) -> list[int]:
        """The words asked for; raises one of the Illegal…Error classes."""

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        """Takes the words; raises one of the Illegal…Error classes."""

    def wire_fault(self) -> WireFault | None:
        """The wire fault that is present, or None; called once for every request."""


class _Handler(ServerRequestHandler):
    """One connection; wire faults act here, before the device hears of a request."""

    async def handle_request(self) -> None:
        request = self.last_pdu
        if request is None:
            return
        fault = self.server.registers.wire_fault()
        if fault is not None and fault.kind == "silent":
            return
        if fault is not None and fault.kind == "disconnect":
            self.close()
            return
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
            if not self.transport:
                return
        refusal = self._refusal(request, fault)
        if refusal is None:
            self.last_pdu = request
            await super().handle_request()  # type: ignore[no-untyped-call]
            return
        answer = ExceptionResponse(
            request.function_code, refusal, request.dev_id, request.transaction_id
        )
        self.server_send(answer, self.last_addr)  # type: ignore[no-untyped-call]

    def _refusal(self, request: ModbusPDU, fault: WireFault | None) -> int | None:
        """The exception code that ends a request before it reaches the registers."""
        registers: Registers = self.server.registers
        if fault is not None and fault.kind == "exception":
            return fault.exception_code
        if request.dev_id != registers.unit_id:
            return ExcCodes.GATEWAY_NO_RESPONSE
        if request.function_code not in registers.functions:
            return ExcCodes.ILLEGAL_FUNCTION
        return None


class RegisterServer(ModbusTcpServer):
    """A Modbus TCP port that shows one device; port 0 lets the system choose."""

    def __init__(self, registers: Registers, host: str, port: int) -> None:
        self.registers = registers
        self._asked_for = f"{host}:{port}"
        span = registers.span
        # The block only carries the words of the request at hand; the device is asked each time.
        block = SimData(span.start, values=[0] * len(span), datatype=DataType.REGISTERS)
        device = SimDevice(registers.unit_id, [block], action=self._exchange)
        super().__init__(device, address=(host, port))

    async def start(self) -> str:
        """Listens; gives host:port as bound. Raises BindError."""
        if not await self.listen():
            raise BindError("a Modbus pile", self._asked_for, "the address is taken or not ours")
        # A listening ModbusProtocol keeps asyncio's Server where a connection keeps its transport.
        server = cast(asyncio.Server, self.transport)
        host, port = server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    def drop_connections(self) -> None:
        """Closes every connection that is open; the port keeps listening."""
        for connection in list(self.active_connections.values()):
            connection.close()

    def callback_new_connection(self) -> ServerRequestHandler:
        """A handler for a connection that has just come in."""
        return _Handler(  # type: ignore[no-untyped-call]
            self, self.trace_packet, self.trace_pdu, self.trace_connect
        )

    async def _exchange(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        block: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        try:
            if values is not None:
                self.registers.write(function, address, [int(value) for value in values])
            else:
                words = self.registers.read(function, address, count)
                block[address - start : address - start + count] = words
        except IllegalFunctionError:
            return ExcCodes.ILLEGAL_FUNCTION
        except IllegalAddressError:
            return ExcCodes.ILLEGAL_ADDRESS
        except IllegalValueError:
            return ExcCodes.ILLEGAL_VALUE
        return None
