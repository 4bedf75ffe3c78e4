"""Sockets that misbehave, in a process of their own, which says when each of them was closed.

`python -m bench.sockets_bad HOST PORT COUNT FROM_HOST KINDS SECONDS` prints a line when all are
open, and one when all are closed or so many seconds have passed. What it is measured for is in
`sockets.py`.
"""

from __future__ import annotations

import json
import random
import resource
import select
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
SETTINGS_ACK = b"\x00\x00\x00\x04\x01\x00\x00\x00\x00"
AT_ONCE = 100  # connections that are opened before the others are looked at


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field without indexing. Source: RFC 7541, 6.2.2."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _headers(flags: int) -> bytes:
    """The header of a unary call on stream 1; the flag 4 ends the header block."""
    block = b"".join(
        _literal(name, value)
        for name, value in (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/pilewise.v1.ChargingService/ListStations"),
            (b":authority", b"district"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
        )
    )
    return len(block).to_bytes(3, "big") + bytes([1, flags]) + b"\x00\x00\x00\x01" + block


# What each kind says; whether it answers pings and settings, and whether it goes on dripping.
KINDS: dict[str, tuple[bytes, bool, bool]] = {
    "idle_http2": (PREFACE + SETTINGS, True, False),
    "silent": (b"", False, False),
    "half_preface": (PREFACE[:9], False, False),
    "dripping_preface": (PREFACE[:3], False, True),
    "half_header": (PREFACE + SETTINGS + _headers(4)[:40], True, False),
    "header_without_end": (PREFACE + SETTINGS + _headers(0), True, False),
    "call_without_request": (PREFACE + SETTINGS + _headers(4), True, False),
    "http1": (b"GET / HTTP/1.1\r\nHost: district\r\n\r\n", False, False),
    "half_http1": (b"POST / HTTP/1.1\r\nHost: dis", False, False),
    "random": (b"", False, False),
}


@dataclass(slots=True)
class Bad:
    """One of them."""

    kind: str
    wire: socket.socket
    opened_s: float
    step: int = 3
    unread: bytes = b""


@dataclass
class Crowd:
    """All sockets of this process."""

    poll: select.epoll = field(default_factory=select.epoll)
    open: dict[int, Bad] = field(default_factory=dict)
    lives_s: dict[str, list[float]] = field(default_factory=dict)
    last_gone_s: float = 0.0
    refused: int = 0

    def add(self, kind: str, address: tuple[str, int], source: str, rng: random.Random) -> None:
        """Opens one and says what its kind says."""
        said, _, _ = KINDS[kind]
        wire = socket.socket()
        try:
            wire.bind((source, 0))
            wire.settimeout(10.0)
            wire.connect(address)
            wire.sendall(rng.randbytes(200) if kind == "random" else said)
        except OSError:
            self.refused += 1
            wire.close()
            return
        wire.setblocking(False)
        self.open[wire.fileno()] = Bad(kind, wire, time.monotonic())
        self.poll.register(wire, select.EPOLLIN | select.EPOLLRDHUP)

    def look(self, wait_s: float) -> None:
        """Hears what the server says, for so long at most."""
        for number, events in self.poll.poll(wait_s):
            self._hear(self.open[number], events)

    def drip(self) -> None:
        """One more byte from each that drips."""
        for bad in list(self.open.values()):
            if KINDS[bad.kind][2] and bad.step < len(PREFACE) - 1:
                try:
                    bad.wire.send(PREFACE[bad.step : bad.step + 1])
                except OSError:
                    self._gone(bad)
                bad.step += 1

    def _hear(self, bad: Bad, events: int) -> None:
        try:
            heard = bad.wire.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard or events & (select.EPOLLHUP | select.EPOLLERR):
            self._gone(bad)
        elif KINDS[bad.kind][1]:
            self._answer(bad, heard)

    def _answer(self, bad: Bad, heard: bytes) -> None:
        """Answers settings and pings, as a connection that is well would."""
        bad.unread += heard
        while len(bad.unread) >= 9:
            size = int.from_bytes(bad.unread[:3], "big")
            kind, flags = bad.unread[3], bad.unread[4]
            if len(bad.unread) < 9 + size:
                return
            body, bad.unread = bad.unread[9 : 9 + size], bad.unread[9 + size :]
            try:
                if kind == 4 and not flags & 1:
                    bad.wire.send(SETTINGS_ACK)
                elif kind == 6 and not flags & 1:
                    bad.wire.send(b"\x00\x00\x08\x06\x01\x00\x00\x00\x00" + body)
            except OSError:
                self._gone(bad)
                return

    def _gone(self, bad: Bad) -> None:
        number = bad.wire.fileno()
        if number in self.open:
            del self.open[number]
            self.poll.unregister(number)
            now_s = time.monotonic()
            self.lives_s.setdefault(bad.kind, []).append(now_s - bad.opened_s)
            self.last_gone_s = now_s
        bad.wire.close()


def main() -> int:
    """Opens them, waits until they are closed, and tells how long each kind lived."""
    host, port, count, source = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    crowd, rng, kinds = Crowd(), random.Random(source), sys.argv[5].split(",")
    give_up_s = float(sys.argv[6])
    for number in range(count):
        crowd.add(kinds[number % len(kinds)], (host, port), source, rng)
        if number % AT_ONCE == 0:
            crowd.look(0.0)
    opened_s = time.monotonic()
    print(json.dumps({"opened": count - crowd.refused, "open": len(crowd.open)}), flush=True)
    drip_s = 0.0
    while crowd.open and time.monotonic() - opened_s < give_up_s:
        crowd.look(0.2)
        if time.monotonic() - drip_s > 1.0:
            drip_s = time.monotonic()
            crowd.drip()
    told = {
        "gone_s": round(max(0.0, crowd.last_gone_s - opened_s), 2),
        "longest_s": {kind: round(max(lives), 2) for kind, lives in crowd.lives_s.items()},
        "left": dict(Counter(bad.kind for bad in crowd.open.values())),
        "refused": crowd.refused,
    }
    print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
