"""Charging profiles: which limit is in force at an instant, and the schedule they make together.

Words and purposes are OCPP's (1.6 chapter 3.13, 2.0.1 block K); how a profile arrives is the
faces' business.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

STATION_MAX = "ChargePointMaxProfile"
TX_DEFAULT = "TxDefaultProfile"
TX = "TxProfile"
_PERIOD_S = {"Daily": 86_400.0, "Weekly": 7 * 86_400.0}


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` after the schedule's begin on: `limit` in the schedule's unit."""

    start_s: float
    limit: float
    phases: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile as it was sent.

    `connector` 0 means the whole station. `start_ms` None: relative to the transaction's begin,
    or to when it was `set_ms`. `unit` is W or A per phase.
    """

    profile_id: int
    connector: int
    purpose: str
    stack_level: int
    kind: str
    unit: str
    periods: tuple[Period, ...]
    set_ms: int
    start_ms: int | None = None
    duration_s: float | None = None
    recurrency: str = ""
    valid_from_ms: int | None = None
    valid_to_ms: int | None = None
    transaction: str = ""

    def limit_at(self, now_ms: int, begun_ms: int | None) -> float | None:
        """The limit in its unit at an instant; None where it says nothing.

        `begun_ms` is when the transaction began, None without one.
        """
        if self.valid_from_ms is not None and now_ms < self.valid_from_ms:
            return None
        if self.valid_to_ms is not None and now_ms >= self.valid_to_ms:
            return None
        passed_s = (now_ms - self._begin_ms(begun_ms)) / 1000
        if self.kind == "Recurring":
            passed_s %= _PERIOD_S[self.recurrency or "Daily"]
        if passed_s < 0 or (self.duration_s is not None and passed_s >= self.duration_s):
            return None
        limits = [period.limit for period in self.periods if period.start_s <= passed_s]
        return limits[-1] if limits else None

    def _begin_ms(self, begun_ms: int | None) -> int:
        if self.kind != "Relative" and self.start_ms is not None:
            return self.start_ms
        return begun_ms if begun_ms is not None else self.set_ms


@dataclass(frozen=True, slots=True)
class Connector:
    """Whose limit is asked for: its number, transaction, and how its amperes become power."""

    number: int
    transaction: str
    begun_ms: int | None
    phases: int
    voltage_v: float

    def kw(self, limit: float, unit: str) -> float:
        """A limit as power, kW; on DC amperes are those of the pack's voltage."""
        return limit / 1000 if unit == "W" else limit * self.voltage_v * max(self.phases, 1) / 1000


def limit_kw(profiles: Iterable[Profile], connector: Connector, now_ms: int) -> float | None:
    """What the connector may draw at most, kW; None where no profile says anything.

    A TxProfile replaces the TxDefaultProfile, the station's maximum bounds both; of one purpose
    the connector's own profiles go before the station's, then the highest stack level.
    """
    known = list(profiles)
    wanted = None
    if connector.transaction:
        wanted = _leading(known, TX, connector, now_ms)
    if wanted is None:
        wanted = _leading(known, TX_DEFAULT, connector, now_ms)
    bounds = [wanted, _leading(known, STATION_MAX, connector, now_ms)]
    return min((bound for bound in bounds if bound is not None), default=None)


def composite(
    profiles: Sequence[Profile],
    connector: Connector,
    from_ms: int,
    duration_s: int,
    rated_kw: float,
) -> list[tuple[int, float]]:
    """The limits of the next `duration_s` seconds as (start s, kW), equal neighbours joined.

    >>> night = Profile(1, 0, TX_DEFAULT, 0, "Absolute", "W", (Period(0, 3700),), 0, start_ms=5000)
    >>> composite([night], Connector(1, "", None, 3, 230.0), 0, 10, 11.0)
    [(0, 11.0), (5, 3.7)]
    """
    steps: list[tuple[int, float]] = []
    for second in sorted(_edges(profiles, connector, from_ms, duration_s)):
        limit = limit_kw(profiles, connector, from_ms + second * 1000)
        power_kw = rated_kw if limit is None else min(limit, rated_kw)
        if not steps or steps[-1][1] != power_kw:
            steps.append((second, power_kw))
    return steps


def _leading(
    profiles: list[Profile], purpose: str, connector: Connector, now_ms: int
) -> float | None:
    found: list[tuple[tuple[int, int], float]] = []
    for profile in profiles:
        if profile.purpose != purpose or profile.connector not in (0, connector.number):
            continue
        if profile.transaction and profile.transaction != connector.transaction:
            continue
        limit = profile.limit_at(now_ms, connector.begun_ms)
        if limit is not None:
            rank = (int(profile.connector != 0), profile.stack_level)
            found.append((rank, connector.kw(limit, profile.unit)))
    return max(found, key=lambda one: one[0])[1] if found else None


def _edges(
    profiles: Sequence[Profile], connector: Connector, from_ms: int, duration_s: int
) -> set[int]:
    """Seconds at which something may change; profiles change at whole seconds only."""
    edges = {0}
    for profile in profiles:
        marks = [period.start_s for period in profile.periods]
        marks += [profile.duration_s] if profile.duration_s is not None else []
        every_s = _PERIOD_S.get(profile.recurrency or "Daily", math.inf)
        begin_ms = profile.start_ms if profile.kind != "Relative" else None
        if begin_ms is None:
            begin_ms = connector.begun_ms if connector.begun_ms is not None else profile.set_ms
        instants = [begin_ms + mark * 1000 for mark in marks]
        if profile.kind == "Recurring":
            passed_s = (from_ms - begin_ms) / 1000
            last = int((passed_s + duration_s) // every_s)
            turns = range(int(passed_s // every_s), last + 1)
            instants = [at + turn * every_s * 1000 for at in instants for turn in turns]
        instants += [at for at in (profile.valid_from_ms, profile.valid_to_ms) if at is not None]
        edges |= {math.ceil((at - from_ms) / 1000) for at in instants}
    return {edge for edge in edges if 0 <= edge < duration_s}
