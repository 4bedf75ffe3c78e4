"""Where events of the simulator go and how they look; what is told is in the rooms' files."""

from __future__ import annotations

import logging
import sys

import structlog

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
LEVELS = tuple(_LEVELS)


def set_up_log(level: str) -> None:
    """Events of this level and above go to stderr, which leaves stdout to results."""
    # Libraries report each refused connection as an error; for us it is an ordinary retry.
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(name)s %(message)s")
    for noisy in ("pymodbus", "ocpp", "websockets"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False),
        ],
    )
