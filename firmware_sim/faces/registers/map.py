"""What a register map is: fields with an address, a width and a way to read or write them.

The maps themselves are one file per model; how a number becomes words is in `words.py`; sockets
are in `modbus_server.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

from firmware_sim.core.pile import Pile
from firmware_sim.faces.registers.ranges import Range, cuts, touches
from firmware_sim.faces.registers.words import Form, Raw, Value, from_words, to_words

COIL: Final = 1
DISCRETE: Final = 2
HOLDING: Final = 3
INPUT: Final = 4
_COIL_WRITES: Final = (5, 15)
# The socket number of registers that belong to the whole station, at a unit id of their own.
STATION: Final = -1
Halves = Literal["refused", "latched", "torn"]
Clients = Literal["many", "newest", "oldest"]
_MOST_PLANS: Final = 256


class IllegalFunctionError(Exception):
    """The device does not know this function code (Modbus exception 1)."""


class IllegalAddressError(Exception):
    """The device has no such register, or not for this purpose (Modbus exception 2)."""


class IllegalValueError(Exception):
    """The device does not take this value (Modbus exception 3)."""


class DeviceFailureError(Exception):
    """The device knows the register and will not do it now (Modbus exception 4)."""


@dataclass(frozen=True, slots=True)
class Device:
    """What the registers are made of: the pile, its clock in s, what masters wrote and it keeps.

    `silent_s` says for each socket how long ago a master last fed the watchdog; a socket that was
    never fed is missing. While it `is_starting` a model that has a number for that shows it.
    """

    pile: Pile
    time_s: int = 0
    comm_timeout_s: int = 60
    kept: Mapping[str, float] = dataclasses.field(default_factory=dict)
    silent_s: Mapping[int, float] = dataclasses.field(default_factory=dict)
    is_starting: bool = False

    def keep(self, name: str, value: float) -> Device:
        """The device with a setting that survives until power is lost."""
        return replace(self, kept={**self.kept, name: value})


Reader = Callable[[Device], Raw]
Writer = Callable[[Device, Value], Device]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `width` registers from `address`, high word first unless `low_word_first`.

    One count is worth `scale` `unit`. `table` is the function code that reads it (1 to 4);
    a field without `read` can only be written, one without `write` only read. Reserved fields
    read as 0. `socket` is added to the map's unit id; STATION is the station's own.
    """

    address: int
    width: int
    name: str
    read: Reader | None
    unit: str = ""
    scale: float = 1.0
    write: Writer | None = None
    table: int = HOLDING
    form: Form = "number"
    low_word_first: bool = False
    swapped_bytes: bool = False
    socket: int = 0

    def words(self, device: Device) -> list[int]:
        """The registers of this field, `width` words; what does not fit or is None: all ones."""
        raw = self.read(device) if self.read else 0
        return to_words(raw, self.width, self.form, self.low_word_first, self.swapped_bytes)

    def value(self, words: Sequence[int]) -> Value:
        """The number that a master wrote as these words."""
        return from_words(words, self.form, self.low_word_first, self.swapped_bytes)


Plan = Sequence[tuple[Field | None, int]]


@dataclass(frozen=True, slots=True)
class Watchdog:
    """What a model does when its master is silent: after `timeout_s` (0: never) `fallback_kw`.

    Writing one of `fed_by` shows that the master lives; with none given, any request does.
    `by_socket`: each socket is fed for itself.
    """

    timeout_s: Callable[[Device], float]
    fallback_kw: Callable[[Device], float]
    fed_by: frozenset[int] = frozenset()
    by_socket: bool = False


