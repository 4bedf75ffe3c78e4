"""A stored day as the city's engine plays it: who wants charge when and where, what failed.

Pure. A request is one demand with the stay that its car really made; a session that nobody asked
for is somebody who just came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from city_sim.demand import Demand, Disturbance, DisturbanceKind
from city_sim.whatif.stored import Asked, StoredDay
from coordinator.core.pile import Station
from coordinator.core.sessions import ChargeSession

SAME_WISH_S = 3_600.0  # a car that asks again within this still wants the same charge
ARRIVES_WITHIN_S = 3 * 3_600.0  # a session of the car in this time after its request is its own
AHEAD_S = 1_800.0  # before its window a car that asked for a later time sets out
LONGEST_FAULT_S = 4 * 3_600.0  # where no later session shows that the plug works again
LEAST_STAY_S = 60.0


@dataclass(frozen=True, slots=True)
class DayScene:
    """What is replayed. `notes` says in words what the store could not tell."""

    demands: tuple[Demand, ...]
    disturbances: tuple[Disturbance, ...]
    begins_s: float
    ends_s: float
    notes: tuple[str, ...]

    @property
    def asked(self) -> int:
        """Cars that ask."""
        return sum(not demand.walk_in for demand in self.demands)


def scene_of(day: StoredDay) -> DayScene:
    """Demands in order of time, and what stood still meanwhile."""
    evses = {e.evse_id for s in day.stations for p in s.piles for e in p.evses}
    places = {s.station_id: s for s in day.stations}
    station_of = {e.evse_id: s for s in day.stations for p in s.piles for e in p.evses}
    wishes = _wishes(day.asked)
    own = _own_sessions(wishes, day.sessions)
    taken = {session.key for session in own.values()}
    demands = [_demand(first, own.get(n)) for n, (first, _) in enumerate(wishes)]
    came, lost = [], 0
    for session in day.sessions:
        if session.key in taken or _left(session) <= day.begins_s:
            continue
        station = places.get(session.station_id) or station_of.get(session.evse_id)
        if station is None:
            lost += 1
        else:
            came.append(_stranger(session, station))
    disturbances = [*_outages(day), *_faults(day, evses)]
    notes = _notes(day, wishes, len(own), len(came), lost)
    demands = sorted([*demands, *came], key=lambda d: (d.at_s, d.car_id))
    return DayScene(tuple(demands), tuple(disturbances), day.begins_s, day.ends_s, notes)


def _wishes(asked: Iterable[Asked]) -> list[tuple[Asked, list[Asked]]]:
    """Requests that are one wish: the first, and all of them."""
    found: list[tuple[Asked, list[Asked]]] = []
    newest: dict[str, tuple[Asked, list[Asked]]] = {}
    for one in asked:
        known = newest.get(one.request.vehicle_id)
        if known is not None and one.at_s - known[1][-1].at_s <= SAME_WISH_S:
            known[1].append(one)
            continue
        newest[one.request.vehicle_id] = wish = (one, [one])
        found.append(wish)
    return found


def _own_sessions(
    wishes: list[tuple[Asked, list[Asked]]], sessions: Iterable[ChargeSession]
) -> dict[int, ChargeSession]:
    """Where each wish was fulfilled, as far as that is known: by promise, else by car and time."""
    by_promise: dict[str, ChargeSession] = {}
    by_car: dict[str, list[ChargeSession]] = {}
    for session in sessions:
        if session.recommendation_id:
            by_promise.setdefault(session.recommendation_id, session)
        if session.vehicle_id:
            by_car.setdefault(session.vehicle_id, []).append(session)
    found: dict[int, ChargeSession] = {}
    taken: set[tuple[str, float]] = set()
    for number, (first, requests) in enumerate(wishes):
        promised = [by_promise.get(one.recommendation_id) for one in requests]
        after = [
            session
            for session in by_car.get(first.request.vehicle_id, ())
            if 0.0 <= session.started_at_s - first.at_s <= ARRIVES_WITHIN_S
        ]
        for candidate in (*promised, *after):
            if candidate is not None and candidate.key not in taken:
                found[number] = candidate
                taken.add(candidate.key)
                break
    return found


def _demand(first: Asked, session: ChargeSession | None) -> Demand:
    request, at_s = first.request, first.at_s
    if request.arrival_window_s is not None:
        at_s = max(at_s, request.arrival_window_s[0] - AHEAD_S)
    return Demand(
        at_s, request.latitude_deg, request.longitude_deg, request.soc_pct, request.vehicle,
        request.target_soc_pct, car_id=request.vehicle_id, user_id=request.user_id,
        charge_s=_stay_s(session), destination=request.destination, purpose=request.purpose,
        charge_place=request.charge_place, arrive_by_s=request.arrive_by_s,
    )  # fmt: skip


def _stranger(session: ChargeSession, station: Station) -> Demand:
    """Somebody who stands at the station when it came, and stays as long as it did."""
    waited_s = session.wait_s if session.wait_s >= 0.0 else 0.0
    soc_pct = session.start_soc_pct if session.start_soc_pct >= 0.0 else 30.0
    return Demand(
        session.started_at_s - waited_s, station.latitude_deg, station.longitude_deg, soc_pct,
        car_id=f"came {session.evse_id} {session.started_at_s:.0f}", charge_s=_stay_s(session),
        walk_in=True,
    )  # fmt: skip


def _stay_s(session: ChargeSession | None) -> float | None:
    """Seconds at the plug; None where the car has not left, or never came."""
    if session is None or session.ended_at_s is None:
        return None
    return max(session.ended_at_s - session.started_at_s, LEAST_STAY_S)


def _left(session: ChargeSession) -> float:
    return float("inf") if session.ended_at_s is None else session.ended_at_s


def _outages(day: StoredDay) -> list[Disturbance]:
    """Planned outages that touch the day."""
    found = []
    for outage in day.outages:
        if outage.to_s <= day.begins_s or outage.from_s >= day.ends_s:
            continue
        found += [
            Disturbance(evse.evse_id, DisturbanceKind.FAULT, outage.from_s, outage.to_s)
            for station in day.stations
            for pile in station.piles
            for evse in pile.evses
            if outage.evse_id == evse.evse_id
            or (not outage.evse_id and outage.station_id == station.station_id)
        ]
    return found


def _faults(day: StoredDay, evses: set[str]) -> list[Disturbance]:
    """Faults that ended sessions, until the plug was used again."""
    begins: dict[str, list[float]] = {}
    for session in day.sessions:
        begins.setdefault(session.evse_id, []).append(session.started_at_s)
    found = []
    for session in day.sessions:
        at_s = session.ended_at_s
        if not session.ended_by_fault or at_s is None or session.evse_id not in evses:
            continue
        if at_s <= day.begins_s:
            continue
        later = [begin for begin in begins[session.evse_id] if begin >= at_s]
        to_s = min([*later, at_s + LONGEST_FAULT_S])
        if to_s > at_s:
            found.append(Disturbance(session.evse_id, DisturbanceKind.FAULT, at_s, to_s))
    return found


def _notes(
    day: StoredDay, wishes: list[tuple[Asked, list[Asked]]], own: int, came: int, lost: int
) -> tuple[str, ...]:
    """What the replay has to assume, with the numbers that it concerns."""
    without = len(wishes) - own
    strange = sum(not first.known_car for first, _ in wishes)
    again = sum(len(requests) - 1 for _, requests in wishes)
    told = (
        (again, "requests were the same car asking again within an hour; each car comes once"),
        (strange, "requests were imported without their car: a usual car of 60 kWh stands in"),
        (
            without,
            "cars asked and no session of theirs was seen: they count as coming, and stay as long "
            "as car and plug would take",
        ),
        (lost, "sessions are at places that are no longer stored, and are left out"),
    )
    notes = [f"{count} {words}" for count, words in told if count]
    if not came:
        notes.append("no session of a car that just came is stored: everybody asks")
    if not day.roads:
        notes.append("no road network is stored: ways are estimated")
    return tuple(notes)


def at_start(demand: Demand, begins_s: float) -> bool:
    """Whether it was there before the day began, and is not of the day's figures."""
    return demand.at_s < begins_s


def renamed(demand: Demand, copy: int, at_s: float) -> Demand:
    """A second car of the same wish at another instant."""
    return replace(demand, car_id=f"{demand.car_id} +{copy}", at_s=at_s)
