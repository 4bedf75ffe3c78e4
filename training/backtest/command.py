"""`python -m training backtest choice|reliability|arrival|fleets`: figures against baselines.

Needs no torch. What each backtest does is in its own file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pilewise.patience import waiting
from training.sources import (
    Intervals,
    SourceInvalid,
    instant,
    read_connectors,
    read_intervals,
    read_sessions,
)

HORIZONS_MIN = "5,15,30,60"


def add_to(commands: Any) -> None:
    """Adds the command to those of `python -m training`."""
    backtest = commands.add_parser("backtest", help="estimates against baselines on real data")
    kinds = backtest.add_subparsers(dest="backtest", required=True)
    choice = kinds.add_parser("choice", help="at which station a user charges next")
    choice.add_argument("--sessions", type=Path, required=True, help="CSV, may be gzipped")
    choice.add_argument("--stations", type=Path, required=True, help="CSV with lat and lon")
    _split(choice, "sessions")
    for name, text in (
        ("reliability", "which connector goes out of service"),
        ("arrival", "whether a connector is usable and free on arrival"),
    ):
        kind = kinds.add_parser(name, help=text)
        kind.add_argument("--connectors", type=Path, required=True, help="CSV of connectors")
        kind.add_argument("--intervals", type=Path, required=True, help="CSV of their states")
        _split(kind, "intervals")
        _bundle(kind)
        if name == "arrival":
            kind.add_argument("--horizons", default=HORIZONS_MIN, help="minutes, with commas")
    fleet = kinds.add_parser("fleets", help="failure rates of made-up fleets, whose truth is known")
    fleet.add_argument("--fleets", type=int, default=10, help="how many, each with its own seed")
    fleet.add_argument("--piles", type=int, default=2000, help="piles in each")
    fleet.add_argument("--seed", type=int, default=7, help="seed of the fleets")
    fleet.add_argument("--json", action="store_true", help="one JSON object on stdout")
    _bundle(fleet)


def _bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bundle", type=Path, default=None, help="folder of the models that are served"
    )


def _split(parser: argparse.ArgumentParser, what: str) -> None:
    split = parser.add_mutually_exclusive_group(required=True)
    split.add_argument("--test-from", help="date or time at which the test span begins")
    split.add_argument(f"--test-{what}", dest="test_file", type=Path, help="a file with later ones")
    parser.add_argument("--seed", type=int, default=7, help="seed of the intervals")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: argparse.Namespace) -> int:
    """0 with figures on stdout; 3 with an error that names the file and what to do."""
    from training.backtest.choice import NothingToTest
    from training.backtest.served import NoBundle

    try:
        with waiting(f"backtest of {options.backtest}"):
            figures = _FIGURES.get(options.backtest, _connectors)(options)
    except NoBundle as error:
        return fail("TRAIN-012", str(error), "name the folder of a bundle with --bundle")
    except SourceInvalid as error:
        return fail("TRAIN-002", str(error), error.hint)
    except NothingToTest as error:
        return fail("TRAIN-003", f"nothing to test: {error}", "choose another split or more data")
    except ValueError as error:
        return fail("TRAIN-004", str(error), "write a date as 2017-10-24, minutes as 5,15,30")
    text = json.dumps(figures, separators=(",", ":") if options.json else None)
    print(text if options.json else "\n".join(_lines(figures)))
    return 0


def fail(code: str, what: str, hint: str) -> int:
    """Tells what is wrong and what to do; gives the exit code for data that cannot be used."""
    sys.stderr.write(f"error[{code}]: {what}\n  hint: {hint}\n")
    return 3


def _choice(options: argparse.Namespace) -> dict[str, Any]:
    from training.backtest.choice import choice

    paths = [options.sessions, *([options.test_file] if options.test_file else [])]
    sessions = read_sessions(paths, options.stations)
    if options.test_file:
        test_from_s = float(read_sessions([options.test_file], options.stations).begin_s[0])
    else:
        test_from_s = instant(options.test_from)
    return choice(sessions, test_from_s, options.seed)


def _connectors(options: argparse.Namespace) -> dict[str, Any]:
    from training.backtest.arrival import arrival
    from training.backtest.reliability import reliability
    from training.backtest.served import models_of

    models = models_of(options.bundle)
    connectors = read_connectors(options.connectors)
    history = read_intervals(options.intervals, connectors)
    test: Intervals = history
    if options.test_file:
        test = read_intervals(options.test_file, connectors)
        test_from_s = test.from_s
        if test_from_s < history.to_s:
            raise SourceInvalid(
                options.test_file, "begins before the history ends", "give later intervals"
            )
    else:
        test_from_s = instant(options.test_from)
    if options.backtest == "reliability":
        return reliability(connectors, history, test, test_from_s, options.seed, models.failure)
    horizons = _horizons(options.horizons)
    return arrival(connectors, history, test, test_from_s, horizons, options.seed, models.arrival)


def _fleets(options: argparse.Namespace) -> dict[str, Any]:
    from training.backtest.fleets import fleets
    from training.backtest.served import NoBundle, models_of

    failure = models_of(options.bundle).failure
    if failure is None:
        raise NoBundle(f"{options.bundle} has no failure model")
    if options.fleets < 1 or options.piles < 10:
        raise ValueError(f"{options.fleets} fleets of {options.piles} piles: give 1 of 10 or more")
    return fleets(failure, options.fleets, options.piles, options.seed)


_FIGURES = {"choice": _choice, "fleets": _fleets}


def _horizons(text: str) -> Sequence[float]:
    minutes = [float(part) for part in text.split(",")]
    if not all(0.0 < one <= 1440.0 for one in minutes):
        raise ValueError(f"horizons {text!r}: minutes must be above 0 and at most 1440")
    return minutes


def _lines(figures: dict[str, Any], indent: str = "") -> list[str]:
    """Figures for people: one line each, nested ones further in."""
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", *_lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for one in value:
                lines += [f"{indent}{name}:", *_lines(one, indent + "  ")]
        else:
            lines.append(f"{indent}{name:<16} {value}")
    return lines
