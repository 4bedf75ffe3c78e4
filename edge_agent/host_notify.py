"""What systemd is told: ready, alive, stopping, and one line of status. Datagrams, no library.

Reading the environment belongs to `__main__`; when the process counts as alive to `pulse.py`.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from typing import Final

# Fed three times per deadline, so that one late second does not kill a sound agent.
FEEDS_PER_DEADLINE: Final = 3


class ServiceNotify:
    """Speaks to the socket that `$NOTIFY_SOCKET` names; silent where there is none.

    `watchdog_s` is systemd's deadline; None where it does not watch.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        # A leading @ stands for the abstract name space.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = watchdog_s

    @property
    def feed_every_s(self) -> float | None:
        """Seconds between two signs of life; None where nobody watches."""
        return None if self.watchdog_s is None else self.watchdog_s / FEEDS_PER_DEADLINE

    def ready(self, status: str) -> None:
        """Everything listens."""
        self._say(f"READY=1\nSTATUS={status}")

    def alive(self, status: str) -> None:
        """Feeds the watchdog."""
        self._say(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self, *, anew: bool = False) -> None:
        """The end has begun; `anew` where the same process starts again in place.

        systemd kills a process that said STOPPING and did not end, so a fresh start is a reload.
        """
        self._say("RELOADING=1\nSTATUS=starting anew" if anew else "STOPPING=1\nSTATUS=stopping")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        # A full or vanished socket must not hold the agent up; systemd has its own deadline.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(text.encode(), self._address)


def from_environment(environment: Mapping[str, str], pid: int) -> ServiceNotify:
    """What systemd asks of the process `pid` in this environment.

    >>> from_environment({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "30000000"}, 7).feed_every_s
    10.0
    >>> from_environment({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, 7).watchdog_s
    """
    address = environment.get("NOTIFY_SOCKET", "")
    deadline = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    watchdog_s = int(deadline) / 1e6 if deadline.isdecimal() and ours and int(deadline) else None
    return ServiceNotify(address, watchdog_s)
