"""`python -m firmware_sim -c sim.toml`: simulated piles until SIGTERM or SIGINT.

With `--check` it only looks at the file.

`python -m firmware_sim WORD ...` runs one of the commands beside it, imported only then.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from firmware_sim.config import load_config
from firmware_sim.config_tables import SimConfig
from firmware_sim.errors import BindError, ConfigError, OpenFilesError
from firmware_sim.limits import SPARE_FILES, allow_open_files
from firmware_sim.log_lines import LEVELS, set_up_log
from pilewise.unread import ending
from pilewise.wrong_words import WordParser

_EXIT_CONFIG = 3
# Each has `main(arguments) -> exit code`.
_COMMANDS = {
    "config": "firmware_sim.config_command",
    "record": "firmware_sim.record_command",
    "replay": "firmware_sim.replay_command",
    "scenario": "firmware_sim.scenario_command",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the simulator; gives the exit code: 0 stopped, 2 usage, 3 configuration or port."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in _COMMANDS:
        try:
            return int(import_module(_COMMANDS[words[0]]).main(words[1:]))
        except KeyboardInterrupt:
            return 130
    parser = WordParser(prog="firmware_sim", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, required=True, help="TOML file")
    parser.add_argument("--check", action="store_true", help="check the file and exit")
    parser.add_argument("--log-level", choices=LEVELS, default="info")
    options = parser.parse_args(words)
    set_up_log(options.log_level)
    try:
        config = load_config(options.config, os.environ)
        if options.check:
            return 0
        asyncio.run(_run(config))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return _EXIT_CONFIG
    except (BindError, OpenFilesError) as error:
        print(error, file=sys.stderr)
        return _EXIT_CONFIG
    return 0


async def _run(config: SimConfig) -> None:
    # Its port, its master and one more connection for each pile.
    allow_open_files(3 * len(config.piles) + SPARE_FILES)
    # Imported late so that a wrong configuration is told without loading grpc.
    from firmware_sim.app import Simulator, print_ready

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)

    def ready(line: dict[str, Any]) -> None:
        # What the piles are made of stays: looking through it again and again stalls their answers.
        gc.collect()
        gc.freeze()
        print_ready(line)

    await Simulator(config).run(stop, ready)


if __name__ == "__main__":
    sys.exit(ending(main))
