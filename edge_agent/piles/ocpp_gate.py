"""The gate before the local central system: every handshake is judged, limited, and answered.

What is right for one charge point is decided in `core/ocpp_admission.py`; live sessions belong to
`ocpp_server.py`.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from edge_agent.core.attempt_limit import AttemptLimit
from edge_agent.core.ocpp_admission import (
    Door,
    Knock,
    Refusal,
    common_name,
    identity_in,
    judge,
    offered_in,
)

log: Final = structlog.get_logger("edge_agent.ocpp")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Reasons remembered at most, so that a scan does not fill the memory.
MOST_SAID: Final = 1024


class Gate:
    """Judges handshakes; `doors` may be replaced one by one while running.

    `networks` are those that plain ws:// is taken from, besides this machine. `url_of` gives the
    URL that would work for an identity. `refused` counts what was turned away.
    """

    def __init__(
        self,
        doors: Mapping[str, Door],
        url_of: Callable[[str], str],
        *,
        lenient: bool = False,
        networks: Sequence[Network] = (),
        limit: AttemptLimit | None = None,
    ) -> None:
        self.doors = dict(doors)
        self.refused = 0
        self._url_of = url_of
        self._lenient = lenient
        self._networks = tuple(networks)
        self._limit = limit or AttemptLimit()
        self._known_at: dict[str, str] = {}
        self._said: OrderedDict[tuple[str, str], str] = OrderedDict()

    def judge(self, socket: ServerConnection, request: Request) -> Door | Response:
        """The door that a handshake may go through, or the refusal to send."""
        knock = _knock(socket, request)
        identity = identity_in(knock.path)
        door = self.doors.get(identity)
        peer = peer_of(socket)
        wait_s = self._wait_s(peer, identity)
        if wait_s > 0:
            why = f"too many wrong keys, try again in {wait_s:.0f} s"
            response = self.refuse(socket, request, Refusal(HTTPStatus.TOO_MANY_REQUESTS, why))
            response.headers["Retry-After"] = str(max(1, round(wait_s)))
            return response
        if not knock.tls and not self._may_speak_plainly(peer):
            why = f"{peer} is in none of the piles' networks (agent.pile_subnets)"
            return self.refuse(socket, request, Refusal(HTTPStatus.FORBIDDEN, why))
        verdict = judge(door, knock, lenient=self._lenient)
        if isinstance(verdict, Refusal):
            if verdict.guessed:
                for key in self._keys(peer, identity):
                    self._limit.failed(key, time.monotonic())
            return self.refuse(socket, request, verdict)
        assert door is not None  # an unknown identity was refused
        if door.proven:
            self._known_at[identity] = peer
            for key in self._keys(peer, identity):
                self._limit.proved(key)
        return door

    def refuse(self, socket: ServerConnection, request: Request, refusal: Refusal) -> Response:
        """The answer to a refused handshake; logged once until the reason changes."""
        self.refused += 1
        identity = identity_in(request.path)[:256]
        peer = peer_of(socket)
        # The seconds in a text change with every try.
        kind = refusal.why.split(",")[0]
        known = self._said.pop((peer, identity), None)
        self._said[peer, identity] = kind
        while len(self._said) > MOST_SAID:
            self._said.popitem(last=False)
        if known != kind:
            near = identity if identity in self.doors else next(iter(self.doors), "")
            log.warning(
                "handshake refused",
                why=refusal.why,
                status=refusal.status.value,
                path=request.path[:256],
                peer=peer,
                url_that_would_work=self._url_of(near),
            )
        response = socket.respond(refusal.status, f"{refusal.why}\n")
        if refusal.status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
        return response

    def admitted(self, socket: ServerConnection, identity: str) -> None:
        """Takes that somebody came in: the next refusal is worth a line again."""
        self._said.pop((peer_of(socket), identity), None)

    def set_keys(self, identity: str, keys: tuple[bytes, ...]) -> None:
        """Takes a new password."""
        self.doors[identity] = replace(self.doors[identity], keys=keys)

    def _wait_s(self, peer: str, identity: str) -> float:
        keys: tuple[str, ...] = self._keys(peer, identity)
        if self._known_at.get(identity) == peer:
            # Strangers who guess must not keep the real charge point out.
            keys = keys[-1:]
        now_s = time.monotonic()
        return max(self._limit.wait_s(key, now_s) for key in keys)

    def _keys(self, peer: str, identity: str) -> tuple[str, str, str]:
        name = identity[:256]
        return f"peer {_neighbourhood(peer)}", f"identity {name}", f"pair {peer} {name}"

    def _may_speak_plainly(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.split("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return mapped.is_loopback or any(mapped in network for network in self._networks)


def peer_of(socket: ServerConnection) -> str:
    """The address of the other end."""
    return str(socket.remote_address[0]) if socket.remote_address else ""


def _neighbourhood(peer: str) -> str:
    """IPv6 hosts choose their addresses at will inside a /64."""
    return peer if ":" not in peer else ":".join(peer.split(":")[:4])


def _knock(socket: ServerConnection, request: Request) -> Knock:
    tls: Any = socket.transport.get_extra_info("ssl_object")
    return Knock(
        path=request.path,
        offered=offered_in(request.headers.get_all("Sec-WebSocket-Protocol")),
        # Several of them are as good as none.
        authorization=", ".join(request.headers.get_all("Authorization")),
        tls=tls is not None,
        certified=common_name(tls.getpeercert() if tls is not None else None),
    )
