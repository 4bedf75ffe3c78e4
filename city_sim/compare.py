"""Several policies in the same scenes, by paired seeds: who is served sooner, and how sure that is.

`python -m city_sim compare`. What a policy does is in `policies/`, one run in `runs.py`, what runs
say together in `gains.py`, the page in `compare_page.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from city_sim.compare_page import hand_over, ready
from city_sim.compare_text import print_ablation, print_means
from city_sim.gains import FREE_NOW, gain, summed
from city_sim.parts import REMOVABLE
from city_sim.play_all import play_all
from city_sim.policies.named import OURS, policies, without
from city_sim.reports import FiguresUnavailable, ReportRefused
from city_sim.results_file import ResultsFile, ResultsUnreadable
from city_sim.runs import OPTIMUM, Run, outcome
from city_sim.scenarios import CAMPUS_LAYOUT
from city_sim.scenes.named import CAMPUS, NAMES, SceneUnknown, plugs_of
from coordinator.errors import CoordinatorError
from pilewise.wrong_words import WordParser

__all__ = ["Run", "gain", "main", "outcome", "summed"]

USUAL = ("nearest", FREE_NOW, "queue-eta", "greedy-hold", "greedy-exact", OURS, OPTIMUM)
ABLATED = (FREE_NOW, "greedy-hold", OURS, *(without(part) for part in REMOVABLE))
CAMPUS_CARS, CAMPUS_SEEDS = [700, 950], 16  # a city's evening takes minutes, a campus seconds


def main(arguments: Sequence[str]) -> int:
    """Plays everything, prints tables, and with --json one JSON object last."""
    options = _options(arguments)
    try:
        ready(options.report)
        path = _results(options)
        kept = None if path is None else ResultsFile(path)
        runs = _runs(options)
        told = {**_parameters(options), **summed(runs, play_all(runs, options.jobs, kept))}
        hand_over(told, options.report, arguments)
    except (ResultsUnreadable, ReportRefused, FiguresUnavailable, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except CoordinatorError as error:  # the station list
        print(f"error[{error.code}]: {error}", file=sys.stderr)
        return 2
    print_means(told["results"])
    print_ablation(told.get("ablation", {}))
    if options.out:
        (options.out / "compare.json").write_text(json.dumps(told, indent=1) + "\n")
    if options.json:
        print(json.dumps(told, separators=(",", ":")), flush=True)
    return 0


def _results(options: argparse.Namespace) -> Path | None:
    """Where finished runs are kept."""
    resume: Path | None = options.resume
    if resume is not None or options.out is None:
        return resume
    return Path(options.out) / "runs.jsonl"


def _runs(options: argparse.Namespace) -> list[Run]:
    return [
        Run(
            policy, cars, options.seed + n, options.walk_in_share, options.failing_share,
            options.layout, options.scenario, str(options.stations or ""),
            options.disobey_share, options.vip_share, options.load, options.past,
        )
        for n in range(options.seeds)
        for cars in options.cars
        for policy in options.policies
    ]  # fmt: skip


def _parameters(options: argparse.Namespace) -> dict[str, Any]:
    """What was played, for whoever reads the result."""
    names = (
        "scenario", "cars", "seeds", "seed", "policies", "layout", "walk_in_share",
        "failing_share", "disobey_share", "vip_share", "load", "past",
    )  # fmt: skip
    told: Mapping[str, Any] = {name: getattr(options, name) for name in names}
    return {**told, "stations": options.stations.name if options.stations else ""}


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = WordParser(prog="city_sim compare", description=__doc__)
    known = "; ".join(NAMES)
    parser.add_argument("--scenario", type=_scenario, default=CAMPUS, help=known)
    parser.add_argument("--stations", type=Path, help="the list that a real city is read from")
    parser.add_argument("--policies", type=_names, help="with commas")
    parser.add_argument("--cars", type=_numbers, help="with commas; else as many as usual")
    parser.add_argument("--seeds", type=int, help="how many; else 16, or 1 of a city")
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--walk-in-share", type=float, help="of the cars, just come")
    parser.add_argument("--failing-share", type=float, help="of the stations, stop for good")
    parser.add_argument("--disobey-share", type=float, help="of the cars, go where they like")
    parser.add_argument("--vip-share", type=float, help="of the cars, served first")
    parser.add_argument("--load", type=float, help="of all plugs at the peak")
    parser.add_argument("--layout", type=int, default=CAMPUS_LAYOUT, help="where stations stand")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0 for one a core")
    parser.add_argument("--past", action="store_true", help="drivers have habits, plugs a record")
    parser.add_argument("--ablation", action="store_true", help="what each part is worth")
    parser.add_argument("--resume", type=Path, help="file of finished runs, to go on from")
    parser.add_argument("--out", type=Path, help="folder for finished runs and the result")
    parser.add_argument("--report", type=Path, help="folder for one page with the figures")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    options.policies = options.policies or list(ABLATED if options.ablation else USUAL)
    if options.ablation:
        options.past = True
        options.policies += [name for name in ABLATED[2:] if name not in options.policies]
    if options.seeds is None:
        options.seeds = CAMPUS_SEEDS if options.scenario == CAMPUS else 1
    if options.cars is None:
        options.cars = CAMPUS_CARS if options.scenario == CAMPUS else [None]
    return options


def _scenario(text: str) -> str:
    try:
        plugs_of(text)
    except SceneUnknown as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _names(text: str) -> list[str]:
    names, known = text.split(","), [*policies(), OPTIMUM]
    unknown = set(names) - set(known)
    if unknown:
        said = f"{', '.join(sorted(unknown))}; known are {', '.join(known)}"
        raise argparse.ArgumentTypeError(said)
    return names


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return numbers
