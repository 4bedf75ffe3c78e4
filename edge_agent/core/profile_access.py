"""How a model is spoken to: its serial line, its connectors, what keeps it awake, what is written.

Nothing is written unless the operator allows it for the pile, and then only what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Parity = Literal["N", "E", "O"]


@dataclass(frozen=True, slots=True)
class SerialLine:
    """Settings of an RS-485 line."""

    baud: int = 19200
    data_bits: int = 8
    parity: Parity = "N"
    stop_bits: int = 1


DEFAULT_LINE: Final = SerialLine()


@dataclass(frozen=True, slots=True)
class ConnectorStep:
    """What to add for each further connector: registers, unit ids or TCP ports.

    Registers count from connector 0, which is the station; unit ids and ports from connector 1,
    which is reached at the pile's own.
    """

    registers: int = 0
    device_ids: int = 0
    ports: int = 0

    @property
    def many_devices(self) -> bool:
        """True where each connector answers at a unit id or port of its own."""
        return bool(self.device_ids or self.ports)

    @property
    def is_set(self) -> bool:
        """True where the model can have more than one connector."""
        return bool(self.registers) or self.many_devices


ONE_CONNECTOR: Final = ConnectorStep()


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """What a device wants to see regularly, or it falls back to its safe current.

    `function` is 3 or 4 to read, 6 or 16 to write `values`. Where `period_register` is set, the
    period is what `period_function` reads there (seconds) times `period_factor`, at most
    `period_s`; 0 there means that the device does not watch. `expect` is what the register shows
    once the device has seen the sign of life. With `each_connector` all these registers are every
    connector's, else the station's.
    """

    action: Literal["read", "write"]
    function: int
    register: int
    period_s: float
    values: tuple[int, ...] = ()
    count: int = 1
    period_register: int | None = None
    period_function: int = 3
    period_factor: float = 1.0
    expect: int | None = None
    each_connector: bool = False


@dataclass(frozen=True, slots=True)
class WriteSpan:
    """Registers (or a coil) that a named command may write with `function` 5, 6 or 16.

    Raw values stay within `lowest` and `highest`. Where `expires_s` is set the device forgets the
    value after so long. `after_read` names a point that has to be read before the first write.
    """

    name: str
    function: int
    register: int
    count: int = 1
    lowest: int = 0
    highest: int = 0xFFFF
    expires_s: float | None = None
    after_read: str = ""
    each_connector: bool = False

    def allows(self, register: int, values: tuple[int, ...]) -> bool:
        """True where these raw words may be written from this register of connector 0 on.

        >>> WriteSpan("limit", 6, 5004, highest=32).allows(5004, (16,))
        True
        """
        inside = self.register <= register and register + len(values) <= self.register + self.count
        if not (values and inside):
            return False
        whole = 0
        for value in values:
            whole = whole << 16 | value
        return self.lowest <= whole <= self.highest
