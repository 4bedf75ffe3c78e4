"""Faults of the wire: the pile works, but talking to it does not.

What such a fault does to one protocol is decided in that protocol's face.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Final, Literal, cast, get_args

PREFIX = "wire:"
Kind = Literal[
    "silent",
    "exception",
    "delay",
    "disconnect",
    "hangup",
    "half_open",
    "flapping",
    "truncate",
    "empty",
    "junk",
    "split",
    "drip",
    "bad_crc",
    "wrong_unit",
    "wrong_function",
    "wrong_count",
    "wrong_transaction",
    "stale",
]
# What every protocol can suffer; the others are faults of Modbus frames.
EVERYWHERE: Final = frozenset({"silent", "delay", "disconnect"})
# Modbus exception codes that the specification defines.
_EXCEPTION_CODES = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 10, 11})
_MAX_DELAY_S = 3600.0
# Faults whose word ends in seconds; those of frames whose parts come apart want short ones.
_TIMED: Final = frozenset({"delay", "flapping", "split", "drip"})
_VALUED: Final = _TIMED | {"exception", "junk"}
_CONNECTIONS: Final = frozenset({"disconnect", "hangup", "flapping"})
_MAX_JUNK: Final = 65_535
_NUMBER: Final = r"(?:0x[0-9a-fA-F]{1,4}|\d{1,5})"
_WORD: Final = re.compile(
    rf"(?P<kind>[a-z_]+)(?::(?P<value>[^@*]+))?"
    rf"(?:@(?P<first>{_NUMBER})-(?P<last>{_NUMBER}))?(?:\*(?P<times>\d{{1,6}}))?"
)
_KNOWN: Final = (
    "wire:silent, wire:exception:<1-8|10|11>, wire:delay:<seconds>, wire:disconnect, wire:hangup, "
    "wire:half_open, wire:flapping:<seconds>, wire:truncate, wire:empty, wire:junk:<bytes>, "
    "wire:split:<seconds>, wire:drip:<seconds>, wire:bad_crc, wire:wrong_unit, "
    "wire:wrong_function, wire:wrong_count, wire:wrong_transaction and wire:stale, each "
    "with @<first>-<last> for these registers only and *<n> for n requests only"
)


@dataclass(frozen=True, slots=True)
class WireFault:
    """A wire fault that is present.

    `silent` answers nothing, `exception` answers every request with `exception_code`, `delay`
    answers after `delay_s` real seconds, `disconnect` drops every connection, `hangup` accepts
    connections and closes them at once, `half_open` accepts them, answers nothing and never says
    that it closed, `flapping` hangs up for `delay_s` and serves for `delay_s` in turn.

    The others spoil answers: `truncate` breaks them off, `empty` carries no data, `junk` is
    `size` bytes that mean nothing, `split` comes in two pieces `delay_s` apart, `drip` byte by
    byte, `bad_crc` damages what frames are known by, `wrong_unit`, `wrong_function`,
    `wrong_count` and `wrong_transaction` put another number, `stale` gives the answer to the
    question before. `registers` (first, last) and `times` narrow it to requests for them, and to
    so many of them. `remaining_s` is domain time; None lasts until cleared.
    """

    kind: Kind
    exception_code: int = 0
    delay_s: float = 0.0
    remaining_s: float | None = None
    registers: tuple[int, int] | None = None
    times: int | None = None
    size: int = 0

    @property
    def name(self) -> str:
        """The word that injects it, e.g. `wire:delay:2`."""
        word = f"{PREFIX}{self.kind}"
        if self.kind == "exception":
            word += f":{self.exception_code}"
        if self.kind == "junk":
            word += f":{self.size}"
        if self.kind in _TIMED:
            word += f":{self.delay_s:g}"
        if self.registers is not None:
            word += f"@{self.registers[0]}-{self.registers[1]}"
        return word if self.times is None else f"{word}*{self.times}"

    @property
    def cuts_at_once(self) -> bool:
        """Whether open connections fall when it begins."""
        narrowed = self.registers is not None or self.times is not None
        return self.kind in _CONNECTIONS and not narrowed

    def concerns(self, address: int, count: int) -> bool:
        """Whether a request for these registers meets it."""
        if self.registers is None:
            return True
        first, last = self.registers
        return address <= last and first < address + max(count, 1)

    def after_one(self) -> WireFault | None:
        """The fault after it met one request."""
        if self.times is None:
            return self
        return replace(self, times=self.times - 1) if self.times > 1 else None


def parse_wire_fault(text: str, remaining_s: float | None) -> WireFault:
    """The fault that `text` names; raises ValueError saying which words are known.

    >>> parse_wire_fault("wire:exception:6", None).exception_code
    6
    >>> parse_wire_fault("wire:disconnect@730-741", None).registers
    (730, 741)
    """
    word = _WORD.fullmatch(text.removeprefix(PREFIX))
    kind: str = word["kind"] if word else ""
    value: str = (word["value"] or "") if word else ""
    if word is None or kind not in get_args(Kind) or bool(value) != (kind in _VALUED):
        raise ValueError(f"unknown wire fault {text!r}; known are {_KNOWN}")
    code = int(value) if kind == "exception" and value.isdecimal() else 0
    if kind == "exception" and code not in _EXCEPTION_CODES:
        raise ValueError(f"unknown wire fault {text!r}; known are {_KNOWN}")
    return WireFault(
        cast(Kind, kind),
        exception_code=code,
        delay_s=_seconds(kind, value) if kind in _TIMED else 0.0,
        remaining_s=remaining_s,
        registers=(int(word["first"], 0), int(word["last"], 0)) if word["first"] else None,
        times=int(word["times"]) if word["times"] else None,
        size=_size(value) if kind == "junk" else 0,
    )


def _seconds(kind: str, text: str) -> float:
    try:
        delay_s = float(text)
    except ValueError:
        delay_s = math.nan
    least_s = 0.01 if kind == "flapping" else 0.0
    if not least_s <= delay_s <= _MAX_DELAY_S:
        raise ValueError(f"wire:{kind} wants {least_s:g} to {_MAX_DELAY_S:g} seconds, not {text!r}")
    return delay_s


def _size(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_JUNK:
        raise ValueError(f"wire:junk wants 1 to {_MAX_JUNK} bytes, not {text!r}")
    return int(text)
