"""Who wrote each field of a register map, when it changed, how old it is.

Changes are noticed from the first look on; a pile that nobody looks at costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from firmware_sim.faces.registers.map import Device, Field, RegisterMap

PILE: Final = "pile"
_Key = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Trace:
    """What is remembered of one field, in domain time.

    `writer` is the client that wrote it last, "pile" where the device changed it itself since,
    empty where nobody did. `words` are the last ones seen or written, none before the first look.
    While `is_settling` a change is the doing of whoever wrote. Times are 0 for never.
    """

    words: tuple[int, ...]
    writer: str = ""
    written_at_ms: int = 0
    changed_at_ms: int = 0
    seen_at_ms: int = 0
    is_settling: bool = False

    def age_s(self, now_ms: int) -> float:
        """Seconds since it was written or changed; since the first look where neither happened."""
        moved_ms = max(self.written_at_ms, self.changed_at_ms) or self.seen_at_ms
        return max(now_ms - moved_ms, 0) / 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One register as a bench engineer wants to see it.

    `value` is the whole field's in `unit`, None where it is not available or a text. `readable`
    is False for registers that can only be written; their words are the last that were written.
    """

    address: int
    function_code: int
    word: int
    name: str
    value: float | None
    unit: str
    writer: str
    age_s: float
    changed_at_ms: int
    readable: bool = True
    socket: int = 0


class History:
    """The traces of all fields of one pile."""

    def __init__(self, register_map: RegisterMap) -> None:
        self._map = register_map
        self._traces: dict[_Key, Trace] = {}
        self.is_watched = False

    def looked_at(self, device: Device, now_ms: int) -> None:
        """Notes what is different from the last look; the first look begins the watch."""
        self.is_watched = True
        for field in self._map.fields:
            if field.read is not None:
                self._note(field, tuple(field.words(device)), now_ms)

    def written(self, field: Field, words: Sequence[int], client: str, now_ms: int) -> None:
        """Notes who wrote a field; what the device made of it, the next look shows."""
        old = self._traces.get(_key(field)) or Trace((), seen_at_ms=now_ms)
        trace = replace(old, writer=client, written_at_ms=now_ms, is_settling=True)
        if field.read is None:
            changed_ms = old.changed_at_ms if old.words == tuple(words) else now_ms
            trace = replace(trace, words=tuple(words), changed_at_ms=changed_ms)
        self._traces[_key(field)] = trace

    def settled(self, device: Device, now_ms: int) -> None:
        """Ends a write: what changes from now on, the device changes itself."""
        if self.is_watched:
            self.looked_at(device, now_ms)
        for key, trace in self._traces.items():
            if trace.is_settling:
                self._traces[key] = replace(trace, is_settling=False)

    def rows(self, device: Device, now_ms: int) -> Iterator[Row]:
        """Every register, by function code and address."""
        self.looked_at(device, now_ms)
        for field in sorted(self._map.fields, key=lambda f: (f.socket, f.table, f.address)):
            trace = self._traces.get(_key(field))
            if trace is None:
                trace = Trace((0,) * field.width, seen_at_ms=now_ms)
                self._traces[_key(field)] = trace
            value = _value(field, device, trace)
            for offset, word in enumerate(trace.words):
                yield Row(
                    address=field.address + offset,
                    function_code=field.table,
                    word=word,
                    name=field.name,
                    value=value,
                    unit=field.unit,
                    writer=trace.writer,
                    age_s=trace.age_s(now_ms),
                    changed_at_ms=trace.changed_at_ms,
                    readable=field.read is not None,
                    socket=field.socket,
                )

    def _note(self, field: Field, words: tuple[int, ...], now_ms: int) -> None:
        key = _key(field)
        old = self._traces.get(key)
        if old is None:
            self._traces[key] = Trace(words, seen_at_ms=now_ms)
        elif not old.words:
            self._traces[key] = replace(old, words=words)
        elif old.words != words:
            writer = old.writer if old.is_settling or not old.writer else PILE
            self._traces[key] = replace(old, words=words, changed_at_ms=now_ms, writer=writer)


def _key(field: Field) -> _Key:
    return field.socket, field.table, field.address


def _value(field: Field, device: Device, trace: Trace) -> float | None:
    if field.read is None:
        return field.value(trace.words) * field.scale if trace.written_at_ms else None
    raw = field.read(device)
    return raw * field.scale if isinstance(raw, int | float) else None
