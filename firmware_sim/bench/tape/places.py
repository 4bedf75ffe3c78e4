"""Where piles listen, as words of a command line: `PILE=HOST:PORT`."""

from __future__ import annotations

from collections.abc import Sequence

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def places(words: Sequence[str]) -> dict[str, str]:
    """Each pile's address; raises ValueError saying which word is none.

    >>> places(["A-01=127.0.0.1:1502"])
    {'A-01': '127.0.0.1:1502'}
    """
    found: dict[str, str] = {}
    for word in words:
        pile, _, address = word.partition("=")
        host, colon, port = address.rpartition(":")
        if not pile or not colon or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"--listen {word!r} is not PILE=HOST:PORT")
        if host not in _LOOPBACK:
            raise ValueError(f"--listen {word!r} is not this machine: simulated piles have no TLS")
        found[pile] = address
    return found
