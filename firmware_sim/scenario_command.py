"""`python -m firmware_sim scenario run|list|new`: plays scenario files and says what held.

Exit codes: 0 every demand met, 1 one was not (with --mutate: a broken pile was not noticed),
2 wrong usage, 3 a mistake in a file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from firmware_sim.bench.scenario import library
from firmware_sim.bench.scenario.engine import run
from firmware_sim.bench.scenario.junit import junit
from firmware_sim.bench.scenario.reading import Scenario
from firmware_sim.bench.scenario.report import Report, lines_for_people, whole
from firmware_sim.bench.tape.places import places
from firmware_sim.errors import BindError, ConfigError
from pilewise.wrong_words import WordParser

_OK, _FAILED, _USAGE, _CONFIG = 0, 1, 2, 3
# Above, one turn of the event loop is longer than what scenarios look at.
_MOST_SPEED = 600.0


def main(arguments: Sequence[str]) -> int:
    """Runs one of the commands; gives the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    speed = getattr(options, "speed", None)
    if speed is not None and (options.mutate is not None or not 0 < speed <= _MOST_SPEED):
        parser.error(f"--speed is above 0 and at most {_MOST_SPEED:g}, without --mutate")
    try:
        places(getattr(options, "listen", ()))
    except ValueError as error:
        parser.error(str(error))
    # Piles tell their lives as events; here only demands count.
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
    logging.disable(logging.CRITICAL)
    try:
        if options.command == "list":
            return _list(as_json=options.json)
        if options.command == "new":
            return _new(options.file, as_json=options.json)
        return _run(options)
    except (ConfigError, BindError) as error:
        print(error, file=sys.stderr)
        return _CONFIG


def _parser() -> argparse.ArgumentParser:
    parser = WordParser(prog="firmware_sim scenario", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    play = commands.add_parser("run", help="plays scenarios in virtual time")
    play.add_argument("what", nargs="+", help="a name of the list, a TOML file, or all")
    play.add_argument("--seed", type=int, default=0, help="of everything that is random")
    play.add_argument("--json", action="store_true", help="one JSON object on stdout")
    play.add_argument("--junit", type=Path, help="write a JUnit report to this file")
    play.add_argument(
        "--speed", type=float, help="real processes at so many times real time, to watch"
    )
    play.add_argument("--central", default="", help="ws://HOST:PORT that piles dial, with --speed")
    play.add_argument("--mqtt", default="", help="mqtt://HOST:PORT for sensors, with --speed")
    play.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="PILE=HOST:PORT",
        help="where a Modbus pile listens, with --speed; a free port otherwise",
    )
    play.add_argument(
        "--begin-after", type=float, default=0.0, help="real seconds before the first step"
    )
    play.add_argument("--mutate", help="break the pile on purpose: a name, or all")
    listed = commands.add_parser("list", help="the scenarios that come with the package")
    listed.add_argument("--json", action="store_true", help="one JSON object on stdout")
    new = commands.add_parser("new", help="writes a commented scenario that runs")
    new.add_argument("file", type=Path)
    new.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _run(options: argparse.Namespace) -> int:
    scenarios = [found for word in options.what for found in library.find(word)]
    if options.mutate is not None:
        return _mutate(options, scenarios)
    reports: list[Report] = []
    for scenario in scenarios:
        report = _played(scenario, options)
        reports.append(report)
        for line in lines_for_people(report):
            print(line, file=sys.stderr)
    result = whole(reports, options.seed)
    if options.junit is not None:
        options.junit.write_text(junit(reports, options.seed), encoding="utf-8")
    if options.json:
        print(json.dumps(result, separators=(",", ":")))
    else:
        print(
            f"{result['scenarios']} scenarios, {result['failed']} failed, seed {options.seed}, "
            f"result {result['result_hash'][:16]}",
            file=sys.stderr,
        )
    return _FAILED if result["failed"] else _OK


def _played(scenario: Scenario, options: argparse.Namespace) -> Report:
    if options.speed is None:
        return run(scenario, options.seed)
    # Sockets and servers, which virtual time does without.
    from firmware_sim.app import print_ready
    from firmware_sim.live_scenario import Watch, watch_scenario

    watch = Watch(
        speed=options.speed,
        central=options.central,
        mqtt=options.mqtt,
        listen=places(options.listen),
        begin_after_s=options.begin_after,
    )
    return asyncio.run(watch_scenario(scenario, options.seed, watch, print_ready))


def _mutate(options: argparse.Namespace, scenarios: list[Scenario]) -> int:
    # Loads every face, which a plain run does not need.
    from firmware_sim.bench.scenario.mutations import chosen, survey

    names = chosen(options.mutate)
    result = survey(names, scenarios, options.seed, lambda line: print(line, file=sys.stderr))
    if options.json:
        print(json.dumps(result, separators=(",", ":")))
    print(
        f"{result['mutations']} mutations, {len(result['survived'])} not noticed, "
        f"{result['red']} of {result['scenarios']} scenarios noticed one",
        file=sys.stderr,
    )
    return _FAILED if result["survived"] else _OK


def _list(*, as_json: bool) -> int:
    scenarios = library.find("all")
    if as_json:
        rows = [
            {"name": s.name, "title": s.head.title, "disturbance": s.head.disturbance}
            for s in scenarios
        ]
        print(json.dumps({"scenarios": len(rows), "list": rows}, separators=(",", ":")))
        return _OK
    width = max(len(scenario.name) for scenario in scenarios)
    for scenario in scenarios:
        print(f"{scenario.name:{width}}  {scenario.head.title}")
    return _OK


def _new(file: Path, *, as_json: bool) -> int:
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(library.template())
    except OSError as error:
        why = error.strerror or str(error)
        print(f"error[SCN-012]: {file} cannot be written: {why}", file=sys.stderr)
        print("  hint: name a new file in a folder that is there", file=sys.stderr)
        return _USAGE
    print(f"wrote {file}; run it: pilewise sim scenario run {file}", file=sys.stderr)
    if as_json:
        print(json.dumps({"file": str(file)}, separators=(",", ":")))
    return _OK
