"""An ordinary end for output that nobody reads any more, as in `pilewise ... | head -1`.

For every process of ours that prints; what it prints is its own affair.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable


def ending(run: Callable[[], int]) -> int:
    """The exit code of what ran; 0 where whoever read the output has seen enough."""
    try:
        code = run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Sockets break, too: only our own output may end us quietly.
        if not _is_unread():
            raise
        silence()
        return 0
    return code


def silence() -> None:
    """Lets what is still buffered go nowhere: it would complain once more as Python shuts down."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_unread() -> bool:
    """Whether stdout is a pipe or socket without a reader."""
    asked = select.poll()
    try:
        asked.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):  # closed, or none of the system's
        return True
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in asked.poll(0))
