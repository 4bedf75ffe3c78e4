"""How each peer behaves: messages that are none, and streams that it keeps open.

A peer is an address, because a rude one can open another connection; on loopback, where everybody
has the same address, it is the connection.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from coordinator.errors import Overloaded
from coordinator.rpc.limits import Limits

PEERS = 4_096  # whose strikes are remembered


class Conduct:
    """Counts for all peers of one server."""

    def __init__(self, limits: Limits, link_s: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._link_s = link_s
        self._strikes: OrderedDict[str, deque[float]] = OrderedDict()
        self._streams: dict[str, int] = {}
        self.streams = 0  # open now

    def check(self, peer: str) -> None:
        """Raises `Overloaded` for a peer that sent too much that is no message."""
        if not self._strikes:
            return
        times = self._strikes.get(peer_of(peer))
        if times is None or len(times) < self._limits.strikes:
            return
        wait_s = self._limits.strikes_s - (self._link_s() - times[0])
        if wait_s > 0.0:
            most = self._limits.strikes
            raise Overloaded("messages of this peer that are none", len(times), most, wait_s)

    def strike(self, peer: str) -> None:
        """Counts a message that is none."""
        name = peer_of(peer)
        times = self._strikes.pop(name, None) or deque(maxlen=self._limits.strikes)
        times.append(self._link_s())
        self._strikes[name] = times
        while len(self._strikes) > PEERS:
            self._strikes.popitem(last=False)

    def open(self, peer: str) -> str:
        """Counts a stream; gives what `close` needs. Raises `Overloaded` for one too many."""
        name, limits = peer_of(peer), self._limits
        if self.streams >= limits.streams:
            raise Overloaded("streams", self.streams, limits.streams, 10.0)
        count = self._streams.get(name, 0)
        if count >= limits.streams_per_peer:
            raise Overloaded("streams of this peer", count, limits.streams_per_peer, 10.0)
        self._streams[name] = count + 1
        self.streams += 1
        return name

    def close(self, name: str) -> None:
        """Forgets a stream that ended."""
        self.streams -= 1
        count = self._streams[name] - 1
        if count:
            self._streams[name] = count
        else:
            del self._streams[name]


def peer_of(peer: str) -> str:
    """Who a gRPC peer is, as limits count.

    >>> peer_of("ipv4:192.0.2.7:40112"), peer_of("ipv6:%5B2001:db8::7%5D:40112")
    ('192.0.2.7', '2001:db8::7')
    >>> peer_of("ipv4:127.0.0.1:40112")
    'ipv4:127.0.0.1:40112'
    """
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer
    host = rest.rpartition(":")[0].removeprefix("%5B").removesuffix("%5D").strip("[]")
    near = host.startswith("127.") or host in ("::1", "::ffff:127.0.0.1")
    return peer if near else host
