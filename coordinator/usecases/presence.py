"""Whether a promised car can be the one that has just plugged in: by its word, and by its fixes.

Whose plug-in it is in the end is decided in `plugging.py`. A token that is shown goes before all of
this.
"""

from __future__ import annotations

from coordinator.clock import Clock
from coordinator.core.geo import great_circle_km
from coordinator.usecases.promises import Promise

ARRIVED_S = 120.0  # a plug-in within so long of "arrived" is that car's, link time
NEAR_KM = 0.1  # from the entrance, and as much as the fix may be wrong: the car is there
UNSURE_KM = 0.1  # more than this a fix is not thought to be wrong without saying so
FAR_KM = 0.5  # further than this it is not there, whatever the size of the station
FASTEST_KMH = 120.0  # in a straight line, since its last fix
NEVER = float("-inf")


class Presence:
    """Says where promised cars can be now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def is_here(self, promise: Promise) -> bool:
        """Whether the car has said lately that it is there, or its fix says so; none against it.

        Source: paper 2.3.1. Departs: the paper takes every car that comes for the one it sent.
        """
        if self.is_far(promise):
            return False
        now_s = self._clock.link_s()
        if now_s - promise.arrived_link_s <= ARRIVED_S:
            return True
        if promise.drives or now_s - promise.fixed_link_s > ARRIVED_S:
            return False
        return self.distance_km(promise) <= NEAR_KM + _unsure_km(promise)

    def is_far(self, promise: Promise) -> bool:
        """Whether it cannot be there: further off at its last fix than it can have driven since."""
        if promise.fixed_link_s == NEVER:
            return False  # where it asked from says nothing: its word counts
        since_s = (self._clock.link_s() - promise.fixed_link_s) * self._clock.speed
        driven_km = since_s / 3_600.0 * FASTEST_KMH
        return self.distance_km(promise) > FAR_KM + _unsure_km(promise) + driven_km

    def has_left(self, promise: Promise) -> bool:
        """Whether its newest fix is away from where it is thought to be plugged in."""
        return self.distance_km(promise) > FAR_KM + _unsure_km(promise)

    @staticmethod
    def distance_km(promise: Promise) -> float:
        """From its last fix to the entrance of its station, in a straight line."""
        here = promise.request.latitude_deg, promise.request.longitude_deg
        return great_circle_km(here, promise.answer.entrance)


def _unsure_km(promise: Promise) -> float:
    accuracy_m = promise.request.accuracy_m
    return UNSURE_KM if accuracy_m is None else accuracy_m / 1_000.0
