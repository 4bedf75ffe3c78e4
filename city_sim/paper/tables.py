"""What a run tells, as plain text for a terminal.

The page with figures is made in `report.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = (
    ("total_km", "km", 1), ("gini", "Gini", 3), ("cv", "CV", 2), ("over", "over", 1),
    ("served", "served", 1), ("passing", "passing", 0), ("cost", "cost", 0),
    ("mean_total_time_h", "time h", 2), ("mean_grade", "grade", 2), ("mean_load", "load", 1),
    ("max_load", "most", 1),
)  # fmt: skip


def method_table(told: Mapping[str, Any]) -> str:
    """One line for each way to choose: the indexes, means over the seeds."""
    lines = [f"{'method':<18}" + "".join(f"{title:>9}" for _, title, _ in COLUMNS)]
    for name, row in told["methods"].items():
        cells = "".join(f"{row[key]:>9.{digits}f}" for key, _, digits in COLUMNS)
        lines.append(f"{name:<18}{cells}")
    return "\n".join(lines)


def reduction_lines(told: Mapping[str, Any]) -> str:
    """How much less distance than by preference, with spread and interval."""
    lines = []
    for key in ("integrated", "pilewise", "pilewise_in_steps", "greedy_hold", "optimum"):
        mean, sd, low, high = (
            100.0 * told[f"{key}_reduction{part}"] for part in ("", "_sd", "_ci_low", "_ci_high")
        )
        words = key.replace("_", " ")
        lines.append(f"{words:<18}{mean:>7.1f} % ± {sd:.1f}   (95 %: {low:.1f} to {high:.1f})")
    return "\n".join(lines)


def configuration_table(told: Mapping[str, Mapping[str, Any]]) -> str:
    """One line for each configuration: reductions, mean ± spread, and balance."""
    heads = ("integrated", "Pilewise", "optimum", "Gini pref.", "Gini int.", "Gini Pilewise")
    lines = [f"{'':<3}" + "".join(f"{head:>18}" for head in heads)]
    for letter, one in told.items():
        cells = "".join(
            f"{100 * one[f'{key}_reduction']:>9.1f} ± {100 * one[f'{key}_reduction_sd']:<4.1f}%"
            for key in ("integrated", "pilewise", "optimum")
        )
        balance = "".join(
            f"{one['methods'][name]['gini']:>18.3f}"
            for name in ("preference", "integrated", "pilewise")
        )
        lines.append(f"{letter:<3}{cells}{balance}")
    return "\n".join(lines)
