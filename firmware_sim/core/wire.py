"""Faults of the wire: the pile works, but talking to it does not.

What such a fault does to one protocol is decided in that protocol's face.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

PREFIX = "wire:"
# Modbus exception codes that the specification defines.
_EXCEPTION_CODES = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 10, 11})
_MAX_DELAY_S = 3600.0


@dataclass(frozen=True, slots=True)
class WireFault:
    """A wire fault that is present.

    `silent` answers nothing, `exception` answers every request with `exception_code`, `delay`
    answers after `delay_s` real seconds, `disconnect` drops every connection. `remaining_s` is
    domain time; None lasts until cleared.
    """

    kind: Literal["silent", "exception", "delay", "disconnect"]
    exception_code: int = 0
    delay_s: float = 0.0
    remaining_s: float | None = None

    @property
    def name(self) -> str:
        """The word that injects it, e.g. `wire:delay:2`."""
        if self.kind == "exception":
            return f"{PREFIX}exception:{self.exception_code}"
        if self.kind == "delay":
            return f"{PREFIX}delay:{self.delay_s:g}"
        return f"{PREFIX}{self.kind}"


def parse_wire_fault(text: str, remaining_s: float | None) -> WireFault:
    """The fault that `text` names; raises ValueError saying which words are known.

    >>> parse_wire_fault("wire:exception:6", None).exception_code
    6
    """
    match text.removeprefix(PREFIX).split(":"):
        case ["silent"]:
            return WireFault("silent", remaining_s=remaining_s)
        case ["disconnect"]:
            return WireFault("disconnect", remaining_s=remaining_s)
        case ["exception", code] if code.isdecimal() and int(code) in _EXCEPTION_CODES:
            return WireFault("exception", exception_code=int(code), remaining_s=remaining_s)
        case ["delay", seconds]:
            return WireFault("delay", delay_s=_delay(seconds), remaining_s=remaining_s)
    raise ValueError(
        f"unknown wire fault {text!r}; known are wire:silent, wire:exception:<1-8|10|11>, "
        "wire:delay:<seconds>, wire:disconnect"
    )


def _delay(text: str) -> float:
    try:
        delay_s = float(text)
    except ValueError:
        delay_s = math.nan
    if not 0 <= delay_s <= _MAX_DELAY_S:
        raise ValueError(f"wire:delay wants 0 to {_MAX_DELAY_S:g} seconds, not {text!r}")
    return delay_s
