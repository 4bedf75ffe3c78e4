"""`python -m edge_agent -c agent.toml`: runs the agent; `--check` only looks at the file.

`python -m edge_agent WORD ...` runs one of the commands beside it, imported only then.

Exit codes: 0 stopped as asked, 2 wrong usage, 3 mistakes in the configuration, 1 anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog

from edge_agent.app import run_agent
from edge_agent.config import STATE_DIR, Config
from edge_agent.errors import ConfigError, SpoolError
from edge_agent.host_notify import from_environment
from edge_agent.parts import check_ports
from edge_agent.renewal import Files, Renewal
from pilewise.unread import ending
from pilewise.wrong_words import WordParser

EXIT_CONFIG = 3
# Each has `main(arguments) -> exit code`.
COMMANDS = {
    "probe": "edge_agent.commands.probe",
    "profile": "edge_agent.commands.profile",
    "doctor": "edge_agent.commands.doctor",
    "enroll": "edge_agent.commands.enroll",
    "buffer": "edge_agent.commands.buffer",
    "config": "edge_agent.commands.config",
    "tail": "edge_agent.commands.tail",
    "unit": "edge_agent.commands.unit",
}


def main(arguments: list[str] | None = None) -> int:
    """The exit code of the command with these arguments."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        command = import_module(COMMANDS[words[0]])
        try:
            return int(command.main(words[1:]))
        except KeyboardInterrupt:
            return 130
    return run(words)


def run(arguments: list[str]) -> int:
    """Runs the agent until it is told to stop, or only checks its configuration."""
    parser = WordParser(prog="python -m edge_agent", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, required=True, help="agent.toml")
    parser.add_argument("--check", action="store_true", help="check the file and exit")
    parser.add_argument("--json", action="store_true", help="with --check: one JSON object")
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"]
    )
    options = parser.parse_args(arguments)
    _log_to_stderr(options.log_level)
    # systemd tells where the unit's StateDirectory= really lies.
    state_dir = os.environ.get("STATE_DIRECTORY") or STATE_DIR
    files = Files(options.config, Path(state_dir), os.environ)
    try:
        if options.check:
            config = files.load(files.path)
            check_ports(config)
            print(f"{options.config}: {len(config.piles)} piles, no mistakes", file=sys.stderr)
            if options.json:
                _ready({"ok": True, "piles": len(config.piles), "problems": []})
        else:
            _run_and_renew(files)
    except ConfigError as error:
        print(error, file=sys.stderr)
        if options.check and options.json:
            _ready({"ok": False, "problems": [asdict(one) for one in error.problems]})
        return EXIT_CONFIG
    except SpoolError as error:
        print(f"error[SPL-001]: {error}", file=sys.stderr)
        return 1
    return 0


def _run_and_renew(files: Files) -> None:
    """Runs the agent; a configuration on trial that does not come up is taken back at once."""
    with contextlib.suppress(OSError):  # a folder that cannot be written holds no trial
        files.begin_start()
    try:
        config = files.load(files.path)
        check_ports(config)
        anew = asyncio.run(_run(config, files))
    except Exception as error:
        if files.trial() is None:
            raise
        files.roll_back(f"it does not come up: {error}")
        anew = True
    if anew:
        sys.stderr.flush()
        # In place: the process keeps its number, so a service manager sees no end.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


async def _run(config: Config, files: Files) -> bool:
    """True where the agent has to start anew."""
    stop = asyncio.Event()
    renewal = Renewal(files, config, stop)
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    notify = from_environment(os.environ, os.getpid())
    await run_agent(config, stop, _ready, notify, renewal)
    return renewal.restart_wanted


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
    sys.exit(ending(main))
