"""A wallbox for tests, made of pymodbus alone."""

from __future__ import annotations

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


class Wallbox:
    """An ABB Terra AC made of pymodbus, whose session energy rises with every read."""

    def __init__(self) -> None:
        self.registers = [0] * 0x21
        self.reads = 0

    async def start(self) -> int:
        async def answer(
            function: int, start: int, address: int, count: int, current: list[int], new: object
        ) -> ExcCodes | None:
            self.reads += 1
            self.put(0x401E, self.reads * 200)
            current[:] = self.registers
            return None

        data = SimData(0x4000, values=self.registers, datatype=DataType.REGISTERS)
        self.server = ModbusTcpServer(SimDevice(1, [data], action=answer), address=("127.0.0.1", 0))
        await self.server.serve_forever(background=True)
        self.put(0x400C, 4 << 8)
        return int(self.server.transport.sockets[0].getsockname()[1])

    def put(self, address: int, value: int) -> None:
        offset = address - 0x4000
        self.registers[offset : offset + 2] = [value >> 16, value & 0xFFFF]
