"""How often each caller may call, by the section `[identity]`; a storm of one leaves others alone.

How turns are counted is in `core/pace.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from coordinator.config_identity import IdentitySection
from coordinator.core.caller import Caller, Scope
from coordinator.core.pace import Buckets, Pace
from coordinator.denials import TooOften
from coordinator.usecases.counters import Counters

GUESSES = Pace(5.0, 50.0)  # wrong tokens of one address


class Pacing:
    """Raises `TooOften` for who calls too often; times in link time."""

    def __init__(
        self, settings: IdentitySection, link_s: Callable[[], float], counters: Counters
    ) -> None:
        self._link_s = link_s
        self._counters = counters
        self._buckets = Buckets()
        self._guesses = Buckets(10_000)
        self._vehicle = Pace(settings.vehicle_per_s, settings.vehicle_burst)
        self._others = (
            (Scope.FLEET, "fleet", Pace(settings.fleet_per_s, settings.fleet_burst)),
            (Scope.AGENT, "agent", Pace(settings.agent_per_s, settings.agent_burst)),
            (Scope.READ, "operator", Pace(settings.operator_per_s, settings.operator_burst)),
        )

    def call(self, caller: Caller) -> None:
        """Counts a call of whoever it is; districts, and this machine unproved, call freely."""
        if caller.anonymous:
            return
        if caller.scopes & Scope.CAR:
            self._take(f"vehicle {caller.vehicle_id}", self._vehicle)
            return
        for scope, kind, pace in self._others:
            if caller.scopes & scope:
                self._take(f"{kind} {caller.name}", pace)
                return

    def car(self, caller: Caller, vehicle_id: str) -> None:
        """Counts what a fleet asks for one of its cars."""
        if not caller.anonymous and caller.scopes & Scope.FLEET and caller.drives(vehicle_id):
            self._take(f"vehicle {vehicle_id}", self._vehicle)

    def may_guess(self, host: str) -> None:
        """Raises if too many wrong tokens came from this address."""
        wait_s = self._guesses.wait_s(host, GUESSES, self._link_s())
        if wait_s:
            self._counters.add("calls_throttled")
            raise TooOften("an address with wrong tokens", GUESSES.per_s, wait_s)

    def guessed(self, host: str) -> None:
        """A wrong token came from this address."""
        self._guesses.take(host, GUESSES, self._link_s())

    def _take(self, key: str, pace: Pace) -> None:
        wait_s = self._buckets.take(key, pace, self._link_s())
        if wait_s:
            self._counters.add("calls_throttled")
            raise TooOften(key, pace.per_s, wait_s)