@dataclass(frozen=True)
class RegisterMap:
    """A model's registers: fields, the unit id it answers to, the functions it knows.

    With `unit_id` None it answers to any. It refuses reads of more than `most_read` registers,
    and closes the connection on whoever asks for one of the `closing` ranges (first, last). With
    `whole_reads` it refuses to cut a value, `gaps` cannot be read although fields are there, writes
    to `locked` are answered with exception 4, and what is in `once` can be written once. `halves`
    says what becomes of a 32-bit value that arrives as two writes: refused, kept until the other
    half is there, or acted on half by half. In the `filled` ranges what is no field reads `fill`.
    A request that comes within `request_gap_s` of the one before is not answered.
    """

    model: str
    unit_id: int | None
    functions: frozenset[int]
    fields: Sequence[Field]
    watchdog: Watchdog | None = None
    most_read: int = 2000
    whole_reads: bool = False
    closing: Sequence[Range] = ()
    gaps: Sequence[Range] = ()
    locked: Sequence[Range] = ()
    once: Sequence[Range] = ()
    halves: Halves = "refused"
    clients: Clients = "many"
    station_unit: int | None = None
    fill: int | None = None
    filled: Sequence[Range] = ()
    request_gap_s: float = 0.0

    @cached_property
    def _at(self) -> Mapping[tuple[int, int, int], Field]:
        return {
            (field.socket, field.table, field.address + offset): field
            for field in self.fields
            for offset in range(field.width)
        }

    @cached_property
    def _plans(self) -> dict[tuple[int, int, int, int], Plan]:
        """What each read that was asked for consists of; masters ask for the same ones always."""
        return {}

    @cached_property
    def sockets(self) -> Mapping[int, int]:
        """Unit id to socket number, for a model that does not answer to any."""
        if self.unit_id is None:
            return {}
        numbers = {field.socket for field in self.fields if field.socket != STATION}
        units = {self.unit_id + number: number for number in numbers}
        return units if self.station_unit is None else {**units, self.station_unit: STATION}

    def hangs_up_on(self, address: int, count: int) -> bool:
        """Whether the device closes the connection on a request for these registers."""
        return touches(self.closing, address, count)

    def field_at(self, socket: int, table: int, address: int) -> Field | None:
        """The field that a register belongs to."""
        return self._at.get((socket, table, address))

    def read(
        self, device: Device, function: int, address: int, count: int, socket: int = 0
    ) -> list[int]:
        """The words that a read answers with.

        Raises IllegalFunctionError, IllegalAddressError if any register cannot be read, or
        IllegalValueError for more registers than the model gives at once.
        """
        place = (socket, function, address, count)
        plan = self._plans.get(place)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[place] = self._plan(*place)
        words: list[int] = []
        for field, skip in plan:
            if field is None:
                words.append(skip)
                continue
            shown = field.words(device)
            words.extend(shown[skip:] if skip else shown)
        return words[:count] if len(words) > count else words

    def _plan(self, socket: int, function: int, address: int, count: int) -> Plan:
        """The fields of a read, each with how many of its words come before; without a field, the
        word that stands there. May raise as `read`."""
        self.check_function(function)
        if count > self.most_read:
            raise IllegalValueError(count)
        if touches(self.gaps, address, count):
            raise IllegalAddressError(address)
        plan: list[tuple[Field | None, int]] = []
        at, end = address, address + count
        while at < end:
            field = self.field_at(socket, function, at)
            if self.whole_reads and field and cuts(field.address, field.width, at, end):
                raise IllegalAddressError(at)
            if field is None or field.read is None:
                plan.append((None, self._filled(at)))
                at += 1
                continue
            plan.append((field, at - field.address))
            at = field.address + field.width
        return plan

    def write(
        self,
        device: Device,
        function: int,
        address: int,
        words: Sequence[int],
        socket: int = 0,
    ) -> Device:
        """The device after a write of whole fields.

        Raises IllegalFunctionError, IllegalAddressError (no writable field, or half of one),
        IllegalValueError or DeviceFailureError.
        """
        self.check_function(function)
        for field, part in self.parts(function, address, words, socket):
            device = self._written(device, field, part)
        return device

    def parts(
        self, function: int, address: int, words: Sequence[int], socket: int = 0
    ) -> list[tuple[Field, Sequence[int]]]:
        """The whole fields that a write is for, each with its words; may raise as `write`."""
        found: list[tuple[Field, Sequence[int]]] = []
        at, end = address, address + len(words)
        while at < end:
            field = self._writable(function, at, socket)
            if at != field.address or at + field.width > end:
                raise IllegalAddressError(at)
            found.append((field, words[at - address : at - address + field.width]))
            at += field.width
        return found

    def half(self, function: int, address: int, count: int, socket: int = 0) -> Field | None:
        """The wide field of which a write of so many registers touches a part only."""
        if function in _COIL_WRITES:
            return None
        field = self.field_at(socket, HOLDING, address)
        if field is None or field.write is None or count >= field.width:
            return None
        return field if address + count <= field.address + field.width else None

    def check_function(self, function: int) -> None:
        """Raises IllegalFunctionError for a function code that the model does not know."""
        if function not in self.functions:
            raise IllegalFunctionError(function)

    def _writable(self, function: int, at: int, socket: int) -> Field:
        table = COIL if function in _COIL_WRITES else HOLDING
        field = self.field_at(socket, table, at)
        if field is None or field.write is None:
            raise IllegalAddressError(at)
        return field

    def _written(self, device: Device, field: Field, words: Sequence[int]) -> Device:
        if touches(self.locked, field.address, field.width):
            raise DeviceFailureError(field.address)
        mark = f"once {field.socket} {field.address}"
        if touches(self.once, field.address, field.width):
            if mark in device.kept:
                raise IllegalValueError(field.address)
            device = device.keep(mark, 1)
        assert field.write is not None
        return field.write(device, field.value(words))

    def _filled(self, at: int) -> int:
        if self.fill is None or not touches(self.filled, at, 1):
            raise IllegalAddressError(at)
        return self.fill
