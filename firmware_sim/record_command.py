"""`python -m firmware_sim record -c FILE -o TAPE`: writes down what is said until told to stop.

The file is a simulator's, whose own piles are recorded, or one of taps in front of real devices.
Exit codes: 0 stopped, 2 wrong usage, 3 a mistake in the file or a port that is taken.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from firmware_sim.app import print_ready
from firmware_sim.bench.tape.record_config import is_simulator, load_taps
from firmware_sim.bench.tape.tape import TapeWriter
from firmware_sim.config import load_config
from firmware_sim.errors import BindError, ConfigError, TapeError
from firmware_sim.log_lines import LEVELS, set_up_log
from firmware_sim.recorder import Ready, check_recordable, record_simulator, record_taps
from pilewise.wrong_words import WordParser

Record = Callable[[TapeWriter, asyncio.Event, Ready], Awaitable[None]]
_OK, _CONFIG = 0, 3


def main(arguments: Sequence[str]) -> int:
    """Records; gives the exit code."""
    parser = WordParser(prog="firmware_sim record", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, required=True, help="TOML file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the tape; .gz packs it")
    parser.add_argument("--for", dest="for_s", type=float, default=0.0, help="seconds")
    parser.add_argument("--json", action="store_true", help="a summary on stdout at the end")
    parser.add_argument("--log-level", choices=LEVELS, default="warning")
    options = parser.parse_args(arguments)
    set_up_log(options.log_level)
    try:
        # A mistake in the file leaves no tape behind, and an older one as it is.
        record = _recording(options.config)
        with TapeWriter(options.output) as tape:
            asyncio.run(_record(record, tape, options.for_s))
            entries = tape.entries
    except (ConfigError, BindError, TapeError) as error:
        print(error, file=sys.stderr)
        return _CONFIG
    if options.json:
        print(json.dumps({"entries": entries, "tape": str(options.output)}, separators=(",", ":")))
    return _OK


def _recording(path: Path) -> Record:
    """What records by this file; raises `ConfigError` and `TapeError` for what is wrong in it."""
    if not is_simulator(path):
        return partial(record_taps, load_taps(path))
    config = load_config(path)
    check_recordable(str(path), config)
    return partial(record_simulator, config)


async def _record(record: Record, tape: TapeWriter, for_s: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if for_s:
        loop.call_later(for_s, stop.set)
    await record(tape, stop, print_ready)
