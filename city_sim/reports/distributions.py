"""How values are spread: as a histogram, or as the share that is at most so large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from city_sim.reports.colours import DASHES, MARKERS, SERIES
from city_sim.reports.drawing import finished, sheet
from city_sim.reports.report import Figure
from city_sim.reports.table import Column, Table

_QUANTILES = ((0.05, "5 %"), (0.25, "25 %"), (0.5, "median"), (0.75, "75 %"), (0.95, "95 %"))
_MOST_POINTS = 120  # of a curve; more cannot be seen and make the file large


def histogram(
    title: str,
    description: str,
    samples: Mapping[str, Sequence[float]],
    axis: str,
    *,
    bins: int | Sequence[float] = 20,
) -> Figure:
    """The share of the values in each bin, one stepped line a name; all names share the bins."""
    values = {name: _finite(sample) for name, sample in samples.items()}
    edges = np.histogram_bin_edges(np.concatenate([*values.values(), np.zeros(0)]), bins)
    with sheet() as (canvas, axes):
        for n, (name, sample) in enumerate(values.items()):
            counts = np.histogram(sample, edges)[0] / max(len(sample), 1)
            axes.stairs(counts, edges, color=SERIES[n % len(SERIES)], label=name,
                        linestyle=DASHES[n % len(DASHES)], linewidth=1.6)  # fmt: skip
        axes.set_ylabel("share of the values")
        return _closed(canvas, axes, title, description, axis, values)


def ecdf(title: str, description: str, samples: Mapping[str, Sequence[float]], axis: str) -> Figure:
    """The share of the values that are at most so large, one curve a name."""
    values = {name: _finite(sample) for name, sample in samples.items()}
    with sheet() as (canvas, axes):
        for n, (name, sample) in enumerate(values.items()):
            if not len(sample):
                continue
            shares = np.linspace(0.0, 1.0, min(len(sample), _MOST_POINTS - 1) + 1)
            at = np.quantile(sample, shares, method="inverted_cdf")
            axes.plot(at, shares, color=SERIES[n % len(SERIES)], label=name,
                      drawstyle="steps-post", linestyle=DASHES[n % len(DASHES)],
                      marker=MARKERS[n % len(MARKERS)], markersize=4,
                      markevery=max(len(shares) // 8, 1))  # fmt: skip
        axes.set_ylim(0.0, 1.02)
        axes.set_ylabel("share of at most so much")
        return _closed(canvas, axes, title, description, axis, values)


def _finite(sample: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(sample, dtype=np.float64)
    return np.sort(values[np.isfinite(values)])


def _closed(
    canvas: Any, axes: Any, title: str, description: str, axis: str,
    values: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]],
) -> Figure:  # fmt: skip
    axes.set_xlabel(axis)
    if len(values) > 1:
        canvas.legend(loc="outside upper left", ncols=min(len(values), 4))
    return finished(canvas, title, description, _numbers(values, axis))


def _numbers(values: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]], axis: str) -> Table:
    """Number, mean and quantiles of each name."""
    rows = []
    for name, sample in values.items():
        row: dict[str, Any] = {"name": name, "n": len(sample)}
        if len(sample):
            row["mean"] = float(sample.mean())
            at = np.quantile(sample, [share for share, _ in _QUANTILES])
            row |= {label: float(v) for (_, label), v in zip(_QUANTILES, at, strict=True)}
        rows.append(row)
    columns = {"name": Column(""), "n": Column("number"), "mean": Column("mean")}
    columns |= {label: Column(label) for _, label in _QUANTILES}
    return Table(rows, axis, columns)
