"""`python -m city_sim replay`: reads the files, replays, prints what came of it.

What the figures mean is in `scoring.py` and `docs/replay.md`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from city_sim import reports
from city_sim.progress import Watched
from city_sim.replay import pages, scoring
from city_sim.replay.deciding import NEAREST_FREE, OURS
from city_sim.replay.drivers import Driver, drivers
from city_sim.replay.fast import FARTHEST_KM, Brains, decisions
from city_sim.replay.feed import Feed, FeedInvalid, Plug, read_feed, read_plugs
from city_sim.replay.network import KINDS, Network, network
from city_sim.replay.options import parsed
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.rules import DEFAULT_RULES
from coordinator.core.roads import EstimatedRoads
from coordinator.models.serving import open_models, unhurried

LAST_S = 1_800.0  # before the end of the feed nobody asks: what they met is not in it


@dataclass(frozen=True, slots=True)
class Plan:
    """What is replayed: feeds told in turn, and the drivers judged."""

    plugs: tuple[Plug, ...]
    net: Network
    feeds: tuple[Feed, ...]
    asking: list[Driver]


def main(arguments: Sequence[str]) -> int:
    """Replays and prints a table, and with --json one JSON object last; 3 for a bad file."""
    options = parsed(arguments)
    begun_s = time.monotonic()
    try:
        if options.report is not None:
            reports.ready(options.report)
        plugs = read_plugs(options.connectors, tuple(KINDS))
        told = by_core(options, plugs) if options.fast else by_everything(options, plugs)
    except FeedInvalid as error:
        sys.stderr.write(f"error[{error.code}]: {error}\n  hint: {error.hint}\n")
        return 3
    except reports.ReportError as error:
        sys.stderr.write(f"{error.in_words()}\n")
        return 3
    told["took_s"] = round(time.monotonic() - begun_s, 1)
    printed(told)
    if options.report is not None:
        path = pages.written(finite(told), arguments, datetime.now(UTC), options.report)
        sys.stderr.write(f"report: {path}\n")
    if options.json:
        print(json.dumps(finite(told), separators=(",", ":")), flush=True)
    return 0


def planned(options: argparse.Namespace, plugs: tuple[Plug, ...]) -> Plan:
    """The feeds and the drivers. Raises `FeedInvalid`."""
    net, feed = network(plugs), read_feed(options.intervals, plugs)
    feeds: tuple[Feed, ...] = (feed,)
    from_s = feed.from_s
    if options.history is not None:
        history = read_feed(options.history, plugs)
        if history.to_s > feed.from_s:
            raise FeedInvalid(
                options.history, "ends after the replay begins: it would tell the future",
                "give earlier intervals, or one file with --history-until",
            )  # fmt: skip
        feeds = (history, feed)
    elif options.history_until is not None:
        from_s = options.history_until
        if not feed.from_s < from_s < feed.to_s:
            raise FeedInvalid(
                options.intervals, "does not hold that --history-until", "give a date within it"
            )
    span_s = from_s, feed.to_s - LAST_S
    asking = drivers(plugs, net, feed, EstimatedRoads(), options.seed, span_s, options.requests)
    if not asking:
        raise FeedInvalid(
            options.intervals, "has nobody who took a free connector", "give a longer span"
        )
    return Plan(plugs, net, feeds, asking)


def by_core(options: argparse.Namespace, plugs: tuple[Plug, ...]) -> dict[str, Any]:
    """Everything that is told of a replay by the core alone. Raises `FeedInvalid`."""
    plan = planned(options, plugs)
    rules = dataclasses.replace(DEFAULT_RULES, taken_retry_s=options.taken_retry_s)
    serving = unhurried(open_models())
    models = Models(serving.ranker, serving.arrival, serving.travel)
    brains = Brains(models, serving.failure, rules)
    with Watched("requests", len(plan.asking)) as watched:
        made = decisions(plan.net, plan.feeds, plan.asking, brains, watched.done, options.own_plug)
    told = summed(scoring.scored(plan.feeds[-1], plan.net, made), options.seed)
    return told | {
        "drivers": len(plan.asking),
        "own_plug": "counts as free" if options.own_plug else "left out",
        "taken_retry_s": options.taken_retry_s,
        "form": "core",
    }


def by_everything(options: argparse.Namespace, plugs: tuple[Plug, ...]) -> dict[str, Any]:
    """The same by real piles, agents and a coordinator, for a stretch. Raises `FeedInvalid`."""
    from city_sim.replay.stretch import replayed_live

    say = f"[recommend]\ntaken_retry_s = {options.taken_retry_s}\n"
    net, feed, seen, count = replayed_live(options, plugs, say)
    return summed(scoring.scored(feed, net, seen.made), options.seed) | {
        "drivers": count,
        "own_plug": "left out",
        "taken_retry_s": options.taken_retry_s,
        "form": "live",
        "piles_talking": seen.piles_talking,
        "picture_agreement": seen.picture_agreement,
    }


def summed(rows: scoring.Scored, seed: int) -> dict[str, Any]:
    """The figures by policy, the gain with its intervals, and the calibration."""
    if not len(rows):
        return {"requests": 0, "unjudged": rows.unjudged, "seed": seed, "policies": {}}
    made, won = scoring.table(rows), scoring.gain(rows)
    low, high = scoring.interval(won, rows.site, seed)
    day_low, day_high = scoring.interval(won, rows.day, seed)
    return {
        "requests": len(rows),
        "unjudged": rows.unjudged,
        "seed": seed,
        "candidates_within_km": FARTHEST_KM,
        "first_try_success": made[OURS]["first_try_success"],
        "nearest_free_first_try_success": made[NEAREST_FREE]["first_try_success"],
        "gain": round(float(won.mean()), 5),
        "gain_ci_low": low,
        "gain_ci_high": high,
        "gain_ci_clusters": "site",
        "sites": len(set(rows.site.tolist())),
        "gain_ci_low_by_day": day_low,
        "gain_ci_high_by_day": day_high,
        "days": len(set(rows.day.tolist())),
        "mean_extra_km": made[OURS]["mean_extra_km"],
        "policies": made,
        "calibration": scoring.calibration(rows),
    }


def finite(value: Any) -> Any:
    """The same with null for what is no number, as JSON wants it.

    >>> finite({"a": [float("nan"), 1.0]})
    {'a': [None, 1.0]}
    """
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def printed(told: dict[str, Any]) -> None:
    """The figures as a table, for people."""
    columns = ("first_try_success", "occupied_share", "out_of_service_share",
               "out_of_contact_share", "mean_km", "mean_extra_km", "own_plug_share")  # fmt: skip
    titles = ("success", "occupied", "broken", "silent", "km", "extra km", "own plug")
    lines = [f"{told['requests']} requests, of {told['drivers']} drivers"]
    lines.append(f"{'policy':<18}" + "".join(f"{title:>10}" for title in titles))
    for name, row in told["policies"].items():
        lines.append(f"{name:<18}" + "".join(f"{row[key]:>10.4f}" for key in columns))
    if told["requests"]:
        lines.append(
            f"gain over {NEAREST_FREE}: {told['gain']:+.4f}"
            f" ({told['gain_ci_low']:+.4f} to {told['gain_ci_high']:+.4f})"
        )
    sys.stderr.write("\n".join(lines) + "\n")
