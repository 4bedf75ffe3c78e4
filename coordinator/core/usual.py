"""What a driver usually wants, from the operator's record: it fills what a request leaves unsaid.

What the record decides by itself, the level, is in `recommend/warning.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from coordinator.core.district import District
from coordinator.core.pile import Payment, User
from coordinator.core.vehicle import ChargingRequest, SelectBy

# Habits that decide something; others are kept for who reads them.
AIR, TARGET, PAYMENT, SELECT = "air_conditioning", "target_soc_pct", "payment", "select_by"
_YES, _NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})


def habit_fault(name: str, value: str) -> str:
    """Why a habit means nothing; empty if it does, or is none of those that decide something.

    Source: US 12,393,974 B2, step 510 (habits).

    >>> habit_fault("select_by", "price"), habit_fault("covered", "yes")
    ('', '')
    >>> habit_fault("target_soc_pct", "110")
    'must be a number within 0 to 100'
    """
    word = value.strip().lower()
    if name == AIR and word not in _YES | _NO:
        return "must be yes or no"
    if name == TARGET and _target(value) is None:
        return "must be a number within 0 to 100"
    if name == PAYMENT and not _payments(value):
        return f"must be some of {', '.join(p.name for p in Payment)}"
    if name == SELECT and value.strip().upper() not in SelectBy.__members__:
        return f"must be one of {', '.join(s.name.lower() for s in SelectBy if s)}"
    return ""


def put_users(district: District, users: Iterable[User]) -> None:
    """Adds or replaces users, whole, and says whose their cars are.

    Source: US 12,393,974 B2, step 510 (habits).
    """
    for user in users:
        before = district.users.get(user.user_id)
        for vehicle_id in () if before is None else before.vehicle_ids:
            district.drivers.pop(vehicle_id, None)
        district.users[user.user_id] = user
        district.drivers.update(dict.fromkeys(user.vehicle_ids, user))


def user_of(district: District, user_id: str, vehicle_id: str) -> User | None:
    """The record of this user; of the car's driver where no user is named.

    Source: US 12,393,974 B2, step 510 (habits).
    """
    return district.users.get(user_id) if user_id else district.drivers.get(vehicle_id)


def usual(request: ChargingRequest, user: User | None) -> ChargingRequest:
    """The request with what its driver usually wants, where it does not say otherwise.

    Source: US 12,393,974 B2, step 510 (second basic information: vehicle model, habits).
    """
    if user is None:
        return request
    fills: dict[str, object] = {}
    if user.vehicle_model and not request.vehicle.model:
        fills["vehicle"] = replace(request.vehicle, model=user.vehicle_model)
    if not request.user_id:
        fills["user_id"] = user.user_id
    for name, value in user.habits.items():
        if habit_fault(name, value):
            continue
        if name == AIR and request.air_conditioning is None:
            fills["air_conditioning"] = value.strip().lower() in _YES
        elif name == TARGET and not request.target_said:
            fills["target_soc_pct"] = _target(value)
        elif name == PAYMENT and not request.payments:
            fills["payments"] = _payments(value)
        elif name == SELECT and request.select_by is SelectBy.UNSPECIFIED:
            fills["select_by"] = SelectBy[value.strip().upper()]
    return replace(request, **fills) if fills else request  # type: ignore[arg-type]


def _target(value: str) -> float | None:
    try:
        target = float(value)
    except ValueError:
        return None
    return target if 0.0 <= target <= 100.0 else None


def _payments(value: str) -> tuple[Payment, ...]:
    """The ways to pay; empty if one of them is none of ours."""
    words = [word.strip().upper() for word in value.replace("|", ",").split(",") if word.strip()]
    if any(word not in Payment.__members__ for word in words):
        return ()
    return tuple(Payment[word] for word in words)
