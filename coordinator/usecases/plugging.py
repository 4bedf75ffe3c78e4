"""Whose plug-in it is: the promised car's, another one's of that station, or a walk-in's.

A plug-in is a promised car's by the driver's token, or because the car is there (`presence.py`).
What else changes a promise is in `watchman.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from coordinator.clock import Clock
from coordinator.core.areas.ledger import Claim, ClaimState
from coordinator.core.district import District
from coordinator.usecases.answer import HoldKind
from coordinator.usecases.guide import Guidance
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.presence import Presence
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.reroute import Rerouter
from coordinator.usecases.stays import Stays

TAKEN_GRACE_S = 3.0  # how long a plug-in waits for its car's word before it is a walk-in's
TOKEN_GRACE_S = 60.0  # the same where the pile itself keeps others from charging


class PlugIns:
    """Matches plug-ins and tokens with the cars that were promised something."""

    def __init__(
        self,
        district: District,
        claims: ClaimStore,
        promises: Promises,
        rerouter: Rerouter,
        guidance: Guidance,
        stays: Stays,
        clock: Clock,
    ) -> None:
        self._district = district
        self._claims = claims
        self._promises = promises
        self._rerouter = rerouter
        self._guidance = guidance
        self._stays = stays
        self._clock = clock
        self._presence = Presence(clock)
        self._tokens: dict[str, str] = {}  # hashes, of the sessions under way

    def note(self, evse_id: str, id_token_hash: str) -> None:
        """Takes the token of a session; returns at once."""
        self._tokens[evse_id] = id_token_hash

    def left(self, evse_id: str) -> None:
        """The session is over."""
        self._tokens.pop(evse_id, None)

    def _foreign(self, promise: Promise, evse_id: str) -> bool:
        """Whether another driver's token was shown there than that of this promise."""
        shown = self._tokens.get(evse_id)
        return bool(shown) and not self._may_be_of(promise, shown or "")

    async def plugged_in(self, evse_id: str, claims: Iterable[Claim]) -> None:
        """A car has plugged in: the one promised, one of this station that may, or a walk-in."""
        held: list[Claim] = list(claims)
        if self._stays.occupied(evse_id):
            return
        now_link_s = self._clock.link_s()
        promise = self._promises.of_claim(held[0].claim_id) if held else None
        if promise is None:
            await self._whose(evse_id)
        elif self._foreign(promise, evse_id):
            promise.taken_link_s = float("-inf")
        elif self._presence.is_here(promise):
            await self._guidance.occupy(promise)
        elif self._presence.is_far(promise):
            promise.taken_link_s = float("-inf")
        else:
            promise.taken_link_s = now_link_s  # its own word may still be on the way

    async def _whose(self, evse_id: str) -> None:
        """The plug-in is that of a car that has arrived here, or a walk-in's."""
        promise = self.arrived_near(evse_id)
        if promise is None or not await self._plug_in(promise, evse_id):
            self._stays.walk_in(evse_id)

    async def _plug_in(self, promise: Promise, evse_id: str) -> bool:
        """The car has plugged in here; False if it may not, because the place is another's."""
        choice = promise.answer.choice
        if choice.evse_id != evse_id and not self._nobodys(promise, evse_id):
            return False
        await self._guidance.occupy(promise, evse_id)
        return promise.closed == "ARRIVED"

    def _nobodys(self, promise: Promise, evse_id: str) -> bool:
        """Whether an EVSE of the promised station is promised to no other car."""
        claims = self._claims.table.of_evse(evse_id)
        return self._station_of(evse_id) == promise.answer.choice.station_id and not any(
            claim.vehicle_id for claim in claims
        )

    def _station_of(self, evse_id: str) -> str:
        """The station of an EVSE; empty if it is not known."""
        row = self._district.row.get(evse_id)
        if row is None:
            return ""
        return self._district.stations[int(self._district.station[row])].station_id

    async def shown(self, evse_id: str, id_token_hash: str) -> None:
        """A token was shown at a session that nobody has named yet.

        Its driver's car has arrived, wherever in its station it plugged in; another's token where
        a car was promised the place is a walk-in's.
        """
        if await self._known(evse_id, id_token_hash):
            return
        for promise in self._promises.open():
            token = promise.request.id_token
            if token and promise.claim_id and hashed(token) == id_token_hash:
                if self._station_of(evse_id) == promise.answer.choice.station_id:
                    # It charges there; who was to have the place comes after it.
                    await self._guidance.occupy(promise, evse_id)
                return
        for claim in self._claims.table.of_evse(evse_id)[:1]:
            waiting = self._promises.of_claim(claim.claim_id)
            if waiting is not None and waiting.request.id_token:
                waiting.taken_link_s = float("-inf")

    async def _known(self, evse_id: str, id_token_hash: str) -> bool:
        """Whether it is known who charges there; a car that has another token does not."""
        for claim in self._claims.table.of_evse(evse_id):
            if claim.state is not ClaimState.OCCUPIED or not claim.vehicle_id:
                continue
            promise = self._promises.get(claim.recommendation_id)
            if promise is None or self._may_be_of(promise, id_token_hash):
                return True
            await self._guidance.disown(promise)
        return False

    def _may_be_of(self, promise: Promise, id_token_hash: str) -> bool:
        """Whether this car's driver may have shown that token: it is hers, or hers is not known."""
        if token := promise.request.id_token:
            return hashed(token) == id_token_hash
        return not promise.token_mark or promise.token_mark == self._claims.mark(id_token_hash)

    def is_taken(self, promise: Promise, link_s: float) -> bool:
        """Whether a plug-in at its EVSE has waited long enough for the promised car's word."""
        firm = promise.answer.hold.kind is HoldKind.FIRM
        grace_s = TOKEN_GRACE_S if firm else TAKEN_GRACE_S
        return link_s - promise.taken_link_s >= grace_s

    async def taken(self, promise: Promise) -> None:
        """Another car has the plug: one that waited for it here, or one that nobody knows."""
        evse_id = promise.answer.choice.evse_id
        promise.arrived_link_s = promise.fixed_link_s = float("-inf")
        other = self.arrived_near(evse_id)
        if not await self._rerouter.elsewhere(promise, "PILE_TAKEN"):
            promise.taken_link_s = float("inf")
            if other is not None:
                await self._rerouter.reroute(promise, "PILE_TAKEN")
        # Nothing else is free: its turn is after the walk-in, and it is told so.
        await self._whose(evse_id)

    def _may_be(self, promise: Promise, evse_id: str) -> bool:
        return self._presence.is_here(promise) and not self._foreign(promise, evse_id)

    def arrived_near(self, evse_id: str) -> Promise | None:
        """A car that has arrived and stands at no other EVSE: of this one's queue, or its station.

        Those who were promised this EVSE come first, in the order of their places.
        """
        for claim in self._claims.table.of_evse(evse_id):
            promise = self._promises.of_claim(claim.claim_id)
            if promise is not None and self._may_be(promise, evse_id):
                return promise
        station_id = self._station_of(evse_id)
        for promise in self._promises.open():
            if (
                self._may_be(promise, evse_id)
                and promise.answer.choice.station_id == station_id
                and not promise.arrived_evse_id
            ):
                return promise
        return None


def hashed(id_token: str) -> str:
    """A driver's token as agents tell it: SHA-256 in hexadecimal."""
    return hashlib.sha256(id_token.encode()).hexdigest()
