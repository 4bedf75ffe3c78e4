"""`python -m city_sim paper`: the paper's simulation on many seeds, as a table, JSON or a page.

What is computed is in `runs.py` and `summary.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from city_sim.paper.configurations import CONFIGURATIONS
from city_sim.paper.errors import OptionInvalid, PaperError
from city_sim.paper.runs import Rows, Run, played
from city_sim.paper.sizes import SIZES, Size, size_of
from city_sim.paper.summary import summed
from city_sim.paper.tables import configuration_table, method_table, reduction_lines
from city_sim.progress import Watched
from city_sim.reports import Origin, ReportError, ready, write
from pilewise.wrong_words import WordParser

ALL = "all"
FAILED, USAGE = 1, 2


def main(arguments: Sequence[str]) -> int:
    """Gives 0 when it is done, 2 for options that make no simulation, 1 for no place to report."""
    options = _options(arguments)
    try:
        size = _checked(options)
        if options.report is not None:
            ready(options.report)
        told, rows = compute(options, size)
        _tell(told, options.config)
        if options.report is not None:
            told["report"] = str(_report(options, size, told, rows, arguments))
    except PaperError as error:
        print(error.in_words(), file=sys.stderr)
        return USAGE
    except ReportError as error:
        print(error.in_words(), file=sys.stderr)
        return FAILED
    if options.json:
        print(json.dumps(told, separators=(",", ":")), flush=True)
    return 0


def compute(
    options: argparse.Namespace, size: Size
) -> tuple[dict[str, Any], dict[str, list[Rows]]]:
    """Plays all seeds of the configurations that are asked for: the sum, and all rows of each."""
    letters = list(CONFIGURATIONS) if options.config == ALL else [options.config]
    runs = [_run(options, size, letter, seed) for letter in letters for seed in _seeds(options)]
    began_s = time.monotonic()
    with Watched(f"runs of configuration {options.config}", len(runs)) as watched:
        made = played(runs, options.jobs, watched.done)
    count = options.seeds
    rows = {letter: made[n * count : (n + 1) * count] for n, letter in enumerate(letters)}
    each = {letter: summed(some) for letter, some in rows.items()}
    told: dict[str, Any] = {
        "config": options.config, "size": size.name, "cars": size.cars, "stations": size.stations,
        "plugs": size.plugs, "slots_per_station": size.slots_per_station, "seeds": count,
        "seed": options.seed, "traffic": options.traffic,
    }  # fmt: skip
    told |= {"configs": each} if options.config == ALL else each[options.config]
    return told | {"wall_s": round(time.monotonic() - began_s, 2)}, rows


def _seeds(options: argparse.Namespace) -> range:
    return range(options.seed, options.seed + options.seeds)


def _run(options: argparse.Namespace, size: Size, letter: str, seed: int) -> Run:
    return Run(letter, size, seed, options.traffic == "max")


def _report(
    options: argparse.Namespace, size: Size, told: dict[str, Any],
    rows: Mapping[str, Sequence[Rows]], arguments: Sequence[str],
) -> Path:  # fmt: skip
    """Writes the page; gives its path."""
    from city_sim.paper.report import SHOWN, report

    letter = SHOWN if options.config == ALL else options.config
    known = ("config", "size", "cars", "stations", "plugs", "slots_per_station", "traffic")
    origin = Origin(
        ["pilewise", "city", "paper", *arguments], datetime.now(UTC), _seeds(options),
        {key: told[key] for key in known},
    )  # fmt: skip
    first = _run(options, size, letter, options.seed)
    return write(report(told, rows, first, origin), options.report)


def _tell(told: dict[str, Any], config: str) -> None:
    """The result in words and tables, on stderr."""
    scene = (
        f"{told['cars']} cars, {told['stations']} stations of "
        f"{told['slots_per_station']} slots, {told['seeds']} seeds"
    )
    print(f"configuration {config}: {scene}", file=sys.stderr)
    if config == ALL:
        print("less distance than by preference, and balance", file=sys.stderr)
        print(configuration_table(told["configs"]), file=sys.stderr)
        return
    print(CONFIGURATIONS[config].about, file=sys.stderr)
    print(method_table(told), file=sys.stderr)
    print("less distance than by preference:", file=sys.stderr)
    print(reduction_lines(told), file=sys.stderr)


def _checked(options: argparse.Namespace) -> Size:
    """The size of the scene; raises `OptionInvalid` for what makes no run."""
    if options.config != ALL:
        options.config = options.config.upper()
    if options.config not in (*CONFIGURATIONS, ALL):
        raise OptionInvalid(
            "--config", options.config, f"one of {', '.join(CONFIGURATIONS)}, or {ALL}"
        )
    if options.seeds < 1:
        raise OptionInvalid("--seeds", options.seeds, "at least 1")
    if options.seed < 0:
        raise OptionInvalid("--seed", options.seed, "at least 0")
    if options.jobs < 0:
        raise OptionInvalid("--jobs", options.jobs, "at least 0", "0 takes one process a core")
    if options.traffic not in ("min", "max"):
        raise OptionInvalid("--traffic", options.traffic, "min or max")
    return size_of(options.size, options.cars_per_pile, options.slots)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = WordParser(prog="city_sim paper", description=__doc__)
    parser.add_argument("--config", default="D", help="A to H, or all")
    parser.add_argument("--size", default="100x10", help=" or ".join(SIZES))
    parser.add_argument("--cars-per-pile", type=float, help="instead of the size's cars; e.g. 7.6")
    parser.add_argument("--slots", type=int, help="cars that fit one station")
    parser.add_argument("--traffic", default="min", help="min, or max as the paper's text has it")
    parser.add_argument("--seeds", type=int, default=300, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0 for one a core")
    parser.add_argument("--report", type=Path, help="folder for a page with the figures")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)
