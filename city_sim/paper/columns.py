"""Cars at each station as columns, with the line of its slots: who is above finds no room."""

from __future__ import annotations

from collections.abc import Sequence

from city_sim.reports import Column, Figure, Table
from city_sim.reports.colours import HATCHES, INK, PAPER, SERIES
from city_sim.reports.drawing import finished, sheet


def columns(title: str, description: str, counts: Sequence[int], slots: int) -> Figure:
    """One column a station: up to the slots plain, above hatched; the broken line is the slots."""
    names = [str(n + 1) for n in range(len(counts))]
    within = [min(count, slots) for count in counts]
    over = [count - kept for count, kept in zip(counts, within, strict=True)]
    at = range(len(counts))
    with sheet(height_in=2.8) as (canvas, axes):
        axes.bar(at, within, 0.8, color=SERIES[0], edgecolor=PAPER, linewidth=0.5,
                 label="with a slot")  # fmt: skip
        axes.bar(at, over, 0.8, bottom=within, color=SERIES[1], hatch=HATCHES[1], edgecolor=PAPER,
                 linewidth=0.5, label="without")  # fmt: skip
        axes.axhline(slots, color=INK, linewidth=1.0, linestyle="--")
        axes.set_ylim(0.0, 1.1 * max(slots, *counts))
        every = max(len(counts) // 20, 1)
        axes.set_xticks(list(at)[::every], names[::every])
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("station")
        axes.set_ylabel("cars")
        canvas.legend(loc="outside upper left", ncols=2)
        rows = [
            {"station": name, "cars": count, "without": rest}
            for name, count, rest in zip(names, counts, over, strict=True)
        ]
        heads = {"station": Column("station"), "cars": Column("cars"),
                 "without": Column("without a slot")}  # fmt: skip
        return finished(canvas, title, description, Table(rows, columns=heads))
