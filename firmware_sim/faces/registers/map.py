"""What a register map is: fields with an address, a width and a way to read or write them.

The maps themselves are one file per model; sockets are in `modbus_server.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from firmware_sim.core.pile import Pile

COIL = 1
DISCRETE = 2
HOLDING = 3
INPUT = 4
_COIL_WRITES = (5, 15)


class IllegalFunctionError(Exception):
    """The device does not know this function code (Modbus exception 1)."""


class IllegalAddressError(Exception):
    """The device has no such register, or not for this purpose (Modbus exception 2)."""


class IllegalValueError(Exception):
    """The device does not take this value (Modbus exception 3)."""


@dataclass(frozen=True, slots=True)
class Device:
    """What the registers are made of: the pile, its clock in s, its communication timeout in s."""

    pile: Pile
    time_s: int = 0
    comm_timeout_s: int = 60


Reader = Callable[[Device], int | bytes]
Writer = Callable[[Device, int], Device]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `width` registers from `address`, big-endian words, high word first.

    One count is worth `scale` `unit`. `table` is the function code that reads it (1 to 4);
    a field without `read` can only be written, one without `write` only read. Reserved fields
    read as 0.
    """

    address: int
    width: int
    name: str
    read: Reader | None
    unit: str = ""
    scale: float = 1.0
    write: Writer | None = None
    table: int = HOLDING

    def words(self, device: Device) -> list[int]:
        """The registers of this field, `width` words; counts that do not fit read as all ones."""
        raw = self.read(device) if self.read else 0
        if isinstance(raw, bytes):
            data = raw[: self.width * 2].ljust(self.width * 2, b"\0")
        else:
            bits = self.width * 16
            data = min(raw, (1 << bits) - 1).to_bytes(self.width * 2, "big")
        return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


@dataclass(frozen=True)
class RegisterMap:
    """A model's registers: fields, the unit id it answers to, the functions it knows.

    With `unit_id` None it answers to any. It refuses reads of more than `most_read` registers,
    and closes the connection on whoever asks for one of the `closing` ranges (first, last).
    """

    model: str
    unit_id: int | None
    functions: frozenset[int]
    fields: Sequence[Field]
    fallback_kw: float | None = None
    most_read: int = 2000
    closing: Sequence[tuple[int, int]] = ()

    @cached_property
    def _at(self) -> Mapping[tuple[int, int], Field]:
        return {
            (field.table, field.address + offset): field
            for field in self.fields
            for offset in range(field.width)
        }

    def hangs_up_on(self, address: int, count: int) -> bool:
        """Whether the device closes the connection on a request for these registers."""
        return any(address <= last and first < address + count for first, last in self.closing)

    def read(self, device: Device, function: int, address: int, count: int) -> list[int]:
        """The words that a read answers with.

        Raises IllegalFunctionError, IllegalAddressError if any register cannot be read, or
        IllegalValueError for more registers than the model gives at once.
        """
        self.check_function(function)
        if count > self.most_read:
            raise IllegalValueError(count)
        words: list[int] = []
        at = address
        while len(words) < count:
            field = self._at.get((function, at))
            if field is None or field.read is None:
                raise IllegalAddressError(at)
            skip = at - field.address
            words.extend(field.words(device)[skip:])
            at = field.address + field.width
        return words[:count]

    def write(self, device: Device, function: int, address: int, words: Sequence[int]) -> Device:
        """The device after a write of whole fields.

        Raises IllegalFunctionError, IllegalAddressError (no writable field, or half of one) or
        IllegalValueError.
        """
        self.check_function(function)
        at, end = address, address + len(words)
        table = COIL if function in _COIL_WRITES else HOLDING
        while at < end:
            field = self._at.get((table, at))
            if field is None or field.write is None:
                raise IllegalAddressError(at)
            if at != field.address or at + field.width > end:
                raise IllegalAddressError(at)
            raw = 0
            for word in words[at - address : at - address + field.width]:
                raw = raw << 16 | word
            device = field.write(device, raw)
            at += field.width
        return device

    def check_function(self, function: int) -> None:
        """Raises IllegalFunctionError for a function code that the model does not know."""
        if function not in self.functions:
            raise IllegalFunctionError(function)
