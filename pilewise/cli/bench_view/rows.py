"""What one line of the register view says, and which lines a filter leaves.

Nothing here knows the terminal or the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FLASH_S = 2.0


@dataclass(frozen=True, slots=True)
class Row:
    """One field of a register map; `fresh` while its change is news.

    `value` is None for texts and for what is not available, `age_s` seconds of domain time.
    """

    function: int
    address: int
    name: str
    words: tuple[int, ...]
    value: float | None
    unit: str = ""
    writer: str = ""
    age_s: float = 0.0
    fresh: bool = False

    @property
    def key(self) -> str:
        """Tells rows of one pile apart."""
        return f"{self.function}:{self.address}:{self.name}"

    def cells(self, *, wide: bool = False) -> tuple[str, ...]:
        """Address, name, raw, value, unit, writer, age, as text; news has a star.

        On a wide screen longer fields and the whole address of a master have room.
        """
        return (
            f"{self.function}:{self.address:04x}",
            f"{'*' if self.fresh else ' '}{self.name}",
            raw_text(self.words, 4 if wide else 2),
            value_text(self.value),
            self.unit,
            self.writer if wide else writer_text(self.writer),
            age_text(self.age_s),
        )


# Columns and their widths on a screen of 80, beside a list of piles, and on a wide one.
COLUMNS = {
    "addr": (7, 7),
    " name": (20, 28),
    "raw": (10, 20),
    "value": (8, 12),
    "unit": (5, 5),
    "writer": (6, 22),
    "age": (5, 5),
}


def raw_text(words: Sequence[int], most: int) -> str:
    """The words in hexadecimal, at most so many; more are hinted at.

    >>> raw_text([0, 0x8fc], 2), raw_text([1, 2, 3], 2)
    ('0000 08fc', '0001 0002>')
    """
    text = " ".join(f"{word:04x}" for word in words[:most])
    return text if len(words) <= most else f"{text}>"


def writer_text(writer: str) -> str:
    """Who wrote, short: of a master the port tells it from the others.

    >>> writer_text("pile"), writer_text("127.0.0.1:51234")
    ('pile', ':51234')
    """
    _, colon, port = writer.rpartition(":")
    return f":{port}" if colon else writer


def value_text(value: float | None) -> str:
    """A value in few digits.

    >>> value_text(230.0), value_text(11.0400001), value_text(None)
    ('230', '11.04', '-')
    """
    return "-" if value is None else f"{value:.7g}"


def age_text(age_s: float) -> str:
    """An age in a few letters.

    >>> age_text(0.42), age_text(75), age_text(7260), age_text(200_000)
    ('0.4s', '75s', '121m', '56h')
    """
    if age_s < 10:
        return f"{age_s:.1f}s"
    if age_s < 600:
        return f"{age_s:.0f}s"
    return f"{age_s / 60:.0f}m" if age_s < 36_000 else f"{age_s / 3600:.0f}h"


def matching(rows: Iterable[Row], needle: str) -> list[Row]:
    """The rows that have every word of the filter in name, address, unit or writer.

    >>> row = Row(3, 0x4008, "error_code", (0, 0), 0.0)
    >>> len(matching([row], "ERR 4008")), len(matching([row], "current"))
    (1, 0)
    """
    wanted = needle.lower().split()
    return [
        row
        for row in rows
        if all(
            word in f"{row.function}:{row.address:04x} {row.name} {row.unit} {row.writer}".lower()
            for word in wanted
        )
    ]
