"""What sensors may say: one small JSON object a topic, checked in type and range.

    <prefix>/bay/<evse_id>/occupancy   {"occupied": true, "at_ms": 1767225600000}
    <prefix>/bay/<evse_id>/queue       {"length": 2, "at_ms": 1767225600000}
    <prefix>/pile/<pile_id>/camera     {"people": 4, "vehicles": 1, "at_ms": 1767225600000}
    <prefix>/pile/<pile_id>/ambient    {"temperature_c": 31.5, "at_ms": 1767225600000}
    <prefix>/pile/<pile_id>/position   {"latitude_deg": 22.54, "longitude_deg": 114.06}

`at_ms` is domain time and may be left out. Keys that are not named here are passed over, because
sensors add their own (battery, signal); nothing but the named keys is kept, so that no picture can
leave the site. How messages arrive belongs to `mqtt.py`.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

MAX_PAYLOAD_BYTES: Final = 1024
Count = Annotated[int, Meta(ge=0, le=10_000)]
Instant = Annotated[int, Meta(ge=0, le=7_258_118_400_000)]


class Occupancy(msgspec.Struct, frozen=True):
    """A bay sensor's word."""

    occupied: bool
    at_ms: Instant | None = None


class Queue(msgspec.Struct, frozen=True):
    """A queue counter's word: cars that wait."""

    length: Annotated[int, Meta(ge=0, le=1000)]
    at_ms: Instant | None = None


class Camera(msgspec.Struct, frozen=True):
    """What a camera counted on site; at least one of both."""

    people: Count | None = None
    vehicles: Count | None = None
    at_ms: Instant | None = None


class Ambient(msgspec.Struct, frozen=True):
    """A thermometer's word: the air around the pile."""

    temperature_c: Annotated[float, Meta(ge=-60, le=80)]
    at_ms: Instant | None = None


class Position(msgspec.Struct, frozen=True):
    """A GNSS receiver's fix of a pile, WGS84."""

    latitude_deg: Annotated[float, Meta(ge=-90, le=90)]
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)]
    at_ms: Instant | None = None


Word = Occupancy | Queue | Camera | Ambient | Position
# Kind of topic: whom it concerns, its schema, and the seconds between two words that are taken.
# Sensor words are states: of those that come faster only the newest counts.
KINDS: Final[dict[str, tuple[str, type[Word], float]]] = {
    "occupancy": ("bay", Occupancy, 0.2),
    "queue": ("bay", Queue, 1.0),
    "camera": ("pile", Camera, 5.0),
    "ambient": ("pile", Ambient, 10.0),
    "position": ("pile", Position, 10.0),
}


def parse(kind: str, payload: bytes) -> Word:
    """The word in a payload of a kind; raises ValueError or `msgspec.MsgspecError`.

    >>> parse("queue", b'{"length": 2, "battery_pct": 81}')
    Queue(length=2, at_ms=None)
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"the payload has {len(payload)} bytes, at most {MAX_PAYLOAD_BYTES}")
    try:
        word: Word = msgspec.json.decode(payload, type=KINDS[kind][1])
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if isinstance(word, Camera) and word.people is None and word.vehicles is None:
        raise ValueError("neither people nor vehicles is given")
    return word
