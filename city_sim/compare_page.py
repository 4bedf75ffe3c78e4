"""A comparison as one page: means, the ablation, and how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from city_sim import reports
from city_sim.gains import COSTS, HEADLINE
from coordinator.models.serving import open_models

PAPER = ("point_demand_km", "served", "cars_passing", "total_cost", "gini", "cv",
         "short_gap_time_share", "mean_edge_load", "max_edge_load", "mean_load_change",
         "jammed_share")  # fmt: skip
FIELD = ("mean_drive_min", "mean_wait_min", "p95_wait_min", HEADLINE, "p95_drive_plus_wait_min",
         "wait_high", "wait_medium", "wait_low", "no_plug_share", "no_plug_occupied",
         "no_plug_out_of_service", "no_plug_blocked", "failed_charge_share", "switches_per_car",
         "mean_price", "price_saving", "burden_min", "decision_p95_ms")  # fmt: skip


def ready(folder: Path | None) -> None:
    """Raises `ReportRefused` or `FiguresUnavailable` before anything is computed in vain."""
    if folder is not None:
        reports.ready(folder)


def hand_over(told: Mapping[str, Any], folder: Path | None, arguments: Sequence[str]) -> None:
    """Writes the page, if one is asked for."""
    if folder is not None:
        reports.write(page_of(told, arguments, datetime.now(UTC)), folder)


def page_of(told: Mapping[str, Any], arguments: Sequence[str], at: datetime) -> reports.Report:
    """The comparison as a report."""
    sections = []
    for cars, rows in told["results"].items():
        drawn = [
            reports.Bar(name, row[HEADLINE]) for name, row in rows.items() if row.get(HEADLINE)
        ]
        sections.append(
            reports.Section(
                f"{cars} cars",
                (
                    reports.bars(
                        "Drive and wait",
                        "Means of the cars that asked",
                        drawn,
                        "drive + wait (min)",
                    ),
                    _table(rows, FIELD, "How well drivers were served"),
                    _table(rows, PAPER, "The paper's five indexes"),
                ),
            )
        )
    if told.get("ablation"):
        sections.append(reports.Section("What each part is worth", _ablation(told["ablation"])))
    seeds = range(told["seed"], told["seed"] + told["seeds"])
    parameters = {k: v for k, v in told.items() if k in _PARAMETERS and v not in (None, "")}
    origin = reports.Origin(
        ("pilewise", "city", "compare", *arguments), at, tuple(seeds), parameters,
        reports.model_hashes(open_models().parts),
    )  # fmt: skip
    title = f"Ways of guiding cars: {told['scenario']}"
    return reports.Report(title, summary(told), tuple(sections), origin)


_PARAMETERS = ("scenario", "stations", "cars", "layout", "walk_in_share", "failing_share",
               "disobey_share", "vip_share", "load", "past")  # fmt: skip


def summary(told: Mapping[str, Any]) -> str:
    """What came out, in a sentence or two."""
    if "pilewise_min" not in told:
        return f"{told['seeds']} days of {told['scenario']}; the product was not among them."
    said = [
        f"From the request to the plug a car took {told['pilewise_min']:.2f} minutes on the mean"
    ]
    if "pilewise_over_nearest_free" in told:
        said.append(f"{told['pilewise_over_nearest_free']:.2f} times as long as with the nearest "
                    "free pile")  # fmt: skip
    if "gain_over_greedy_hold" in told:
        said.append(
            f"{100 * told['gain_over_greedy_hold']:.1f} % less than with a fixed hold (95 %: "
            f"{100 * told['gain_ci_low']:.1f} to {100 * told['gain_ci_high']:.1f})"
        )
    return "; ".join(said) + "."


def _table(rows: Mapping[str, Mapping[str, Any]], keys: Sequence[str], caption: str) -> Any:
    shown = [key for key in keys if any(row.get(key) is not None for row in rows.values())]
    made = [{"policy": name, **{key: row.get(key) for key in shown}} for name, row in rows.items()]
    return reports.Table(made, caption)


def _ablation(ablation: Mapping[str, Mapping[str, Mapping[str, float]]]) -> tuple[Any, ...]:
    rows = [
        {"without": name.removeprefix("pilewise-no-"), "figure": key, **row[key]}
        for name, row in ablation.items()
        for key in COSTS
        if key in row
    ]
    said = "How much more each figure is without a part, on the same seeds; more is worse."
    return said, reports.Table(rows, "Differences to the whole product")
