"""Who may come in as a charge point: one handshake judged against what is configured for it.

Sockets, certificates' chains and rate limits belong to the server; this decides from what it saw.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote

from edge_agent.core.ocpp_frame import OCPP16

# OCPP security profiles: what a charge point shows at each of them.
PROFILES: Final = {
    0: "plain ws:// without a password",
    1: "ws:// with Basic auth",
    2: "wss:// with Basic auth",
    3: "wss:// with a client certificate",
}
MIN_KEY_BYTES: Final = 16
MAX_KEY_BYTES: Final = 40


@dataclass(frozen=True, slots=True)
class Door:
    """How one charge point comes in.

    `subprotocols` is by preference. `keys` are the byte forms of its one password (as text, and
    as the bytes that a hexadecimal text stands for); empty where none is asked for.
    """

    identity: str
    subprotocols: tuple[str, ...] = (OCPP16,)
    security_profile: int = 0
    keys: tuple[bytes, ...] = ()

    @property
    def proven(self) -> bool:
        """True where whoever comes in has proved to be this charge point."""
        return self.security_profile > 0


@dataclass(frozen=True, slots=True)
class Knock:
    """What a handshake shows. `certified` is the common name of a client certificate, or ""."""

    path: str
    offered: tuple[str, ...] = ()
    authorization: str = ""
    tls: bool = False
    certified: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a handshake is turned away; `guessed` where an identity, a key or a certificate was
    tried that is none."""

    status: HTTPStatus
    why: str
    guessed: bool = False


def identity_in(path: str) -> str:
    """The identity in a request path: all of it after the first slash, url-decoded.

    >>> identity_in("/site%207/P%2F1?x=1")
    'site 7/P/1'
    """
    return unquote(path.split("?", 1)[0].removeprefix("/"))


def url_for(base: str, identity: str) -> str:
    """The URL with which a charge point reaches a base such as `ws://10.0.0.1:9000/`.

    >>> url_for("ws://10.0.0.1:9000/", "site 7/P*1")
    'ws://10.0.0.1:9000/site%207/P*1'
    """
    return base.rstrip("/") + "/" + quote(identity, safe="/*:@!$&'()+,;=~")


def judge(door: Door | None, knock: Knock, *, lenient: bool = False) -> str | Refusal:
    """The sub-protocol to talk, or why not; `lenient` lets a missing sub-protocol pass."""
    if door is None:
        return Refusal(HTTPStatus.NOT_FOUND, "unknown charge point identity", guessed=True)
    refusal = _judge_profile(door, knock) or _judge_proof(door, knock)
    if refusal is not None:
        return refusal
    for word in door.subprotocols:
        if word in knock.offered:
            return word
    if not knock.offered and lenient:
        return door.subprotocols[-1]
    said = f"subprotocol {', '.join(knock.offered)[:128]}" if knock.offered else "no subprotocol"
    wanted = " or ".join(door.subprotocols)
    return Refusal(HTTPStatus.BAD_REQUEST, f"{said} was offered, {wanted} is needed")


def _judge_profile(door: Door, knock: Knock) -> Refusal | None:
    """Another profile than the configured one, lower or higher, is no mere oversight."""
    basic = bool(knock.authorization)
    level = door.security_profile
    fits = {
        0: not knock.tls and not basic,
        1: not knock.tls,
        2: knock.tls,
        3: knock.tls,
    }[level]
    if fits:
        return None
    shown = ("wss://" if knock.tls else "ws://") + (" with Basic auth" if basic else "")
    why = f"security profile {level} is configured ({PROFILES[level]}), the station used {shown}"
    return Refusal(HTTPStatus.FORBIDDEN, why)


def _judge_proof(door: Door, knock: Knock) -> Refusal | None:
    if door.security_profile in (1, 2):
        if not knock.authorization:
            return Refusal(HTTPStatus.UNAUTHORIZED, "no password was sent")
        if not _proves(door, knock.authorization):
            return Refusal(HTTPStatus.UNAUTHORIZED, "wrong user or password", guessed=True)
    if door.security_profile == 3:
        if not knock.certified:
            return Refusal(HTTPStatus.FORBIDDEN, "no client certificate was shown")
        if not hmac.compare_digest(knock.certified.encode(), door.identity.encode()):
            why = f'the certificate names "{knock.certified[:64]}", not this identity'
            return Refusal(HTTPStatus.FORBIDDEN, why, guessed=True)
    return None


def _proves(door: Door, authorization: str) -> bool:
    """True for Basic credentials of this very identity; compared in constant time."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    user = door.identity.encode() + b":"
    return any(hmac.compare_digest(given, user + key) for key in door.keys)


def key_forms(secret: bytes) -> tuple[bytes, ...]:
    """The byte forms in which a station may send a password; empty where it is too short or long.

    Stations that were given their key as hexadecimal text send either the text or its bytes
    (OCPP 1.6 security whitepaper: AuthorizationKey is configured in hex and sent as bytes).

    >>> key_forms(b"0123456789abcdef")
    (b'0123456789abcdef',)
    >>> [len(form) for form in key_forms(b"00112233445566778899aabbccddeeff")]
    [32, 16]
    """
    forms = [secret] if MIN_KEY_BYTES <= len(secret) <= MAX_KEY_BYTES else []
    try:
        raw = binascii.unhexlify(secret)
    except (binascii.Error, ValueError):
        raw = b""
    if MIN_KEY_BYTES <= len(raw) <= MAX_KEY_BYTES:
        forms.append(raw)
    return tuple(forms)


def offered_in(values: Sequence[str]) -> tuple[str, ...]:
    """Sub-protocols in the values of `Sec-WebSocket-Protocol`.

    >>> offered_in(["ocpp2.0.1, ocpp1.6"])
    ('ocpp2.0.1', 'ocpp1.6')
    """
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip())


def common_name(certificate: Mapping[str, object] | None) -> str:
    """The subject's common name in a certificate as `ssl` decodes it, or "".

    >>> common_name({"subject": ((("organizationName", "Op"),), (("commonName", "P1"),))})
    'P1'
    """
    subject = (certificate or {}).get("subject", ())
    assert isinstance(subject, tuple)
    names = [value for part in subject for name, value in part if name == "commonName"]
    # Two names would let one certificate stand for two charge points.
    return str(names[0]) if len(names) == 1 else ""
