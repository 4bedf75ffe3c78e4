"""What many scenes come to, drawn: distances, reductions and balance of all ways to choose.

One scene is drawn in `drawings.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from city_sim.paper.methods import METHODS
from city_sim.paper.runs import Rows
from city_sim.paper.summary import HEADLINES, PUBLISHED, YARDSTICK, interval, reductions
from city_sim.reports import Bar, Column, Figure, Table, bars, histogram

FIVE = {
    "method": Column("method"),
    "total_km": Column("point demand: distance", "km", 1),
    "served": Column("flow: served", digits=1),
    "passing": Column("flow: passing", digits=0),
    "cost": Column("cost", digits=0),
    "mean_total_time_h": Column("total time", "h"),
    "gini": Column("equilibrium: Gini", digits=3),
    "cv": Column("equilibrium: CV", digits=2),
    "mean_load": Column("traffic: mean load", digits=2),
    "max_load": Column("traffic: greatest load", digits=1),
    "mean_grade": Column("grade of the ways"),
    "jammed_share": Column("ways at grade 4 or 5", digits=3),
    "over": Column("cars beyond the slots", digits=1),
}
EIGHT = {
    "letter": Column("configuration"),
    "about": Column("what it assumes"),
    "integrated": Column("integrated, less distance", "%", 1),
    "sd": Column("spread", "%", 1),
    "pilewise": Column("Pilewise", "%", 1),
    "optimum": Column("optimum", "%", 1),
    "gini_preference": Column("Gini preference", digits=3),
    "gini_integrated": Column("Gini integrated", digits=3),
}


def five_indexes(told: Mapping[str, Any]) -> Table:
    """One row a way to choose. Source: paper 2.4, Fig. 3."""
    rows = [{"method": name} | row for name, row in told["methods"].items()]
    return Table(rows, "Five indexes, means over the scenes", FIVE)


def eight_readings(told: Mapping[str, Mapping[str, Any]], about: Mapping[str, str]) -> Table:
    """One row a configuration."""
    rows = [
        {
            "letter": letter, "about": about[letter],
            "integrated": 100 * one["integrated_reduction"],
            "sd": 100 * one["integrated_reduction_sd"],
            "pilewise": 100 * one["pilewise_reduction"], "optimum": 100 * one["optimum_reduction"],
            "gini_preference": one["methods"]["preference"]["gini"],
            "gini_integrated": one["methods"]["integrated"]["gini"],
        }
        for letter, one in told.items()
    ]  # fmt: skip
    return Table(rows, "Eight readings of the paper, against preference", EIGHT)


def readings_drawn(told: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The published figure beside what each reading gives."""
    drawn = [
        Bar(letter, *(100 * one[f"integrated_reduction{part}"] for part in ("", "_ci_low",
                                                                           "_ci_high")))
        for letter, one in told.items()
    ]  # fmt: skip
    return bars(
        "How much the integrated factor saves, by reading",
        "The sign depends on what the paper does not say: whether the load grows with the way.",
        [Bar("published", 100 * PUBLISHED), *drawn],
        "less distance than by preference (%)",
        digits=1,
    )


def total_distances(rows: Sequence[Rows]) -> Figure:
    """Total distance of the four methods. Source: paper 3, Fig. 13."""
    saved = float(reductions(rows, "integrated").mean())
    return bars(
        "Paper Fig. 13: total distance by method",
        f"The integrated factor needs {100 * saved:.1f} % less than preference; "
        f"published are {100 * PUBLISHED:.2f} %.",
        [_bar(rows, name, "total_km") for name in METHODS],
        "total distance (km)",
        digits=1,
    )


def all_distances(rows: Sequence[Rows]) -> Figure:
    """The same with Pilewise, its parts and the optimum."""
    return bars(
        "Total distance, with Pilewise and the optimum",
        "By distance alone the ways are shortest, but some cars find no slot; the optimum is the "
        "least that the slots allow.",
        [_bar(rows, name, "total_km") for name in rows[0]],
        "total distance (km)",
        digits=1,
    )


def all_reductions(rows: Sequence[Rows]) -> Figure:
    """How much less than by preference, over the scenes."""
    drawn = []
    for name in HEADLINES:
        less = 100 * reductions(rows, name)
        drawn.append(Bar(name, float(less.mean()), *interval(less)))
    return bars(
        "Less distance than by preference",
        "Means over the scenes with their 95 % intervals.",
        drawn,
        "less distance than by preference (%)",
        digits=1,
    )


def spreads(rows: Sequence[Rows]) -> Figure:
    """How the reductions differ from scene to scene."""
    names = ("integrated", "pilewise", "optimum")
    return histogram(
        "Reductions from scene to scene",
        f"One scene can show nearly anything; {100 * PUBLISHED:.2f} % is one of them.",
        {name: (100 * reductions(rows, name)).tolist() for name in names},
        "less distance than by preference (%)",
    )


def balance(rows: Sequence[Rows]) -> tuple[Figure, Figure]:
    """Gini of the cars at each plug, and cars beyond the slots."""
    return (
        bars(
            "Balance: Gini of the cars at each plug",
            "0 is the same number everywhere.",
            [_bar(rows, name, "gini") for name in rows[0]],
            "Gini",
            digits=3,
        ),
        bars(
            "Cars sent beyond the slots of their pile",
            "The paper's methods know no capacity.",
            [_bar(rows, name, "over") for name in rows[0]],
            "cars",
            digits=1,
        ),
    )


def _bar(rows: Sequence[Rows], name: str, key: str) -> Bar:
    values = np.array([row[name][key] for row in rows], dtype=np.float64)
    label = f"{name} (yardstick)" if name == YARDSTICK else name
    return Bar(label, float(values.mean()), *interval(values))
