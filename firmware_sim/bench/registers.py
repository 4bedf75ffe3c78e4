"""The register view of a Modbus pile: words with the names, values and units behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from firmware_sim.errors import BadArgumentError
from firmware_sim.faces.registers.history import Row
from firmware_sim.faces.registers.map import (
    COIL,
    DISCRETE,
    HOLDING,
    INPUT,
    IllegalAddressError,
    IllegalValueError,
)
from pilewise.v1 import bench_service_pb2 as pb

_WRITE_MULTIPLE = 16
_MAX_WRITE = 123


class RegisterView(Protocol):
    """A pile that has registers."""

    def rows(self) -> Sequence[Row]:
        """Every register with who wrote it, its age and when it changed."""

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        """Takes the words; raises one of the Illegal…Error classes."""


def register_messages(view: RegisterView, request: pb.ReadRegistersRequest) -> list[pb.Register]:
    """The registers in the range asked for; raises BadArgumentError if there is none."""
    if request.function_code not in (0, COIL, DISCRETE, HOLDING, INPUT):
        raise BadArgumentError("function_code", f"1 to 4, or 0, not {request.function_code}")
    first, last = request.address, request.address + request.count
    rows = [
        row
        for row in view.rows()
        if request.function_code in (0, row.function_code)
        if request.count == 0 or first <= row.address < last
    ]
    if not rows:
        raise BadArgumentError(
            "address", f"no register from {first} to {last - 1}; count 0 gives the whole map"
        )
    rows.sort(key=lambda row: (row.socket, row.function_code, row.address))
    return [_message(row) for row in rows]


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


def _message(row: Row) -> pb.Register:
    return pb.Register(
        address=row.address,
        word=row.word,
        name=row.name,
        value=row.value or 0.0,
        unit=row.unit,
        function_code=row.function_code,
        writer=row.writer,
        age_s=row.age_s,
        changed_at_ms=row.changed_at_ms,
        write_only=not row.readable,
        socket=row.socket,
        without_value=row.value is None,
    )
