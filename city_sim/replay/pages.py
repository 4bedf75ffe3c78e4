"""A replay as a report: what each policy came to, and how good the told chances were.

How a report is made is in `city_sim/reports`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from city_sim.replay.deciding import NEAREST_FREE
from city_sim.reports import Bar, Column, Line, Origin, Report, Section, Table, bars, lines, write

POLICY = {
    "policy": Column("policy"),
    "first_try_success": Column("success", digits=4),
    "occupied_share": Column("occupied", digits=4),
    "out_of_service_share": Column("out of service", digits=4),
    "out_of_contact_share": Column("out of contact", digits=4),
    "mean_km": Column("mean way", "km"),
    "mean_extra_km": Column("more than the nearest", "km"),
    "silent_share": Column("nothing named", digits=4),
}
BIN = {
    "from": Column("told from"),
    "to": Column("to"),
    "rows": Column("requests"),
    "mean_p_success": Column("mean told", digits=3),
    "success": Column("came true", digits=3),
}
NO_FIGURES = ("policies", "calibration")


def written(told: Mapping[str, Any], arguments: Sequence[str], at: datetime, folder: Path) -> Path:
    """The file of the report. Raises `ReportError`."""
    return write(report(told, arguments, at), folder)


def report(told: Mapping[str, Any], arguments: Sequence[str], at: datetime) -> Report:
    """The page of one replay; `arguments` are those of the command."""
    facts = {key: value for key, value in told.items() if key not in NO_FIGURES}
    argv = ["pilewise", "city", "replay", *arguments]
    return Report(
        "A real network again",
        _summary(told),
        (_policies(told), *_calibration(told)),
        Origin(argv, at, seeds=[int(told["seed"])], parameters=facts),
    )


def _summary(told: Mapping[str, Any]) -> str:
    if not told["requests"]:
        return "Nobody asked who had another plug within reach."
    return (
        f"Of {told['requests']:,} cars {told['first_try_success']:.1%} would have found the plug"
        f" that Pilewise named working and free;"
        f" {told['nearest_free_first_try_success']:.1%} by {NEAREST_FREE}. The gain is"
        f" {told['gain']:+.4f}, with 95 % between {told['gain_ci_low']:+.4f} and"
        f" {told['gain_ci_high']:+.4f} by resampling sites."
    )


def _policies(told: Mapping[str, Any]) -> Section:
    rows = [{"policy": name, **row} for name, row in told["policies"].items()]
    table = Table(rows, "Shares of all requests, by policy", POLICY)
    if not rows:
        return Section("Policies", (table,))
    drawn = [Bar(row["policy"], row["first_try_success"]) for row in rows]
    figure = bars(
        "Plug working and free on arrival",
        "The share of requests whose first try succeeded, by what followed in the feed.",
        drawn, "share of requests", digits=4,
    )  # fmt: skip
    return Section("Policies", (figure, table))


def _calibration(told: Mapping[str, Any]) -> tuple[Section, ...]:
    """Told chances against what came true; nothing where none was told."""
    found = told.get("calibration", {})
    if not found.get("rows"):
        return ()
    bins = found["bins"]
    said = [row["mean_p_success"] for row in bins]
    figure = lines(
        "Told chances and what came true",
        "Mean chance that was told against the share that succeeded; on the diagonal both agree.",
        {"pilewise": Line(said, [row["success"] for row in bins]), "both agree": Line(said, said)},
        "told", "came true",
    )  # fmt: skip
    scores = (
        f"Brier score {found['brier']:.4f}; {found['brier_constant']:.4f} for one constant chance."
    )
    return (Section("Chances", (scores, figure, Table(bins, "Chances by bin", BIN))),)
