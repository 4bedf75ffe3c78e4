"""`python -m coordinator -c FILE.toml`: runs a coordinator until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog

from coordinator.config import Config, locate, read_config
from coordinator.config_places import PREFIX
from coordinator.errors import (
    ConfigInvalid,
    CoordinatorError,
    DirectoryUnusable,
    FileInvalid,
    Permanent,
    Problem,
)
from pilewise.unread import ending
from pilewise.wrong_words import WordParser

EXIT_CONFIG = 3
EXIT_UNREACHABLE = 4
LEVELS = ("debug", "info", "warning", "error")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 after an orderly end, 3 for what must be changed, 4 for what may pass."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["config"]:
        from coordinator import config_command

        return config_command.main(words[1:])
    if words[:1] == ["ca"]:
        from coordinator import ca_command

        return ca_command.main(words[1:])
    parser = WordParser(
        prog="python -m coordinator",
        description="Runs the coordinator of a district, or of a city.",
    )
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE.toml")
    parser.add_argument("--check", action="store_true", help="only check the configuration")
    parser.add_argument("--log-level", choices=LEVELS, default="info")
    parser.add_argument("--role", choices=("district", "city"), help="instead of the file's")
    options = parser.parse_args(words)
    _set_up_log(options.log_level)
    environ = dict(os.environ)
    if options.role:
        environ[f"{PREFIX}COORDINATOR__ROLE"] = options.role
    try:
        config = read_config(options.config, environ)
        if options.check:
            return 0
        try:
            asyncio.run(_role(config)(config, options.config))
        except DirectoryUnusable as error:
            where = locate(options.config, "coordinator.data_dir")
            raise ConfigInvalid([Problem("CFG-018", where, str(error), hint=error.hint)]) from error
    except FileInvalid as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    except CoordinatorError as error:
        print(f"error[{error.code}]: {error}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return EXIT_CONFIG if isinstance(error, Permanent) else EXIT_UNREACHABLE
    return 0


def _role(config: Config) -> Callable[[Config, Path], Coroutine[Any, Any, None]]:
    """What runs; imported late, so that a faulty configuration is reported at once."""
    if config.coordinator.role == "city":
        from coordinator.city_app import run_city

        return run_city
    from coordinator.app import run

    return run


def _set_up_log(level: str) -> None:
    """Events to stderr as key=value lines; stdout belongs to the ready line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


if __name__ == "__main__":
    sys.exit(ending(main))
