"""Values over time, or over any other quantity, one line a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from city_sim.reports.colours import DASHES, MARKERS, SERIES
from city_sim.reports.drawing import finished, sheet
from city_sim.reports.report import Figure
from city_sim.reports.table import Column, Table

_MOST_ROWS = 60  # of the table under the figure


@dataclass(frozen=True, slots=True)
class Line:
    """Values at places along the axis; `low` and `high` are the band around them, or None."""

    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def lines(
    title: str,
    description: str,
    drawn: Mapping[str, Line],
    x_axis: str,
    y_axis: str,
    *,
    clock: bool = False,
    from_zero: bool = True,
) -> Figure:
    """One line a name; with `clock` the axis is hours of a day, shown as 06:00."""
    with sheet() as (canvas, axes):
        for n, (name, line) in enumerate(drawn.items()):
            colour = SERIES[n % len(SERIES)]
            axes.plot(line.x, line.y, color=colour, label=name, linewidth=1.6,
                      linestyle=DASHES[n % len(DASHES)], marker=MARKERS[n % len(MARKERS)],
                      markersize=4, markevery=max(len(line.x) // 12, 1))  # fmt: skip
            if line.low is not None and line.high is not None:
                axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15,
                                  linewidth=0)  # fmt: skip
        axes.set_xlabel(x_axis)
        axes.set_ylabel(y_axis)
        if from_zero and axes.get_ylim()[0] > 0:
            axes.set_ylim(bottom=0.0)
        if clock:
            _clock(axes)
        if len(drawn) > 1:
            canvas.legend(loc="outside upper left", ncols=min(len(drawn), 4))
        return finished(canvas, title, description, _numbers(drawn, x_axis, y_axis))


def _clock(axes: Any) -> None:
    """Ticks every few hours, as times of day."""
    low, high = axes.get_xlim()
    step = 1 if high - low <= 8 else 3 if high - low <= 30 else 12
    hours = [h for h in range(int(low // step) * step, int(high) + 1, step) if low <= h <= high]
    axes.set_xticks(hours, [f"{hour % 24:02d}:00" for hour in hours])


def _numbers(drawn: Mapping[str, Line], x_axis: str, y_axis: str) -> Table | None:
    """All points, where they are few enough to be read."""
    places = sorted({float(x) for line in drawn.values() for x in line.x})
    if len(places) > _MOST_ROWS:
        return None
    found: dict[float, dict[str, float]] = {x: {"x": x} for x in places}
    for name, line in drawn.items():
        for x, y in zip(line.x, line.y, strict=True):
            found[float(x)][f"y {name}"] = float(y)
    columns = {"x": Column(x_axis)} | {f"y {name}": Column(name) for name in drawn}
    return Table(list(found.values()), y_axis, columns)
