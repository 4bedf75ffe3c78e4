"""Small plots as SVG text: said against seen rates, and bars in groups.

Drawn without a library, so that a card needs none and the same figures give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDTH, HEIGHT = 480, 340
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 40, 64
COLOURS = ("#1b6ca8", "#c8553d", "#5f8a3a", "#8a6fb0", "#7a7a7a", "#b58900")
INK, GRID = "#333333", "#dddddd"
Z_95 = 1.96


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows that were told about the same: what was said, what was seen, how many there are."""

    said: float
    seen: float
    count: int

    def likely(self) -> tuple[float, float]:
        """Where the true rate lies with 95 % (Wilson's interval).

        >>> [round(end, 2) for end in Bin(0.5, 0.5, 100).likely()]
        [0.4, 0.6]
        """
        n, p, z = self.count, self.seen, Z_95
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(middle - half, 0.0), min(middle + half, 1.0)


def bins_of(said: Floats, happened: NDArray[np.bool_], bins: int = 10) -> list[Bin]:
    """Bins of equal count, the lowest rates first.

    >>> bins_of(np.array([0.1, 0.9]), np.array([False, True]), bins=2)
    [Bin(said=0.1, seen=0.0, count=1), Bin(said=0.9, seen=1.0, count=1)]
    """
    parts = np.array_split(np.argsort(said, kind="stable"), bins)
    return [
        Bin(float(said[rows].mean()), float(happened[rows].mean()), len(rows))
        for rows in parts
        if len(rows)
    ]


def reliability(title: str, bins: Sequence[Bin]) -> str:
    """The reliability diagram: on the line what was said is what was seen; bars are 95 %."""
    most = max((max(b.said, b.likely()[1]) for b in bins), default=1.0)
    most = min(1.0, max(0.05, most * 1.05))

    def at(x: float, y: float) -> tuple[float, float]:
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + wide * x / most, HEIGHT - BOTTOM - high * y / most

    shapes = [*_axis(most), _line(at(0, 0), at(most, most), GRID, 2)]
    for one in bins:
        low, high = one.likely()
        shapes.append(_line(at(one.said, low), at(one.said, high), COLOURS[0], 1))
        x, y = at(one.said, one.seen)
        shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{COLOURS[0]}"/>')
    for step in range(6):
        value = most * step / 5
        x, y = at(value, 0.0)
        shapes.append(_text(x, y + 16, f"{value:.2g}", "middle"))
    rows = sum(one.count for one in bins)
    shapes.append(
        _text(LEFT, HEIGHT - 14, f"said (across) and seen (up), {rows} rows in {len(bins)}")
    )
    return _svg(title, shapes)


def grouped(title: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """Bars from 0 to 1: a group for each key, a bar for each name, the names below."""
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    wide = (WIDTH - LEFT - RIGHT) / max(len(groups), 1)
    bar = wide * 0.8 / max(len(names), 1)
    high = HEIGHT - TOP - BOTTOM
    shapes = list(_axis(1.0))
    for column, (group, bars) in enumerate(groups.items()):
        begin = LEFT + column * wide + wide * 0.1
        for name, value in bars.items():
            x = begin + names.index(name) * bar
            tall = high * min(max(value, 0.0), 1.0)
            colour = COLOURS[names.index(name) % len(COLOURS)]
            shapes.append(
                f'<rect x="{x:.1f}" y="{HEIGHT - BOTTOM - tall:.1f}" width="{bar * 0.9:.1f}"'
                f' height="{tall:.1f}" fill="{colour}"><title>{escape(name)}: {value:.3f}</title>'
                "</rect>"
            )
        shapes.append(_text(begin + wide * 0.4, HEIGHT - BOTTOM + 16, group, "middle"))
    x = float(LEFT)
    for number, name in enumerate(names):
        shapes.append(
            f'<rect x="{x:.1f}" y="{HEIGHT - 24}" width="10" height="10"'
            f' fill="{COLOURS[number % len(COLOURS)]}"/>'
        )
        shapes.append(_text(x + 14, HEIGHT - 15, name))
        x += 24 + 7.0 * len(name)
    return _svg(title, shapes)


def _axis(most: float) -> Iterable[str]:
    """Lines across and their figures, from 0 up."""
    high = HEIGHT - TOP - BOTTOM
    for step in range(6):
        y = HEIGHT - BOTTOM - high * step / 5
        yield _line((LEFT, y), (WIDTH - RIGHT, y), GRID, 1)
        yield _text(LEFT - 6, y + 4, f"{most * step / 5:.2g}", "end")


def _line(start: tuple[float, float], end: tuple[float, float], colour: str, width: int) -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
        f' stroke="{colour}" stroke-width="{width}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, shapes: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' font-family="sans-serif" font-size="11" fill="{INK}">'
    )
    return "\n".join(
        (
            head,
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="22" font-size="13">{escape(title)}</text>',
            *shapes,
            "</svg>",
            "",
        )
    )
