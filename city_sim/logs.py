"""What the coordinator's parts log in a laboratory's process: warnings, to stderr.

Without it structlog prints everything, and to stdout, where results are.
"""

from __future__ import annotations

import logging
import sys

import structlog


def warnings_only() -> None:
    """To be called first in a process of the laboratory, also in those that play runs."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
