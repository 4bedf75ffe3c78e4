"""Keeps the charging profiles of a charge point and holds its EVSEs to them.

What a profile means is in `core/charging_profile.py`; how one arrives is in each version's face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from firmware_sim.core.charging_profile import (
    STATION_MAX,
    TX,
    Connector,
    Profile,
    composite,
    limit_kw,
)
from firmware_sim.core.controller import set_limit
from firmware_sim.core.evse import AC_VOLTAGE_V, Evse
from firmware_sim.fleet import Fleet

MAX_STACK_LEVEL: Final = 8
MAX_PERIODS: Final = 24
MAX_PROFILES: Final = 20
_DC_VOLTAGE_V: Final = 400.0


class ProfileShelf:
    """The profiles of one charge point; `transaction` gives what runs at an EVSE, "" for nothing.

    A real pile takes what fits into it: stack levels to 8, 24 periods, 20 profiles.
    """

    def __init__(
        self,
        fleet: Fleet,
        pile_id: str,
        now_ms: Callable[[], int],
        transaction: Callable[[Evse], str],
    ) -> None:
        self._fleet = fleet
        self._pile_id = pile_id
        self._now_ms = now_ms
        self._transaction = transaction
        self._begun_ms: dict[str, tuple[str, int]] = {}
        self._ahead: dict[int, Profile] = {}
        self.profiles: list[Profile] = []

    def put(self, profile: Profile) -> bool:
        """Takes a profile if it fits; one of the same id, or of the same place, makes room."""
        if not self._fits(profile):
            return False
        if profile.purpose == TX:
            # Bound to what runs now: the next transaction begins without it.
            here = dict(self._numbered())[profile.connector]
            profile = replace(profile, transaction=self._transaction(here))
        self.profiles = [*(p for p in self.profiles if not _replaces(profile, p)), profile]
        self.hold()
        return True

    def put_ahead(self, profile: Profile) -> bool:
        """Takes the profile of a transaction that is still to begin."""
        small = 0 <= profile.stack_level <= MAX_STACK_LEVEL and len(profile.periods) <= MAX_PERIODS
        if small:
            self._ahead[profile.connector] = profile
        return small

    def clear(self, fits: Callable[[Profile], bool]) -> bool:
        """Takes profiles away; False if none fitted."""
        self.hold()
        kept = [profile for profile in self.profiles if not fits(profile)]
        gone = len(kept) < len(self.profiles)
        self.profiles = kept
        self.hold()
        return gone

    def hold(self) -> None:
        """Holds every EVSE to what its profiles say now; those of ended transactions go."""
        running = {number: self._transaction(evse) for number, evse in self._numbered()}
        begun = [number for number in self._ahead if running[number]]
        self.profiles += [replace(self._ahead.pop(n), transaction=running[n]) for n in begun]
        self.profiles = [
            p for p in self.profiles if p.purpose != TX or p.transaction in running.values()
        ]
        for number, evse in self._numbered():
            wanted_kw = limit_kw(self.profiles, self._connector(number, evse), self._now_ms())
            if evse.limit_kw != wanted_kw and (self.profiles or evse.limit_kw is not None):
                self._fleet.change(evse.spec.evse_id, partial(set_limit, limit_kw=wanted_kw))

    def schedule(self, number: int, duration_s: int, unit: str) -> list[tuple[int, float]]:
        """The composite schedule of a connector (0: of the whole) in W or A."""
        numbered = [(n, evse) for n, evse in self._numbered() if number in (0, n)]
        evse = numbered[0][1]
        connector = self._connector(number, evse)
        rated_kw = self._fleet.pile(self._pile_id).spec.max_power_kw
        bounds = [p for p in self.profiles if number or p.purpose == STATION_MAX]
        steps = composite(bounds, connector, self._now_ms(), duration_s, rated_kw)
        watts_a_unit = 1.0 if unit == "W" else connector.kw(1.0, "A") * 1000
        return [(start_s, round(kw * 1000 / watts_a_unit, 1)) for start_s, kw in steps]

    def _fits(self, profile: Profile) -> bool:
        known = len(self._fleet.pile(self._pile_id).evses)
        right_place = 0 <= profile.connector <= known
        if profile.purpose == STATION_MAX:
            right_place = profile.connector == 0
        if profile.purpose == TX:
            running = {number: self._transaction(evse) for number, evse in self._numbered()}
            here = running.get(profile.connector, "")
            right_place = bool(here) and profile.transaction in ("", here)
        room = len(self.profiles) < MAX_PROFILES or any(
            _replaces(profile, p) for p in self.profiles
        )
        small = 0 <= profile.stack_level <= MAX_STACK_LEVEL and len(profile.periods) <= MAX_PERIODS
        return right_place and room and small and bool(profile.periods)

    def _numbered(self) -> list[tuple[int, Evse]]:
        return list(enumerate(self._fleet.pile(self._pile_id).evses, 1))

    def _connector(self, number: int, evse: Evse) -> Connector:
        transaction = self._transaction(evse)
        known = self._begun_ms.get(evse.spec.evse_id)
        if known is None or known[0] != transaction:
            known = self._begun_ms[evse.spec.evse_id] = (transaction, self._now_ms())
        phases = evse.spec.supply.phases
        voltage_v = AC_VOLTAGE_V if phases else (evse.voltage_v or _DC_VOLTAGE_V)
        begun_ms = known[1] if transaction else None
        return Connector(number, transaction, begun_ms, phases, voltage_v)


def _replaces(new: Profile, old: Profile) -> bool:
    place = ("connector", "purpose", "stack_level", "transaction")
    return new.profile_id == old.profile_id or all(
        getattr(new, name) == getattr(old, name) for name in place
    )
