"""A strip of shades: one row a thing, one column an instant, darker or lighter by value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from city_sim.reports.colours import HEAT, INK
from city_sim.reports.drawing import finished, sheet
from city_sim.reports.report import Figure
from city_sim.reports.table import Column, Table, shown

_MOST_ROWS, _MOST_COLUMNS = 40, 26  # of the table under the figure
_MOST_CELLS = 6_000  # a cell is some 60 bytes of the file


def heat(
    title: str,
    description: str,
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    axis: str,
    *,
    most: float | None = None,
) -> Figure:
    """Seven shades from 0 (or the least) to `most` (or the largest); NaN is left blank.

    Raises ValueError for values that are not rows × columns, or too many to draw small.
    """
    cells = np.array(values, dtype=np.float64).reshape(len(rows), -1)
    if cells.shape != (len(rows), len(columns)):
        raise ValueError(f"values are {cells.shape}, names {len(rows)} × {len(columns)}")
    if cells.size > _MOST_CELLS:
        raise ValueError(f"{cells.size} cells; sum them up to at most {_MOST_CELLS}")
    known = cells[np.isfinite(cells)]
    low = min(float(known.min()), 0.0) if known.size else 0.0
    high = most if most is not None else (float(known.max()) if known.size else 1.0)
    high = high if high > low else low + 1.0
    with sheet(height_in=1.3 + 0.2 * len(rows)) as (canvas, axes):
        _paint(axes, cells, low, high)
        every = max(len(columns) // 12, 1)
        axes.set_xticks([n + 0.5 for n in range(0, len(columns), every)], columns[::every])
        axes.set_yticks([n + 0.5 for n in range(len(rows))], rows)
        axes.set_xlim(0, max(len(columns), 1))
        axes.set_ylim(max(len(rows), 1), 0)
        axes.grid(visible=False)
        _key(canvas, low, high, axis)
        return finished(canvas, title, description, _numbers(cells, rows, columns, axis))


def _paint(
    axes: Any, cells: np.ndarray[Any, np.dtype[np.float64]], low: float, high: float
) -> None:
    """Neighbours of one shade are one bar, which keeps the file small."""
    shades = np.full(cells.shape, -1)
    finite = np.isfinite(cells)
    steps = (cells[finite] - low) / (high - low) * len(HEAT)
    shades[finite] = np.clip(steps.astype(int), 0, len(HEAT) - 1)
    for row, line in enumerate(shades.tolist()):
        begin = 0
        for column in range(1, len(line) + 1):
            if column < len(line) and line[column] == line[begin]:
                continue
            if line[begin] >= 0:
                axes.broken_barh([(begin, column - begin)], (row + 0.05, 0.9),
                                 facecolors=HEAT[line[begin]], linewidth=0)  # fmt: skip
            begin = column


def _key(canvas: Any, low: float, high: float, axis: str) -> None:
    """What the shades mean."""
    from matplotlib.patches import Patch

    edges = np.linspace(low, high, len(HEAT) + 1)
    digits = 0 if high - low >= 20 else 1 if high - low >= 2 else 2
    keys = [
        Patch(facecolor=shade, edgecolor=INK, linewidth=0.3, label=shown(float(edge), digits))
        for shade, edge in zip(HEAT, edges, strict=False)
    ]
    canvas.legend(handles=keys, title=f"{axis}, from", loc="outside upper left", ncols=len(keys))


def _numbers(
    cells: np.ndarray[Any, np.dtype[np.float64]], rows: Sequence[str], columns: Sequence[str],
    axis: str,
) -> Table | None:  # fmt: skip
    if len(rows) > _MOST_ROWS or len(columns) > _MOST_COLUMNS:
        return None
    made: list[dict[str, Any]] = [
        {"": name, **{f"{n}": float(v) for n, v in enumerate(line)}}
        for name, line in zip(rows, cells, strict=True)
    ]
    heads = {"": Column("")} | {f"{n}": Column(name) for n, name in enumerate(columns)}
    return Table(made, axis, heads)
