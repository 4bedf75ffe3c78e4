"""Raw protocol frames kept for a while when somebody asks for them; secrets in them are hashed.

Where frames come from belongs to the adapters, which know nothing but a `FrameTap`.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

Direction = Literal[">", "<"]
OUT: Final = ">"
"""Said to the pile."""
IN: Final = "<"
"""Said by the pile."""

# One capture holds at most so much; beyond, the oldest frames go and are counted.
MAX_FRAMES: Final = 4096
MAX_BYTES: Final = 1024 * 1024
MAX_FRAME_BYTES: Final = 64 * 1024
# One result on the wire; the stream's limit is 256 KiB a message.
PART_BYTES: Final = 128 * 1024
# Fields of OCPP 1.6 and 2.0.1 that name a driver, and settings whose value is a password.
_TOKENS: Final = frozenset({"idTag", "parentIdTag", "idToken", "additionalIdToken"})
_PASSWORDS: Final = frozenset({"AuthorizationKey", "BasicAuthPassword"})


class FrameTap(Protocol):
    """Somebody who may want to see every frame; called for each one, so it is quick."""

    def frame(self, direction: Direction, payload: bytes) -> None:
        """Takes one frame, or one piece of one, as it was on the wire."""
        ...


class NoTap:
    """Nobody wants to see frames."""

    def frame(self, direction: Direction, payload: bytes) -> None:
        """Forgets it."""


NO_TAP: Final = NoTap()


class FrameRing:
    """The tap of one pile: forgets everything unless a capture runs."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._frames: deque[bytes] | None = None
        self._bytes = 0
        self._lost = 0

    @property
    def capturing(self) -> bool:
        """Whether a capture runs."""
        return self._frames is not None

    def frame(self, direction: Direction, payload: bytes) -> None:
        """Keeps a frame with its time and direction, secrets hashed, while a capture runs."""
        if self._frames is None:
            return
        line = f"{self._now_ms()} {direction} ".encode() + masked(payload)[:MAX_FRAME_BYTES]
        self._frames.append(line)
        self._bytes += len(line)
        while self._bytes > MAX_BYTES or len(self._frames) > MAX_FRAMES:
            self._bytes -= len(self._frames.popleft())
            self._lost += 1

    def begin(self) -> bool:
        """Begins a capture; False where one runs already."""
        if self._frames is not None:
            return False
        self._frames, self._bytes, self._lost = deque(), 0, 0
        return True

    def end(self) -> tuple[list[bytes], int]:
        """The frames since `begin`, oldest first, and how many older ones did not fit."""
        frames, self._frames = list(self._frames or ()), None
        return frames, self._lost


def parts(frames: list[bytes], limit: int = PART_BYTES) -> list[list[bytes]]:
    """The frames in order, cut into lists of at most so many bytes; at least one list.

    >>> parts([b"abc", b"de", b"f"], 5)
    [[b'abc', b'de'], [b'f']]
    >>> parts([])
    [[]]
    """
    found: list[list[bytes]] = [[]]
    size = 0
    for frame in frames:
        if found[-1] and size + len(frame) > limit:
            found.append([])
            size = 0
        found[-1].append(frame)
        size += len(frame)
    return found


def masked(payload: bytes) -> bytes:
    """The frame with drivers' tokens and passwords replaced by the beginning of their SHA-256.

    Only JSON can hold them; anything else, such as Modbus, is given back as it is.

    >>> masked(b'[2,"1","Authorize",{"idTag":"04AB"}]')
    b'[2,"1","Authorize",{"idTag":"sha256:16cfc922a1f5"}]'
    >>> masked(bytes([1, 3, 0x40, 0x0C])).hex()
    '0103400c'
    """
    if payload[:1] != b"[":
        return payload
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        # Not understood, so nobody can say what it holds.
        return f"unreadable frame of {len(payload)} bytes, {_hashed(payload)}".encode()
    if not isinstance(message, list):
        return payload
    clean = _clean(message)
    return json.dumps(clean, separators=(",", ":"), ensure_ascii=False).encode()


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if not isinstance(value, dict):
        return value
    secret = value.get("key") in _PASSWORDS or _variable(value) in _PASSWORDS
    return {
        name: _hashed(item.encode())
        if isinstance(item, str)
        and (name in _TOKENS or (secret and name in ("value", "attributeValue")))
        else _clean(item)
        for name, item in value.items()
    }


def _variable(value: dict[str, Any]) -> object:
    variable = value.get("variable")
    return variable.get("name") if isinstance(variable, dict) else None


def _hashed(secret: bytes) -> str:
    return f"sha256:{hashlib.sha256(secret).hexdigest()[:12]}"
