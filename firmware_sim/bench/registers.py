"""The register view of a Modbus pile: words with the names, values and units behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from firmware_sim.errors import BadArgumentError
from firmware_sim.faces.registers.map import (
    HOLDING,
    INPUT,
    Device,
    Field,
    IllegalAddressError,
    IllegalValueError,
)
from pilewise.v1 import bench_service_pb2 as pb

_WRITE_MULTIPLE = 16
_MAX_WRITE = 123


class RegisterView(Protocol):
    """A pile that has registers."""

    @property
    def fields(self) -> Sequence[Field]:
        """The register map, field by field."""

    def device(self) -> Device:
        """What the registers are made of now."""

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        """Takes the words; raises one of the Illegal…Error classes."""


def register_messages(view: RegisterView, request: pb.ReadRegistersRequest) -> list[pb.Register]:
    """The readable registers in the range asked for; raises BadArgumentError if there is none."""
    if request.function_code not in (0, HOLDING, INPUT):
        raise BadArgumentError("function_code", f"3, 4 or 0, not {request.function_code}")
    device = view.device()
    first, last = request.address, request.address + request.count
    registers = [
        register
        for field in view.fields
        if field.read is not None and request.function_code in (0, field.table)
        for register in _registers(field, device)
        if request.count == 0 or first <= register.address < last
    ]
    if not registers:
        raise BadArgumentError("address", f"no register from {first} to {last - 1}")
    return sorted(registers, key=lambda register: (register.function_code, register.address))


def words_of(view: RegisterView, request: pb.WriteRegistersRequest) -> None:
    """Writes the request's words; raises BadArgumentError naming what the device refused."""
    if not 1 <= len(request.words) <= _MAX_WRITE:
        raise BadArgumentError("words", f"1 to {_MAX_WRITE} words, not {len(request.words)}")
    if any(word > 0xFFFF for word in request.words):
        raise BadArgumentError("words", "a word has sixteen bits")
    try:
        view.write(_WRITE_MULTIPLE, request.address, list(request.words))
    except IllegalAddressError as error:
        raise BadArgumentError("address", f"register {error} cannot be written so") from error
    except IllegalValueError as error:
        raise BadArgumentError("words", f"the device refuses {error}") from error


def _registers(field: Field, device: Device) -> list[pb.Register]:
    raw = field.read(device) if field.read else 0
    value = raw * field.scale if isinstance(raw, int | float) else 0.0
    return [
        pb.Register(
            address=field.address + offset,
            word=word,
            name=field.name,
            value=value,
            unit=field.unit,
            function_code=field.table,
        )
        for offset, word in enumerate(field.words(device))
    ]
