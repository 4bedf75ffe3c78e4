"""How many connections each address has, and which of them are closed where it has too many.

gRPC itself bounds all connections of a listener and knows nothing of addresses, so the sockets are
looked at here, once a second and only while there are many. Calls are counted in `conduct.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
from collections.abc import Collection, Iterator
from urllib.parse import unquote

import structlog

from coordinator.rpc.limits import Limits
from coordinator.usecases.counters import Counters
from coordinator.usecases.refusals import Crowded

log = structlog.get_logger()

LOOK_S = 1.0
AT_ONCE = 100  # sockets looked at between two turns of the event loop
RETRY_S = 10.0
OWN = "/proc/self/fd"

Place = tuple[str, int]


class Crowd:
    """Connections of one server by address; `ports` are those that it listens at."""

    def __init__(self, limits: Limits, ports: Collection[int], counters: Counters) -> None:
        self._limits = limits
        self._ports = ports
        self._counters = counters
        # Connections by which a request came, the latest last.
        self._served: dict[Place, None] = {}
        # Those on which a call was begun whose request never came.
        self._empty: set[Place] = set()
        # At which look each was first seen: the system gives old numbers to new descriptors.
        self._age: dict[Place, int] = {}
        self._looks = 0
        self._crowded: dict[str, int] = {}
        counters.gauge("crowded_peers", lambda: len(self._crowded))

    def check(self, peer: str) -> None:
        """Raises `Crowded` for a new connection of an address that has too many."""
        if not self._crowded:
            return
        place = place_of(peer)
        if place is None or place in self._served:
            return
        if (count := self._crowded.get(neighbours(place[0]))) is not None:
            self._counters.add("calls_of_crowds")
            raise Crowded(count, self._limits.connections_per_peer, RETRY_S)

    def served(self, peer: str) -> None:
        """Notes that a request came by this connection; it is never closed here."""
        place = place_of(peer)
        if place is None:
            return
        self._served.pop(place, None)
        self._served[place] = None
        if len(self._served) > 2 * self._limits.connections:
            del self._served[next(iter(self._served))]

    def left_empty(self, peer: str) -> None:
        """Notes that a call's request never came; its connection goes unless it served others."""
        place = place_of(peer)
        if place is not None and place not in self._served:
            self._empty.add(place)

    async def run(self) -> None:
        """Looks until cancelled; returns at once where sockets cannot be looked at."""
        while True:
            known = tuple(self._served)  # what is not open afterwards is gone
            numbers = await asyncio.to_thread(_descriptors)
            if not numbers:
                return
            many = max(len(numbers), len(known)) > self._limits.connections_per_peer
            if self._empty or many:
                await self._look(numbers, known)
            else:
                self._crowded = {}
            await asyncio.sleep(LOOK_S)

    async def _look(self, numbers: list[int], known: Collection[Place]) -> None:
        """Counts connections, and closes those that nobody has use for."""
        found: dict[str, list[tuple[int, Place]]] = {}
        for start in range(0, len(numbers), AT_ONCE):
            for number, place in self._connections(numbers[start : start + AT_ONCE]):
                found.setdefault(neighbours(place[0]), []).append((number, place))
            await asyncio.sleep(0)
        self._remember({place for its in found.values() for _, place in its}, known)
        empty, self._empty = self._empty, set()
        crowded = {}
        for host, its in found.items():
            if (excess := len(its) - self._limits.connections_per_peer) > 0:
                crowded[host] = len(its)
            await self._close(its, empty, excess)
        for host in crowded.keys() - self._crowded.keys():
            most = self._limits.connections_per_peer
            log.warning("too many connections", peer=host, open=crowded[host], limit=most)
        self._crowded = crowded

    def _remember(self, open_now: set[Place], known: Collection[Place]) -> None:
        """Notes who is seen for the first time, and forgets those that are gone."""
        for place in known:
            if place not in open_now:
                self._served.pop(place, None)
        self._looks += 1
        self._age = {place: self._age.get(place, self._looks) for place in open_now}

    def _connections(self, numbers: list[int]) -> Iterator[tuple[int, Place]]:
        """Descriptors that are connections to our ports, and where their other ends are."""
        for number in numbers:
            place = _other_end(number, self._ports)
            if place is not None:
                yield number, place

    async def _close(self, its: list[tuple[int, Place]], empty: set[Place], excess: int) -> None:
        """Closes the empty ones, and of those without any request the newest that are too many."""
        useless = [one for one in its if one[1] in empty and one[1] not in self._served]
        excess -= len(useless)
        if excess > 0:
            rest = [one for one in its if one[1] not in self._served and one[1] not in empty]
            rest.sort(key=lambda one: (self._age.get(one[1], self._looks), one[0]), reverse=True)
            useless += rest[:excess]
        for done, (number, place) in enumerate(useless, 1):
            _shut(number, place, self._ports)
            if done % AT_ONCE == 0:
                await asyncio.sleep(0)
        if useless:
            self._counters.add("connections_cut", len(useless))


def place_of(peer: str) -> Place | None:
    """Address and port of a gRPC peer; None if it has none.

    >>> place_of("ipv4:192.0.2.7:40112"), place_of("ipv6:%5B2001:db8::7%5D:40112")
    (('192.0.2.7', 40112), ('2001:db8::7', 40112))
    >>> place_of("unix:/run/x")
    """
    kind, _, rest = peer.partition(":")
    host, _, port = rest.rpartition(":")
    if kind == "ipv6":
        host = unquote(host).strip("[]").partition("%")[0]
    elif kind != "ipv4":
        return None
    return (host.removeprefix("::ffff:"), int(port)) if port.isdigit() else None


def neighbours(host: str) -> str:
    """Those who are counted together: one IPv4 address, or the network of an IPv6 address, since
    whoever has one has all of its addresses.

    >>> neighbours("192.0.2.7"), neighbours("2001:db8::1:7")
    ('192.0.2.7', '2001:db8::/64')
    """
    if ":" not in host:
        return host
    return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))


def _descriptors() -> list[int]:
    """Descriptors of this process; none where the system does not say."""
    with contextlib.suppress(FileNotFoundError):
        return [int(entry.name) for entry in os.scandir(OWN)]
    return []


def _other_end(number: int, ports: Collection[int]) -> Place | None:
    """Where a connection to one of these ports comes from; None for any other descriptor.

    The descriptor is the server's: it may be closed, or be another's, at any time.
    """
    try:
        # Room for addresses of both kinds; what comes back says which kind it is.
        wire = socket.SocketType(socket.AF_INET6, socket.SOCK_STREAM, 0, number)
    except OSError:
        return None
    try:
        near, far = wire.getsockname(), wire.getpeername()
    except OSError:
        return None
    finally:
        wire.detach()
    if not isinstance(near, tuple) or not isinstance(far, tuple) or near[1] not in ports:
        return None
    return far[0].removeprefix("::ffff:"), far[1]


def _shut(number: int, place: Place, ports: Collection[int]) -> None:
    """Ends a connection, if the descriptor is still that one; the server then closes it."""
    with contextlib.suppress(OSError):
        twin = os.dup(number)
        try:
            if _other_end(twin, ports) == place:
                wire = socket.SocketType(socket.AF_INET6, socket.SOCK_STREAM, 0, twin)
                try:
                    wire.shutdown(socket.SHUT_RDWR)
                finally:
                    wire.detach()
        finally:
            os.close(twin)
