"""Warning level of a car: how urgently it needs charge (paper 2.2).

VIP comes from the operator's record of the user, never from the request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from coordinator.core.pile import User
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.vehicle import WarningLevel


@dataclass(frozen=True, slots=True)
class Situation:
    """What the level is decided from. Source: paper 2.2.2, 2.2.3."""

    soc_pct: float
    piles_in_reach: int  # usable EVSEs that fit
    evse_around: int  # the same within `Rules.around_km`
    time_left_min: float  # drive that is left beyond the nearest usable pile; inf if none is known
    cars_around: int | None = None  # None means unknown
    user: User | None = None


def is_vip(user: User | None, now_s: float) -> bool:
    """Whether the operator's record makes this user a VIP now.

    Source: paper 2.2.1.

    >>> is_vip(User("u", vip=True, vip_until_s=10.0), 9.0), is_vip(User("u", vip=True), 9.0)
    (True, True)
    >>> is_vip(User("u", vip=True, vip_until_s=10.0), 10.0), is_vip(None, 0.0)
    (False, False)
    """
    if user is None or not user.vip:
        return False
    return user.vip_until_s is None or now_s < user.vip_until_s


def is_thin(evse_around: int, rules: Rules = DEFAULT_RULES) -> bool:
    """Whether fewer than 0.5 usable EVSEs stand on a square km around the car.

    Source: paper 2.2.3.

    >>> is_thin(14), is_thin(15)  # 28.3 square km within 3 km
    (True, False)
    """
    return evse_around < rules.thin_evse_per_km2 * math.pi * rules.around_km**2


def is_crowded(cars_around: int | None, evse_around: int, rules: Rules = DEFAULT_RULES) -> bool:
    """Whether more than 7.6 known cars come on a usable EVSE around; unknown is no.

    Source: paper 2.2.3.

    >>> is_crowded(760, 100), is_crowded(761, 100), is_crowded(None, 0)
    (False, True, False)
    """
    return cars_around is not None and cars_around > rules.cars_per_pile * max(evse_around, 1)


def scarcity(
    in_reach: int, evse_around: int, cars_around: int | None, rules: Rules = DEFAULT_RULES
) -> str:
    """Why piles are few for a car, as a code; empty if they are not. Source: paper 2.2.3.

    >>> scarcity(40, 14, None), scarcity(2, 15, None), scarcity(40, 15, 115), scarcity(3, 15, 114)
    ('THIN_AREA', 'FEW_PILES_IN_REACH', 'MANY_CARS', '')
    """
    if is_thin(evse_around, rules):
        return "THIN_AREA"
    if in_reach < rules.high_piles_in_reach:
        return "FEW_PILES_IN_REACH"
    return "MANY_CARS" if is_crowded(cars_around, evse_around, rules) else ""


def level(
    situation: Situation, now_s: float, rules: Rules = DEFAULT_RULES
) -> tuple[WarningLevel, str]:
    """The level and the code of its reason.

    Source: paper 2, 2.2, 2.2.1, 2.2.2, 2.2.3, Fig. 1, 2.

    >>> plenty = {"piles_in_reach": 40, "evse_around": 40, "time_left_min": 300.0}
    >>> for soc_pct in (14.9, 15.0, 39.9, 40.0):
    ...     print(level(Situation(soc_pct, **plenty), 0.0))
    (<WarningLevel.HIGH: 1>, 'LITTLE_CHARGE')
    (<WarningLevel.MEDIUM: 2>, 'SOME_CHARGE')
    (<WarningLevel.MEDIUM: 2>, 'SOME_CHARGE')
    (<WarningLevel.LOW: 3>, 'NO_HURRY')
    """
    plain, reason = _plain(situation, now_s, rules)
    if plain is not WarningLevel.HIGH and is_thin(situation.evse_around, rules):
        return WarningLevel(plain - 1), "THIN_AREA"
    return plain, reason


def _plain(situation: Situation, now_s: float, rules: Rules) -> tuple[WarningLevel, str]:
    """The level before a thin area lifts it."""
    if is_vip(situation.user, now_s):
        return WarningLevel.HIGH, "VIP"
    if situation.soc_pct < rules.high_soc_pct:
        return WarningLevel.HIGH, "LITTLE_CHARGE"
    if situation.time_left_min < rules.high_time_left_min:
        return WarningLevel.HIGH, "LITTLE_TIME"
    if situation.piles_in_reach < rules.high_piles_in_reach:
        return WarningLevel.HIGH, "FEW_PILES_IN_REACH"
    if situation.soc_pct < rules.medium_soc_pct:
        return WarningLevel.MEDIUM, "SOME_CHARGE"
    if is_crowded(situation.cars_around, situation.evse_around, rules):
        return WarningLevel.MEDIUM, "MANY_CARS"
    return WarningLevel.LOW, "NO_HURRY"
