"""A 32-bit value that arrives as two writes of one register each.

A master that cannot write two registers at once sends the high word, then the low word. What a
device makes of it differs: it refuses, waits for the other half, or acts on each half.
"""

from __future__ import annotations

from collections.abc import Sequence

from firmware_sim.faces.registers.map import Device, Field, RegisterMap

Write = tuple[int, Sequence[int]]
_Key = tuple[int, int]


class HalfWrites:
    """The halves of values that wait for their others."""

    def __init__(self, register_map: RegisterMap) -> None:
        self._map = register_map
        self._waiting: dict[_Key, dict[int, int]] = {}

    def take(
        self, device: Device, function: int, address: int, words: Sequence[int], socket: int
    ) -> Write | None:
        """What is to be written now (address, words); None while another half is missing."""
        field = self._map.half(function, address, len(words), socket)
        if field is None or self._map.halves == "refused":
            return address, words
        found = self._found(field, device, socket)
        found.update(enumerate(words, address))
        wanted = range(field.address, field.address + field.width)
        if any(at not in found for at in wanted):
            return None
        whole = [found[at] for at in wanted]
        if self._map.halves == "latched":
            found.clear()
        return field.address, whole

    def _found(self, field: Field, device: Device, socket: int) -> dict[int, int]:
        """The words of a field that are there already, by address."""
        if self._map.halves == "torn" and field.read is not None:
            return dict(enumerate(field.words(device), field.address))
        zeros = dict.fromkeys(range(field.address, field.address + field.width), 0)
        empty = zeros if self._map.halves == "torn" else {}
        return self._waiting.setdefault((socket, field.address), empty)
