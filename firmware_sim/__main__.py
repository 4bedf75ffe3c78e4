"""`python -m firmware_sim -c sim.toml`: simulated piles until SIGTERM or SIGINT.

`python -m firmware_sim WORD ...` runs one of the commands beside it, imported only then.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import structlog

from firmware_sim.config import load_config
from firmware_sim.config_tables import SimConfig
from firmware_sim.errors import BindError, ConfigError

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_EXIT_CONFIG = 3
# Each has `main(arguments) -> exit code`.
_COMMANDS = {"scenario": "firmware_sim.scenario_command"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the simulator; gives the exit code: 0 stopped, 2 usage, 3 configuration or port."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in _COMMANDS:
        return int(import_module(_COMMANDS[words[0]]).main(words[1:]))
    parser = argparse.ArgumentParser(prog="firmware_sim", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, required=True, help="TOML file")
    parser.add_argument("--log-level", choices=tuple(_LEVELS), default="info")
    options = parser.parse_args(words)
    _set_up_logging(_LEVELS[options.log_level])
    try:
        asyncio.run(_run(load_config(options.config)))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return _EXIT_CONFIG
    except BindError as error:
        print(error, file=sys.stderr)
        return _EXIT_CONFIG
    return 0


async def _run(config: SimConfig) -> None:
    # Imported late so that a wrong configuration is told without loading grpc.
    from firmware_sim.app import Simulator, print_ready

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    await Simulator(config).run(stop, print_ready)


def _set_up_logging(level: int) -> None:
    # Libraries report each refused connection as an error; for us it is an ordinary retry.
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(name)s %(message)s")
    for noisy in ("pymodbus", "ocpp", "websockets"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
