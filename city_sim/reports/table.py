"""Tables made of dict rows: headings with units, rounded numbers.

Units are read off the names, whose last word they are everywhere in the house.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

UNITS = {
    "s": "s", "ms": "ms", "us": "µs", "min": "min", "h": "h", "km": "km", "m": "m", "kw": "kW",
    "kwh": "kWh", "pct": "%", "kmh": "km/h", "mib": "MiB", "deg": "°", "per": "",
}  # fmt: skip
ABSENT = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """How one key of the rows is shown; `unit` is empty where the numbers have none."""

    heading: str
    unit: str = ""
    digits: int = 2

    @property
    def title(self) -> str:
        """The heading with its unit."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading

    @classmethod
    def of(cls, key: str) -> Column:
        """The column of a key by its own words.

        >>> Column.of("mean_wait_min").title, Column.of("price_per_kwh").title
        ('mean wait (min)', 'price per kWh')
        """
        words = key.split("_")
        unit = UNITS.get(words[-1], "")
        if unit and len(words) > 1 and words[-2] == "per":
            return cls(" ".join([*words[:-1], unit]))
        if unit and len(words) > 1:
            return cls(" ".join(words[:-1]), unit)
        return cls(" ".join(words))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a caption; `columns` None shows every key of the first row in its order."""

    rows: Sequence[Mapping[str, Any]]
    caption: str = ""
    columns: Mapping[str, Column] | None = None

    def shown(self) -> dict[str, Column]:
        """The columns by key."""
        if self.columns is not None:
            return dict(self.columns)
        return {key: Column.of(key) for row in self.rows[:1] for key in row}

    def html(self) -> str:
        """The table as HTML that needs no style to be read."""
        columns = self.shown()
        if not self.rows:
            return f"<p>{escape(self.caption or 'Table')}: no rows.</p>"
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        heads = "".join(
            f'<th scope="col">{escape(column.title)}</th>' for column in columns.values()
        )
        body = "\n".join(
            "<tr>" + "".join(_cell(row.get(key), col) for key, col in columns.items()) + "</tr>"
            for row in self.rows
        )
        return (
            f'<div class="wide"><table border="1">{caption}\n<thead><tr>{heads}</tr></thead>\n'
            f"<tbody>\n{body}\n</tbody></table></div>"
        )

    def markdown(self) -> str:
        """The table as Markdown, for documents whose numbers are generated."""
        columns = self.shown()
        lines = [
            "| " + " | ".join(column.title for column in columns.values()) + " |",
            "|" + "---|" * len(columns),
        ]
        lines += [
            "| "
            + " | ".join(_plain(shown(row.get(k), c.digits)) for k, c in columns.items())
            + " |"
            for row in self.rows
        ]
        return "\n".join(lines)


def shown(value: Any, digits: int = 2) -> str:
    """A value as people read it; None and NaN are a dash.

    >>> shown(12345.678), shown(3), shown(None), shown(float("nan")), shown(-0.001), shown(True)
    ('12,345.68', '3', '–', '–', '0.00', 'yes')
    """
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "item"):  # a numpy scalar
        return shown(value.item(), digits)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return ABSENT if math.isnan(value) else ("∞" if value > 0 else "−∞")
        # Adding 0.0 turns the -0.0 of rounding into 0.0.
        return f"{round(value, digits) + 0.0:,.{digits}f}"
    return str(value)


def _plain(text: str) -> str:
    """Text that does not end a cell of Markdown."""
    return text.replace("|", "\\|").replace("\n", " ")


def _cell(value: Any, column: Column) -> str:
    text = escape(shown(value, column.digits))
    numeric = isinstance(value, int | float) or hasattr(value, "item") or value is None
    return f'<td class="n">{text}</td>' if numeric else f"<td>{text}</td>"
