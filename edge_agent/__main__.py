"""`python -m edge_agent -c agent.toml`: runs the agent; `--check` only looks at the file.

`python -m edge_agent WORD ...` runs one of the commands beside it, imported only then.

Exit codes: 0 stopped as asked, 2 wrong usage, 3 mistakes in the configuration, 1 anything else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog

from edge_agent.app import run_agent
from edge_agent.config import STATE_DIR, Config
from edge_agent.config_file import load_config
from edge_agent.errors import ConfigError, SpoolError
from edge_agent.host_notify import from_environment
from edge_agent.parts import check_ports

EXIT_CONFIG = 3
# Each has `main(arguments) -> exit code`.
COMMANDS = {
    "profile": "edge_agent.commands.profile",
    "tail": "edge_agent.commands.tail",
    "unit": "edge_agent.commands.unit",
}


def main(arguments: list[str] | None = None) -> int:
    """The exit code of the command with these arguments."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        command = import_module(COMMANDS[words[0]])
        return int(command.main(words[1:]))
    return run(words)


def run(arguments: list[str]) -> int:
    """Runs the agent until it is told to stop, or only checks its configuration."""
    parser = argparse.ArgumentParser(prog="python -m edge_agent", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, required=True, help="agent.toml")
    parser.add_argument("--check", action="store_true", help="check the file and exit")
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"]
    )
    options = parser.parse_args(arguments)
    _log_to_stderr(options.log_level)
    try:
        # systemd tells where the unit's StateDirectory= really lies.
        state_dir = os.environ.get("STATE_DIRECTORY") or STATE_DIR
        config = load_config(options.config, Path(state_dir))
        check_ports(config)
        if options.check:
            print(f"{options.config}: {len(config.piles)} piles, no mistakes", file=sys.stderr)
            return 0
        asyncio.run(_run(config))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    except SpoolError as error:
        print(f"error[SPL-001]: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    await run_agent(config, stop, _ready, from_environment(os.environ, os.getpid()))


def _ready(told: dict[str, Any]) -> None:
    print(json.dumps(told, separators=(",", ":")), flush=True)


def _log_to_stderr(level: str) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    # Libraries that write a line for each failed poll or frame; ours say it once per change.
    for name in ("pymodbus", "pymodbus.logging", "websockets", "ocpp", "mqtt", "aiomqtt"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
