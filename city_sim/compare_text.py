"""A comparison as tables for people, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from city_sim.gains import COSTS

COLUMNS = {
    "mean_drive_min": "drive", "mean_wait_min": "wait", "mean_drive_plus_wait_min": "drive+wait",
    "p95_drive_plus_wait_min": "p95", "unfinished": "unfinished", "gini": "gini",
    "no_plug_share": "no plug", "switches_per_car": "switches",
}  # fmt: skip
COST_TITLES = dict(
    zip(COSTS, ("drive+wait", "p95", "wait high", "burden", "no plug", "failed"), strict=True)
)


def print_means(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """The means of each policy."""
    width = max(len(name) for rows in results.values() for name in rows) + 1
    for cars, rows in results.items():
        print(f"{cars} cars, minutes", file=sys.stderr)
        titles = "".join(f"{title:>12}" for title in COLUMNS.values())
        print(f"{'policy':<{width}}" + titles, file=sys.stderr)
        for name, row in rows.items():
            cells = "".join(_cell(row.get(key)) for key in COLUMNS)
            print(f"{name:<{width}}{cells}", file=sys.stderr)


def print_ablation(ablation: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """How much more each figure is without a part; its paired 95 % interval below."""
    if not ablation:
        return
    width = max(len(name) for name in ablation) + 1
    print("without the part, more is worse; paired 95 % interval below", file=sys.stderr)
    titles = "".join(f"{title:>18}" for title in COST_TITLES.values())
    print(f"{'policy':<{width}}{titles}", file=sys.stderr)
    for name, row in ablation.items():
        middle, bounds = "", ""
        for key in COST_TITLES:
            told = row.get(key)
            middle += f"{told['difference']:>+18.3f}" if told else f"{'–':>18}"
            span = f"{told['ci_low']:+.3f} … {told['ci_high']:+.3f}" if told else ""
            bounds += f"{span:>18}"
        print(f"{name:<{width}}{middle}\n{'':<{width}}{bounds}", file=sys.stderr)


def _cell(value: float | None) -> str:
    return f"{'–':>12}" if value is None else f"{value:>12.2f}"
