"""How many sockets this process may open; each pile on a port of its own needs several.

Which ports there are is in `faces/`.
"""

from __future__ import annotations

from firmware_sim.errors import OpenFilesError

# Logs, the bench, the broker, the event loop's own.
SPARE_FILES = 64


def allow_open_files(needed: int) -> None:
    """Raises the soft limit of open files as far as needed; raises OpenFilesError if forbidden."""
    try:
        import resource
    except ImportError:  # not a Unix: there is no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise OpenFilesError(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
