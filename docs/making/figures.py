"""Tables and sentences of the documents, out of the results in `docs/figures/`.

Documents call these in cog blocks. How results are made is in `docs/renew_figures.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).resolve().parents[1] / "figures"


def result(name: str) -> dict[str, Any]:
    """The stored result of a set: its command, its day, its versions, its figures."""
    read: dict[str, Any] = json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))
    return read


def campus() -> str:
    """Every policy in the campus scene, and what the product gains over the best simple one."""
    from city_sim.reports.table import Column, Table

    told = result("campus")
    made = told["figures"]
    cars = max(made["results"], key=int)
    means = made["results"][cars]
    by_time = sorted(means, key=lambda name: -float(means[name]["mean_drive_plus_wait_min"]))
    columns = {
        "policy": Column("policy"), "mean_drive_min": Column("drive", "min"),
        "mean_wait_min": Column("wait", "min"),
        "mean_drive_plus_wait_min": Column("drive + wait", "min"),
        "p95_drive_plus_wait_min": Column("one in twenty", "min"), "gini": Column("Gini of plugs"),
    }  # fmt: skip
    table = Table([{"policy": name, **means[name]} for name in by_time], columns=columns)
    share = [f"{100 * made[key]:.1f} %" for key in
             ("gain_over_greedy_hold", "gain_ci_low", "gain_ci_high")]  # fmt: skip
    return (
        f"{cars} cars at 280 plugs in 2.5 hours, means of {made['seeds']} days; Pilewise needs"
        f" {share[0]} less than `greedy-hold` (95 %: {share[1]} to {share[2]}).\n\n"
        f"{table.markdown()}\n\n{source(told)}"
    )


def paper() -> str:
    """The paper's table, drawn again."""
    from city_sim.reports.table import Table

    told = result("paper")
    made = told["figures"]
    words = (("integrated", "the paper's integrated method"), ("greedy_hold", "greedy, held"),
             ("pilewise", "Pilewise"), ("optimum", "the capacity-aware optimum"))  # fmt: skip
    rows = [
        {
            "less distance than by preference": name,
            "share": _percent(made[f"{key}_reduction"]),
            "95 %": f"{_percent(made[f'{key}_reduction_ci_low'])} to"
            f" {_percent(made[f'{key}_reduction_ci_high'])}",
        }
        for key, name in words
    ]
    return (
        f"Configuration {made['config']}, {made['cars']} cars, {made['stations']} stations of"
        f" {made['slots_per_station']} slots, {made['seeds']} seeds; the paper prints"
        f" {_percent(made['published_reduction'], 2)} for its method. Pilewise overfills"
        f" {made['pilewise_over_capacity']:g} stations, and its Gini is"
        f" {made['pilewise_gini']:.2f}.\n\n"
        f"{Table(rows).markdown()}\n\n{source(told)}"
    )


def ablation() -> str:
    """What each part of the product is worth in the campus scene, on the same cars."""
    from city_sim.reports.table import Table

    told = result("ablation")
    made = told["figures"]
    words = {
        "mean_drive_plus_wait_min": "drive + wait (min)", "wait_high": "those in need (min)",
        "burden_min": "what they mind (min)", "failed_charge_share": "failed charges (%)",
    }  # fmt: skip
    between = "the interval of 95 %" if made["seeds"] > 4 else "the days themselves"
    rows = []
    for name, costs in made["ablation"].items():
        row: dict[str, Any] = {"without": name.removeprefix("pilewise-no-").replace("-", " ")}
        for key, word in words.items():
            times = 100.0 if key == "failed_charge_share" else 1.0
            more, low, high = (times * costs[key][k] for k in ("difference", "ci_low", "ci_high"))
            row[word] = f"{more:+.2f} ({low:+.2f} to {high:+.2f})"
        rows.append(row)
    return (
        f"How much more each is without a part, {made['cars'][0]} cars, means of {made['seeds']}"
        f" days and, in brackets, {between}:\n\n{Table(rows).markdown()}\n\n{source(told)}"
    )


def disturbed() -> str:
    """What the joint re-plan is worth where cars come unasked and stations fail."""
    told = result("ablation_disturbed")
    costs = told["figures"]["ablation"]["pilewise-no-replan"]
    more, need = (
        f"{costs[key]['difference']:+.2f} ({costs[key]['ci_low']:+.2f} to"
        f" {costs[key]['ci_high']:+.2f}) min"
        for key in ("mean_drive_plus_wait_min", "wait_high")
    )
    return (
        "Where a third of the cars comes unasked and a tenth of the stations stops, drive + wait"
        f" is {more} without the re-plan, and the wait of those in need {need}.\n\n{source(told)}"
    )


def roomy() -> str:
    """What the knowledge map is worth where there is a choice of plugs."""
    told = result("ablation_roomy")
    made = told["figures"]
    cost = made["ablation"]["pilewise-no-knowledge-map"]["failed_charge_share"]
    shares = [
        100.0 * made["results"]["500"][name]["failed_charge_share"]
        for name in ("pilewise", "pilewise-no-knowledge-map")
    ]
    low, high = (100.0 * cost[key] for key in ("ci_low", "ci_high"))
    return (
        f"With 500 cars, so that there is a choice of plugs, {shares[0]:.2f} % of the charges break"
        f" off with the knowledge map and {shares[1]:.2f} % without: {low:+.2f} to {high:+.2f}"
        f" points more, by {made['seeds']} days.\n\n{source(told)}"
    )


def replay() -> str:
    """How often the first pile was free and working, by what really followed."""
    from city_sim.replay.options import TAKEN_RETRY_S
    from coordinator.core.recommend.rules import DEFAULT_RULES

    told, default = result("replay"), result("replay_default")
    made = told["figures"]
    return (
        f"{made['requests']:,} requests at {made['sites']} sites, judged by the states that really"
        f" followed: the first pile works and is free for {_percent(made['first_try_success'])} of"
        f" the cars, for {_percent(made['nearest_free_first_try_success'])} where each drives to"
        f" the nearest that is free when it asks: {_points(made)} (95 % by site). Ours drive"
        f" {made['mean_extra_km']:.2f} km farther than to the nearest pile. That is with a first"
        f" try that fails priced at {TAKEN_RETRY_S:g} s beyond the wait; the product's default is"
        f" {DEFAULT_RULES.taken_retry_s:g}, where seconds alone count, and then it is"
        f" {_points(default['figures'])}.\n\n{source(told)}"
    )


def _points(made: dict[str, Any]) -> str:
    more, low, high = (100 * made[key] for key in ("gain", "gain_ci_low", "gain_ci_high"))
    return f"{more:+.1f} points ({low:+.1f} to {high:+.1f})"


def demo() -> str:
    """What a run of the demo came to."""
    told = result("demo")
    made = told["figures"]
    return (
        f"In the demo {made['cars']} cars drive and wait {made['mean_drive_plus_wait_min']:.1f} min"
        f" on average; had each driven to the nearest pile, it would have been"
        f" {made['nearest_mean_drive_plus_wait_min']:.1f} min. {made['records_stored']:,} records"
        f" are stored, {made['records_lost']} lost.\n\n{source(told)}"
    )


def source(told: dict[str, Any]) -> str:
    """Where the figures come from, as a line under them."""
    command = " ".join(told["command"])
    return f"<sub>`{command}`, {told['renewed']}, version {told['versions']['pilewise']}</sub>"


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"
