"""Policies that reckon with queues: who stands there, who was sent there, each charge exactly."""

from __future__ import annotations

import heapq

import numpy as np

from city_sim.cars import Car, Choice, Doing
from city_sim.engine import Engine
from city_sim.policies.blind import Blind, Mask, least, open_drive_s

MEAN_CHARGE_S = 2_400.0  # that an expected queue is counted by
# Stations whose queue is worked out, nearest first.
_LOOKED_AT = 24


class QueueEta(Blind):
    """The least drive and expected queue, counting who is plugged in and who waits; no hold."""

    name = "queue-eta"

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The station that lets the car begin first, as far as can be seen now."""
        works = engine.fits(car) & engine.usable()
        drive_s = open_drive_s(engine, car, works)
        order = np.argsort(drive_s, kind="stable")[:_LOOKED_AT]
        total_s = np.full(drive_s.size, np.inf)
        for station in order[np.isfinite(drive_s[order])].tolist():
            begins_s = _queue_ends_s(engine, car, station, works)
            total_s[station] = max(drive_s[station], begins_s - engine.now_s)
        return least(total_s) or least(open_drive_s(engine, car, engine.fits(car)))


class GreedyHold(Blind):
    """The least drive and expected queue when the car asks, counting every car sent to a station.

    Whoever is beyond the plugs waits for a mean charge each. Held at once, never revised.
    """

    name = "greedy-hold"

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The station with the least of both."""
        works = engine.fits(car) & engine.usable()
        count = len(engine.district.stations)
        plugs = np.bincount(engine.district.station, works, count)
        sent = [
            other.station
            for other in engine.cars
            if other.index != car.index
            and other.station >= 0
            and other.doing in (Doing.DRIVING, Doing.WAITING, Doing.CHARGING)
            and (not other.demand.walk_in or other.doing is not Doing.DRIVING)
        ]
        beyond = np.maximum(np.bincount(sent, minlength=count) + 1 - plugs, 0.0)
        queue_s = beyond * MEAN_CHARGE_S / np.maximum(plugs, 1.0)
        return least(open_drive_s(engine, car, works) + queue_s) or least(
            open_drive_s(engine, car, engine.fits(car))
        )


class GreedyExact(Blind):
    """The EVSE that is reached and ready first, with every charge known to the second; held."""

    name = "greedy-exact"

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The EVSE with the least drive and expected queue at request time."""
        rows = np.flatnonzero(engine.fits(car) & engine.usable())
        if rows.size == 0:
            return None
        district = engine.district
        arrival_s = engine.now_s + engine.drive_s(car)[district.station[rows]]
        begin_s = np.maximum(
            arrival_s, np.where(engine.occupant[rows] >= 0, engine.ends_s[rows], -np.inf)
        )
        best, best_s, best_to_s = -1, np.inf, np.inf
        # A gap can only be later than this, so the search ends early.
        for place in np.argsort(begin_s, kind="stable").tolist():
            if begin_s[place] >= best_s:
                break
            evse, length_s = int(rows[place]), engine.charge_s(car, int(rows[place]))
            others = [w for index, w in engine.held[evse].items() if index != car.index]
            at_s = _first_gap_s(others, float(begin_s[place]), length_s)
            if at_s < best_s:
                best, best_s, best_to_s = evse, at_s, at_s + length_s
        return Choice(int(district.station[best]), best, best_s, best_to_s)


def _first_gap_s(held: list[tuple[float, float]], from_s: float, length_s: float) -> float:
    """The first instant from which a stay of this length meets no held window.

    >>> _first_gap_s([(10.0, 20.0), (25.0, 60.0)], 0.0, 8.0)
    0.0
    >>> _first_gap_s([(10.0, 20.0), (25.0, 60.0)], 5.0, 8.0)
    60.0
    """
    at_s = from_s
    for begins, ends in sorted(held):
        if begins < at_s + length_s and ends > at_s:
            at_s = ends
    return at_s


def _queue_ends_s(engine: Engine, car: Car, station: int, works: Mask) -> float:
    """When a plug for one more car should be free at this station, by who is there now."""
    start = int(engine.district.station_start[station])
    rows = range(start, start + int(engine.district.station_size[station]))
    ready = [
        max(float(engine.ends_s[e]), engine.now_s) if engine.occupant[e] >= 0 else engine.now_s
        for e in rows
        if works[e]
    ]
    heapq.heapify(ready)
    first = next(e for e in rows if works[e])
    for index in engine.queue[station]:
        if index != car.index:
            heapq.heapreplace(ready, ready[0] + engine.charge_s(engine.cars[index], first))
    return ready[0]
