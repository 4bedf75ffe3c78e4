"""`python -m city_sim whatif`: a stored day replayed with a change, beside the same day without it.

People see a table on stderr, `--json` gives one object, `--report` a page.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from city_sim.reports import Origin, ReportError, model_hashes, ready, write
from city_sim.whatif.changes import Change, demands_after, parse_added, stations_after
from city_sim.whatif.day import DayScene, at_start, scene_of
from city_sim.whatif.errors import WhatifError
from city_sim.whatif.figures import Side, compared
from city_sim.whatif.page import report_of, summary
from city_sim.whatif.replay import OURS, checked_policy, models_of, replay
from city_sim.whatif.stored import StoredDay, read_day
from pilewise.patience import waiting
from pilewise.wrong_words import WordParser


def main(arguments: Sequence[str]) -> int:
    """Runs the command; 1 with an error that says what to do."""
    options = _options(arguments)
    try:
        told = _run(options)
    except (WhatifError, ReportError) as error:
        print(error.in_words(), file=sys.stderr)
        return 1
    print(summary(told), file=sys.stderr)
    for note in told["lacks"]:
        print(f"  = note: {note}", file=sys.stderr)
    if options.json:
        print(json.dumps(told, ensure_ascii=False, separators=(",", ":")), flush=True)
    return 0


def _run(options: argparse.Namespace) -> dict[str, Any]:
    """Both replays and what is told of them."""
    if options.report is not None:
        ready(options.report)
    change = Change(
        tuple(filter(None, (name.strip() for name in options.remove.split(",")))),
        parse_added(options.add),
        options.demand_scale,
        checked_policy(options.policy) if options.policy else None,
        options.model or None,
    )
    with waiting(f"reading {options.day}"):
        day = read_day(options.data_dir, options.day, options.utc_offset)
        scene = scene_of(day)
    stations = stations_after(day.stations, change)
    demands = demands_after(scene, change.demand_scale, options.seed)
    usual = models_of(options.base_model)
    models = models_of(change.model) if change.model else usual
    as_it_was = tuple(station for station in day.stations if station.piles)
    print(f"replaying {scene.asked} requests as it was", file=sys.stderr)
    with waiting(f"{scene.asked} requests as it was"):
        base = _side(day, replay(day, scene, as_it_was, scene.demands, OURS, usual))
    print(f"replaying it {in_words(change)}", file=sys.stderr)
    with waiting(f"{len(demands)} requests {in_words(change)}"):
        changed = _side(day, replay(day, scene, stations, demands, change.policy or OURS, models))
    told = {**_asked(options, change, scene), **compared(base, changed, as_it_was)}
    told |= _recorded(day)
    told["degraded"] = changed.played.degraded
    told["lacks"] = list(scene.notes)
    if options.report is not None:
        origin = Origin(
            shlex.split(options.as_typed) or ["python", "-m", "city_sim", "whatif", *sys.argv[2:]],
            options.at or datetime.now(UTC),
            [options.seed],
            {k: told[k] for k in ("day", "change", "policy", "demand_scale")},
            model_hashes(models.parts),
        )
        path = write(report_of(told, base, changed, as_it_was, scene.notes, origin), options.report)
        print(f"report: {path}", file=sys.stderr)
    return told


def _side(day: StoredDay, played: Any) -> Side:
    return Side(played, day.begins_s, day.ends_s)


def _asked(options: argparse.Namespace, change: Change, scene: DayScene) -> dict[str, Any]:
    """What was asked, and how much there was to replay."""
    of_the_day = [d for d in scene.demands if not at_start(d, scene.begins_s)]
    return {
        "day": options.day.isoformat(),
        "change": in_words(change),
        "requests": scene.asked,
        "walk_ins": sum(d.walk_in for d in of_the_day),
        "removed": list(change.removed),
        "added": change.added,
        "demand_scale": change.demand_scale,
        "policy": change.policy or OURS,
        "seed": options.seed,
    }


def _recorded(day: StoredDay) -> dict[str, Any]:
    """What piles saw that day, for how far the replay is to be believed."""
    waits = [
        s.wait_s / 60.0 for s in day.sessions if s.started_at_s >= day.begins_s and s.wait_s >= 0.0
    ]
    mean = round(sum(waits) / len(waits), 4) if waits else None
    return {"recorded_mean_wait_min": mean, "recorded_waits": len(waits)}


def in_words(change: Change) -> str:
    """The change in a few words.

    >>> in_words(Change(removed=("P1",), added={"S": 2}, demand_scale=1.2))
    'without P1, with 2 more piles at S, with demand × 1.2'
    """
    parts = []
    if change.removed:
        parts.append("without " + ", ".join(change.removed))
    for station_id, count in change.added.items():
        parts.append(f"with {count} more pile{'s' if count > 1 else ''} at {station_id}")
    if change.demand_scale != 1.0:
        parts.append(f"with demand × {change.demand_scale:g}")
    if change.policy:
        parts.append(f"under policy {change.policy}")
    if change.model:
        parts.append(f"with models {Path(change.model).name}")
    return ", ".join(parts) or "with nothing changed"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = WordParser(prog="city_sim whatif", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="of a coordinator")
    parser.add_argument("--day", type=date.fromisoformat, required=True, help="YYYY-MM-DD, local")
    parser.add_argument("--remove", default="", help="PILE,...")
    parser.add_argument("--add", default="", help="STATION,...=N; several after semicolons")
    parser.add_argument("--demand-scale", type=float, default=1.0)
    parser.add_argument("--policy", default="", help="instead of pilewise")
    parser.add_argument("--model", default="", help="folder of a bundle, for the changed day")
    parser.add_argument("--base-model", default="", help="folder of the bundle that serves")
    parser.add_argument("--utc-offset", type=float, default=None, help="hours; else by longitude")
    parser.add_argument("--seed", type=int, default=1, help="of the scaled demand")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--report", type=Path, default=None, help="folder")
    parser.add_argument("--at", type=datetime.fromisoformat, default=None, help="of the report")
    parser.add_argument("--as-typed", default="", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)
