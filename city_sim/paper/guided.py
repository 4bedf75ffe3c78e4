"""Pilewise on the paper's scene: cars come one by one, each is answered and held a slot at once,
and all who have come are planned anew together.

Cost, joint plan and chains of moves are the product's; here they are only fed. Nobody has set out
yet and a slot has no hour, so drive and load are all that differs between two slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from city_sim.paper.configurations import GRADES
from city_sim.paper.instance import SPEED_KMH, Instance
from coordinator.core.areas.assignment import NOWHERE, Plan, assign
from coordinator.core.areas.cost import cost
from coordinator.core.areas.moves import Wish, chains
from coordinator.core.areas.places import Judged, Places, problem
from coordinator.core.recommend.traffic import equilibrium
from coordinator.core.recommend.waiting import time_on_the_way_h
from coordinator.core.vehicle import WarningLevel

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# The paper's factor regards traffic: that is the third level of the chain, of cars without haste.
LEVEL = int(WarningLevel.LOW)
CANDIDATES = 20  # stations that a car may be sent to by the joint plan, besides its own
ROUNDS = 10  # plans are made while so many cars more have come: after each tenth of them


class Plans(StrEnum):
    """What becomes of a joint plan.

    NONE: there is none, a slot once held stays held. STEPS: as on the road, into slots that are
    free now, in chains of at most three, never in a circle. WHOLE: all are told at once, which is
    safe while nobody has set out.
    """

    NONE = "none"
    STEPS = "steps"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Guided:
    """Where each car is sent, (n,), and how often plans sent a car elsewhere."""

    station: Index
    switches: int


def guided(scene: Instance, plans: Plans = Plans.WHOLE) -> Guided:
    """What Pilewise tells the cars of a scene, in the order in which they come.

    Source: paper 2.3.1, 2.3.2.3.
    """
    desk = _Desk(scene)
    every = -(-scene.cars // ROUNDS)
    for car in range(scene.cars):
        desk.answer(car)
        if plans is not Plans.NONE and ((car + 1) % every == 0 or car + 1 == scene.cars):
            desk.replan(car + 1, plans)
    return Guided(desk.station(scene.cars), desk.switches)


def costs_s(distance_km: Floats, load: Floats, promised: Floats) -> Floats:
    """The one cost of each station for each car, seconds, (n, s); `promised` cars by station, (s,).

    Without price, failures and models: those terms are equal for all. A load above 5 counts as
    grade 5. Source: paper 2.3.2.3.
    """
    nothing = np.zeros_like(distance_km)
    busy = equilibrium(promised, np.full(len(promised), promised.mean()))
    return cost(
        np.full((len(distance_km), 1), LEVEL),
        time_on_the_way_h_of(distance_km) * 3600.0,
        nothing, nothing, nothing, nothing + busy,
        np.minimum(load, float(GRADES)),
        nothing, nothing,
    ).total  # fmt: skip


def time_on_the_way_h_of(distance_km: Floats) -> Floats:
    """Eq. (6) for all ways at once, hours. Source: paper Eq. (6)."""
    return distance_km * time_on_the_way_h(1.0, SPEED_KMH)


class _Desk:
    """Who holds which slot: slot k of station s is place s × slots + k."""

    def __init__(self, scene: Instance) -> None:
        self.scene = scene
        self.slots = scene.size.slots_per_station
        self.held = np.full(scene.cars, NOWHERE, dtype=np.intp)  # place of each car
        self.free = np.ones(scene.size.slots, dtype=bool)
        self.switches = 0

    def station(self, count: int) -> Index:
        """Where the first `count` cars are sent."""
        return self.held[:count] // self.slots

    def _promised(self, count: int) -> Floats:
        sent = np.bincount(self.station(count), minlength=self.scene.size.stations)
        return sent.astype(np.float64)

    def answer(self, car: int) -> None:
        """Holds a free slot of the cheapest station for a car that has just come."""
        scene, promised = self.scene, self._promised(car)
        told = costs_s(scene.distance_km[car : car + 1], scene.load[car : car + 1], promised)[0]
        station = int(np.where(promised < self.slots, told, np.inf).argmin())
        here = self.free[station * self.slots : (station + 1) * self.slots]
        self._hold(car, station * self.slots + int(here.argmax()))

    def _hold(self, car: int, place: int) -> None:
        self.held[car] = place
        self.free[place] = False

    def replan(self, count: int, plans: Plans) -> None:
        """Plans the cars that have come together, and moves those who gain by it."""
        scene = self.scene
        told = costs_s(scene.distance_km[:count], scene.load[:count], self._promised(count))
        plan = self._planned(told)
        if plans is Plans.STEPS:
            self._step(plan, told)
            return
        before = self.station(count)
        self.held[:count] = plan.place
        self.free[:] = True
        self.free[plan.place] = False
        self.switches += int((self.station(count) != before).sum())

    def _planned(self, told: Floats) -> Plan:
        """The joint plan over all slots of the stations that come into question for each car."""
        count, stations = told.shape
        every = np.arange(stations * self.slots)
        found = Places(every, np.zeros_like(every), np.zeros(len(every)), every // self.slots)
        wanted = np.zeros(told.shape, dtype=bool)
        wanted[np.arange(count)[:, None], told.argsort(axis=1)[:, :CANDIDATES]] = True
        wanted[np.arange(count), self.station(count)] = True
        car, kind = wanted.nonzero()
        nothing = np.zeros(len(car))
        judged = Judged(car, kind, nothing, told[car, kind], nothing)
        return assign(
            problem(
                np.full(count, LEVEL), self.held[:count].copy(), np.zeros(count, dtype=bool),
                judged, found, found.kind,
            )
        )  # fmt: skip

    def _step(self, plan: Plan, told: Floats) -> None:
        """Carries out the moves that are safe on the road."""
        wishes = []
        for car in range(len(told)):
            now, to = int(self.held[car]), int(plan.place[car])
            here, there = now // self.slots, to // self.slots
            if here != there:
                gain_s = float(told[car, here] - told[car, there])
                wishes.append(Wish(car, now, 0, here, to, 0, there, gain_s))
        taken = {int(place): 1 for place in np.flatnonzero(~self.free)}
        for chain in chains(wishes, taken):
            for wish in chain:
                self.free[wish.evse] = True
                self._hold(wish.car, wish.to_evse)
                self.switches += 1
