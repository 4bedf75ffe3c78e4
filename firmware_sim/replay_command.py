"""`python -m firmware_sim replay TAPE`, or `replay --intervals CSV --connectors CSV`.

A tape's devices answer and its charge points speak as they did; a network's connectors become
simulated piles. Exit codes: 0 as recorded, 1 something was otherwise, 2 wrong usage, 3 a file that
cannot be read or a port that is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firmware_sim.app import print_ready
from firmware_sim.bench.tape.places import places
from firmware_sim.bench.tape.replay import Replay, Where
from firmware_sim.errors import BindError, ConfigError, TapeError
from firmware_sim.log_lines import LEVELS, set_up_log
from firmware_sim.network_replay import NetworkReplay
from pilewise.wrong_words import WordParser

_OK, _OTHERWISE, _CONFIG = 0, 1, 3
# Above, a step of the physics would be longer than what one may catch up on.
_MOST_SPEED = 10_000.0


def main(arguments: Sequence[str]) -> int:
    """Replays; gives the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    set_up_log(options.log_level)
    if (options.tape is None) == (options.intervals is None):
        parser.error("give a tape, or --intervals with --connectors")
    if options.intervals is not None and options.connectors is None:
        parser.error("--intervals needs --connectors")
    if options.speed < 0 or (options.tape is not None and options.speed == 0):
        parser.error("--speed must be above 0; 0 only with --intervals, for as fast as it goes")
    if options.intervals is not None and options.speed > _MOST_SPEED:
        parser.error(f"--speed is at most {_MOST_SPEED:g}; 0 is as fast as it goes")
    try:
        places(options.listen)
    except ValueError as error:
        parser.error(str(error))
    try:
        summary = asyncio.run(_replay(options))
    except (ConfigError, BindError, TapeError, OSError) as error:
        print(error, file=sys.stderr)
        return _CONFIG
    for line in (*summary.get("first_bad", ()), *summary.get("first_differences", ())):
        print(line, file=sys.stderr)
    if options.json:
        print(json.dumps(summary, separators=(",", ":")))
    return _OTHERWISE if summary.get("differences") else _OK


def _parser() -> argparse.ArgumentParser:
    parser = WordParser(prog="firmware_sim replay", description=__doc__)
    parser.add_argument("tape", type=Path, nargs="?", help="what `record` wrote")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than it was")
    parser.add_argument("--central", default="", help="ws://HOST:PORT that charge points dial")
    parser.add_argument("--mqtt", default="", help="mqtt://HOST:PORT that sensors publish to")
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="PILE=HOST:PORT",
        help="where a Modbus pile listens; a free port otherwise",
    )
    parser.add_argument("--intervals", type=Path, help="status intervals of a network, CSV or gz")
    parser.add_argument("--connectors", type=Path, help="the connectors of that network, CSV")
    parser.add_argument("--piles", type=int, default=10, help="so many of its connectors")
    parser.add_argument("--face", choices=("modbus", "ocpp16", "ocpp201"), default="modbus")
    parser.add_argument("--seed", type=int, default=0, help="of the cars that come")
    parser.add_argument("--json", action="store_true", help="a summary on stdout at the end")
    parser.add_argument("--log-level", choices=LEVELS, default="warning")
    return parser


async def _replay(options: argparse.Namespace) -> dict[str, Any]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.intervals is not None:
        network = NetworkReplay(
            options.intervals,
            options.connectors,
            piles=options.piles,
            face=options.face,
            central=options.central,
            speed=options.speed,
            seed=options.seed,
        )
        await network.run(print_ready, stop)
        return network.summary()
    listen = places(options.listen)
    where = Where(options.central, options.mqtt, listen, options.speed)
    replay = Replay(options.tape, where)
    await replay.run(print_ready, stop)
    return replay.summary()
