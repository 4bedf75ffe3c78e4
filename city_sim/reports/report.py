"""What a report consists of: sections of tables, figures and sentences, and where it came from.

How it looks is in `page.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from city_sim.reports.origin import Origin
from city_sim.reports.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with the sentence that stands for it; `numbers` is the same as a table."""

    title: str
    description: str
    svg: str
    numbers: Table | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what belongs under it, in this order; a str is a paragraph."""

    heading: str
    parts: tuple[Table | Figure | str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One run. `summary` says in one paragraph what came out, for those who read no further."""

    title: str
    summary: str
    sections: tuple[Section, ...]
    origin: Origin
