"""Bars side by side, with the interval of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from city_sim.reports.colours import HATCHES, INK, PAPER, SERIES
from city_sim.reports.drawing import finished, sheet
from city_sim.reports.report import Figure
from city_sim.reports.table import Column, Table, shown


@dataclass(frozen=True, slots=True)
class Bar:
    """One value with its interval, or without; bars of one label stand together, by series."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    series: str = ""


def bars(
    title: str, description: str, drawn: Sequence[Bar], axis: str, *, digits: int = 2
) -> Figure:
    """A bar for each value, from above in the order given; `axis` says what, with its unit."""
    labels = list(dict.fromkeys(bar.label for bar in drawn))
    series = list(dict.fromkeys(bar.series for bar in drawn))
    thick = 0.8 / max(len(series), 1)
    with sheet(height_in=1.0 + 0.32 * max(len(drawn), 1)) as (canvas, axes):
        for n, name in enumerate(series):
            of = [bar for bar in drawn if bar.series == name]
            at = [labels.index(bar.label) + (n - (len(series) - 1) / 2) * thick for bar in of]
            axes.barh(
                at, [bar.value for bar in of], thick * 0.9, color=SERIES[n % len(SERIES)],
                hatch=HATCHES[n % len(HATCHES)], edgecolor=PAPER, linewidth=0.5, label=name,
            )  # fmt: skip
            _intervals(axes, of, at)
            for bar, place in zip(of, at, strict=True):
                end = max(bar.value, bar.high if bar.high is not None else bar.value, 0.0)
                axes.annotate(shown(float(bar.value), digits), (end, place), (4, 0),
                              textcoords="offset points", va="center", fontsize=8)  # fmt: skip
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.axvline(0.0, color=INK, linewidth=0.8)
        axes.margins(x=0.12)
        axes.set_xlabel(axis)
        if series != [""]:
            canvas.legend(loc="outside upper left", ncols=len(series))
        return finished(canvas, title, description, _numbers(drawn, axis, digits))


def _intervals(axes: Any, of: Sequence[Bar], at: Sequence[float]) -> None:
    """Whiskers over the bars that have an interval."""
    for bar, place in zip(of, at, strict=True):
        if bar.low is None or bar.high is None:
            continue
        reach = [[max(bar.value - bar.low, 0.0)], [max(bar.high - bar.value, 0.0)]]
        axes.errorbar(bar.value, place, xerr=reach, color=INK, capsize=3, linewidth=1.0)


def _numbers(drawn: Sequence[Bar], axis: str, digits: int) -> Table:
    columns = {"label": Column(""), "value": Column(axis, digits=digits)}
    if any(bar.series for bar in drawn):
        columns = {"label": Column(""), "series": Column("series"), **columns}
    if any(bar.low is not None for bar in drawn):
        columns |= {"low": Column("from", digits=digits), "high": Column("to", digits=digits)}
    rows = [
        {"label": b.label, "series": b.series, "value": b.value, "low": b.low, "high": b.high}
        for b in drawn
    ]
    return Table(rows, columns=columns)
