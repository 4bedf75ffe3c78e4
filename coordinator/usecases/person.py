"""A person as the stores know one: a driver's name, the cars that are only theirs, their tokens.

Who is exported or erased, and in which order, is in `privacy.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from coordinator.core.vehicle import ChargingRequest

_requests = msgspec.msgpack.Decoder(ChargingRequest)
_decode, _encode = msgspec.msgpack.Decoder().decode, msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Person:
    """Names of one person; `token_hashes` are those of tokens shown at piles."""

    user_id: str
    vehicle_ids: frozenset[str] = frozenset()
    token_hashes: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """The driver and the cars."""
        return self.vehicle_ids | ({self.user_id} if self.user_id else set())

    def has(self, user_id: str, vehicle_id: str) -> bool:
        """Whether what is of this driver and car is theirs."""
        return vehicle_id in self.vehicle_ids or (bool(user_id) and user_id == self.user_id)


def is_theirs(person: Person, vehicle_id: str, request: bytes) -> bool:
    """Whether a packed request, of this car, is of this person."""
    if vehicle_id in person.vehicle_ids:
        return True
    if not person.user_id or person.user_id.encode() not in request:
        return False
    return _requests.decode(request).user_id == person.user_id


def blanked(packed: bytes, names: Iterable[str]) -> bytes:
    """The packed value with each string that is one of these names made empty.

    >>> blanked(msgspec.msgpack.encode(["a", {"x": ["b", 1.5]}]), {"b"}).hex()
    '92a16181a17892a0cb3ff8000000000000'
    """
    wanted = frozenset(names)
    if not any(name.encode() in packed for name in wanted):
        return packed
    return _encode(_without(_decode(packed), wanted))


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, str):
        return "" if value in names else value
    if isinstance(value, dict):
        return {key: _without(entry, names) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without(entry, names) for entry in value]
    return value
