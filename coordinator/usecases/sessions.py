"""The sessions of a district as they happen: measured by rows, named by claims and by tokens.

What rows mean is in `core/history.py`, what a session is in `core/sessions.py`. The table outlives
the process; here is what of it is needed at once: sessions under way, and those of known drivers in
the last 30 days.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from coordinator.core.district import District
from coordinator.core.history import Session
from coordinator.core.sessions import ChargeSession, Key, Visits, measured, nobodys, visits_of
from coordinator.errors import StoreClosed, StoreUnavailable
from coordinator.usecases.person import Person

log = structlog.get_logger()

KEPT_S = 30 * 86_400.0  # of sessions in memory, domain time. Source: paper 2.1 (last 30 days)
PRUNE_S = 3_600.0  # domain time


class SessionStore(Protocol):
    """What keeps sessions; each call is durable on return."""

    async def put_sessions(self, sessions: Sequence[ChargeSession]) -> None:
        """Adds or replaces sessions, whole."""
        ...

    async def list_sessions(
        self, since_s: float, *, user_id: str = "", vehicle_id: str = ""
    ) -> list[ChargeSession]:
        """Sessions begun since then, oldest first; of this user or car, or of all."""
        ...


class SessionBook:
    """Which sessions there are. `on_session` hears of each that begins, is named, or ends."""

    def __init__(
        self,
        district: District,
        store: SessionStore | None = None,
        sessions: Iterable[ChargeSession] = (),
        visits: Visits | None = None,
    ) -> None:
        self.on_session: list[Callable[[ChargeSession], None]] = []
        self.visits: Visits = {} if visits is None else visits
        self._district = district
        self._store = store
        self._fresh: dict[Key, ChargeSession] = {}  # not stored yet as they are
        self._under_way: dict[str, ChargeSession] = {}
        self._known: dict[Key, ChargeSession] = {}
        self._of_user: dict[str, list[Key]] = {}
        self._of_vehicle: dict[str, list[Key]] = {}
        self._holders: dict[str, tuple[str, str]] = {}  # token hash to vehicle and user
        self._pruned_at_s = float("-inf")
        for session in sorted(sessions, key=lambda one: one.started_at_s):
            self._keep(session)

    def of_user(self, user_id: str, since_s: float) -> list[ChargeSession]:
        """Sessions of a user that began since then, at most 30 days back, oldest first."""
        return self._since(self._of_user.get(user_id, ()), since_s)

    def of_vehicle(self, vehicle_id: str, since_s: float) -> list[ChargeSession]:
        """Sessions of a car that began since then, at most 30 days back, oldest first."""
        return self._since(self._of_vehicle.get(vehicle_id, ()), since_s)

    def named(self) -> list[ChargeSession]:
        """Sessions of the last 30 days whose driver or car is known."""
        return list(self._known.values())

    def at(self, evse_id: str) -> ChargeSession | None:
        """The session under way at an EVSE."""
        return self._under_way.get(evse_id)

    def see(self, seen: Session) -> ChargeSession:
        """Takes a session that rows began or ended, before they are believed; gives all of it."""
        key = (seen.evse_id, seen.started_at_s)
        known = self._under_way.get(seen.evse_id)
        if known is None or known.key != key:
            known = self._known.get(key)
        session = measured(known, seen, self._district)
        self._keep(session)
        self._tell(session)
        return session

    def presented(self, evse_id: str, id_token_hash: str) -> None:
        """Takes the token shown at a session under way: whoever held it before is its driver."""
        session = self._under_way.get(evse_id)
        if session is None or not id_token_hash or session.id_token_hash == id_token_hash:
            return
        session = replace(session, id_token_hash=id_token_hash)
        holder = self._holders.get(id_token_hash)
        if holder is not None and not session.vehicle_id:
            session = replace(session, vehicle_id=holder[0], user_id=holder[1])
            self._count(session)
        self._keep(session)
        self._tell(session)

    async def name(
        self,
        evse_id: str,
        vehicle_id: str,
        user_id: str,
        recommendation_id: str = "",
        queue_length: int | None = None,
        wait_s: float = float("nan"),
        promised_at_s: float = float("nan"),
    ) -> None:
        """Says whose session it is that began at an EVSE: the car of the claim there.

        Without a session under way only the visit is counted.
        """
        session = self._under_way.get(evse_id)
        if session is None:
            row = self._district.row.get(evse_id)
            if row is not None:
                station = self._district.stations[int(self._district.station[row])]
                self._count(
                    ChargeSession(evse_id, 0.0, station_id=station.station_id, user_id=user_id)
                )
            return
        fresh = session.user_id != user_id
        session = replace(
            session,
            vehicle_id=vehicle_id,
            user_id=user_id,
            recommendation_id=recommendation_id,
            queue_length=session.queue_length if queue_length is None else queue_length,
            wait_s=wait_s,
            promised_at_s=promised_at_s,
        )
        if fresh:
            self._count(session)
        self._keep(session)
        self._tell(session)
        # Durable at once: after a restart the visit is counted from the table.
        await self._store_fresh()

    async def put(self, sessions: Sequence[ChargeSession]) -> None:
        """Takes sessions that somebody else kept; one that is known already is replaced."""
        if self._store is not None:
            await self._store.put_sessions(sessions)
        for session in sessions:
            known = self._known.get(session.key)
            if known is None or known.user_id != session.user_id:
                self._count(session)
            self._keep(session)
            for tell in self.on_session:
                tell(session)

    async def listed(
        self, since_s: float, *, user_id: str = "", vehicle_id: str = ""
    ) -> list[ChargeSession]:
        """Sessions of the table begun since then, as they are now; of this user or car, or all."""
        await self._store_fresh()
        if self._store is None:
            return []
        return await self._store.list_sessions(since_s, user_id=user_id, vehicle_id=vehicle_id)

    def forget(self, person: Person) -> None:
        """Takes a person out; sessions stay as readings of the pile, and are nobody's."""
        for key, session in list(self._known.items()):
            if person.has(session.user_id, session.vehicle_id):
                del self._known[key]
                # Somebody else may have driven that car, or been driven in another.
                _take_out(self._of_user, session.user_id, key)
                _take_out(self._of_vehicle, session.vehicle_id, key)
        for key, session in list(self._fresh.items()):
            if person.has(session.user_id, session.vehicle_id):
                self._fresh[key] = nobodys(session)
        for evse_id, session in list(self._under_way.items()):
            if person.has(session.user_id, session.vehicle_id):
                self._under_way[evse_id] = nobodys(session)
        self._holders = {
            token: whose
            for token, whose in self._holders.items()
            if not person.has(whose[1], whose[0])
        }
        self.visits.pop(person.user_id, None)

    def take_fresh(self) -> list[ChargeSession]:
        """What has to be stored: whoever takes it stores it, or gives it back."""
        fresh, self._fresh = list(self._fresh.values()), {}
        return fresh

    def give_back(self, sessions: Iterable[ChargeSession]) -> None:
        """Takes back what could not be stored; what is newer stays."""
        self._fresh = {s.key: s for s in sessions} | self._fresh

    async def _store_fresh(self) -> None:
        """Makes what has changed durable; what the disk refuses is tried again later."""
        fresh = self.take_fresh()
        if self._store is None or not fresh:
            return
        try:
            await self._store.put_sessions(fresh)
        except (StoreUnavailable, StoreClosed) as error:
            self.give_back(fresh)
            log.warning("sessions not stored", why=str(error))

    def _keep(self, session: ChargeSession) -> None:
        if session.ended_at_s is None:
            self._under_way[session.evse_id] = session
        elif self._under_way.get(session.evse_id, session).key == session.key:
            self._under_way.pop(session.evse_id, None)
        if session.id_token_hash and session.vehicle_id:
            self._holders[session.id_token_hash] = session.vehicle_id, session.user_id
        if not (session.user_id or session.vehicle_id):
            return
        before = self._known.get(session.key)
        self._known[session.key] = session
        for table, name in ((self._of_user, "user_id"), (self._of_vehicle, "vehicle_id")):
            owner, former = getattr(session, name), getattr(before, name, "")
            if former and former != owner:
                _take_out(table, former, session.key)
            if owner and former != owner:
                bisect.insort(table.setdefault(owner, []), session.key, key=lambda key: key[1])
        self._prune(session.started_at_s)

    def _prune(self, now_s: float) -> None:
        """Forgets what is older than 30 days, now and then; the table keeps it."""
        if now_s - self._pruned_at_s < PRUNE_S:
            return
        self._pruned_at_s = now_s
        old = {key for key in self._known if key[1] < now_s - KEPT_S}
        for key in old:
            del self._known[key]
        for table in (self._of_user, self._of_vehicle):
            for owner in [owner for owner, keys in table.items() if keys[0] in old]:
                table[owner] = [key for key in table[owner] if key not in old]
                if not table[owner]:
                    del table[owner]

    def _since(self, keys: Sequence[Key], since_s: float) -> list[ChargeSession]:
        first = bisect.bisect_left(keys, since_s, key=lambda key: key[1])
        return [self._known[key] for key in keys[first:]]

    def _count(self, session: ChargeSession) -> None:
        """Counts a visit of the session's driver, once for each session."""
        for user, stations in visits_of([session]).items():
            self.visits.setdefault(user, type(stations)()).update(stations)

    def _tell(self, session: ChargeSession) -> None:
        self._fresh[session.key] = session
        for tell in self.on_session:
            tell(session)


def _take_out(table: dict[str, list[Key]], owner: str, key: Key) -> None:
    """Removes a session from an owner's; without any the owner is gone."""
    keys = table.get(owner, [])
    if key in keys:
        keys.remove(key)
    if not keys:
        table.pop(owner, None)
