"""All claims in memory, by id, by EVSE and by car; live ones and those ended lately.

What may be promised is decided in `claim_index.py`; here claims are only put in and taken out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from coordinator.core.areas.ledger import Claim, ClaimState, Moment

KEPT_ENDED = 20_000  # ended claims remembered, so that a repeated call finds its answer


class ClaimTable:
    """Claims by their keys. Within an EVSE they stand in order of their windows.

    Windows in the future stand apart from what is claimed now.

    Source: paper 2.3.1.
    """

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._by_evse: dict[str, list[Claim]] = {}
        self._by_car: dict[str, list[Claim]] = {}
        self._windows_by_evse: dict[str, list[Claim]] = {}
        self._windows_by_car: dict[str, list[Claim]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()  # in order of their end
        self._offers: list[tuple[float, str]] = []  # heaps of (lease end, claim_id)
        self._leases: list[tuple[float, str]] = []
        self._stays: list[tuple[float, str]] = []  # a heap of (end of the window, claim_id)

    def get(self, claim_id: str) -> Claim | None:
        """The claim as it is, live or ended lately."""
        return self._claims.get(claim_id)

    def of_evse(self, evse_id: str) -> Sequence[Claim]:
        """Live claims on an EVSE, in order of their windows; none that is for later."""
        return self._by_evse.get(evse_id, ())

    def of_car(self, vehicle_id: str) -> Sequence[Claim]:
        """Live claims of a car, the older first; a walk-in is nobody's."""
        return self._by_car.get(vehicle_id, ()) if vehicle_id else ()

    def windows_of_evse(self, evse_id: str) -> Sequence[Claim]:
        """Windows in the future for which an EVSE is kept, in order."""
        return self._windows_by_evse.get(evse_id, ())

    def windows_of_car(self, vehicle_id: str) -> Sequence[Claim]:
        """Windows in the future that are kept for a car: one, or none."""
        return self._windows_by_car.get(vehicle_id, ())

    @property
    def window_count(self) -> int:
        """On how many EVSEs windows in the future are kept."""
        return len(self._windows_by_evse)

    def windows(self) -> Iterator[Claim]:
        """All windows in the future."""
        for claims in self._windows_by_evse.values():
            yield from claims

    def on_evse(self, evse_id: str) -> Sequence[Claim]:
        """All that excludes others on an EVSE, now and later, in order."""
        now, later = self._by_evse.get(evse_id, ()), self._windows_by_evse.get(evse_id)
        return sorted((*now, *later), key=_begin) if later else now

    def live(self) -> Iterator[Claim]:
        """All live claims, with the windows in the future."""
        for claims in self._by_evse.values():
            yield from claims
        yield from self.windows()

    def remembered(self) -> Iterator[Claim]:
        """All claims, live or ended lately."""
        yield from self._claims.values()

    def put(self, claim: Claim) -> Claim | None:
        """Puts a claim in, in place of the one with its id, which is given back."""
        before = self._claims.get(claim.claim_id)
        if before is not None:
            self.remove(before)
        self._claims[claim.claim_id] = claim
        if not claim.live:
            self._ended[claim.claim_id] = None
            if len(self._ended) > KEPT_ENDED:
                del self._claims[self._ended.popitem(last=False)[0]]
            return before
        by_evse, by_car = self._tables(claim)
        queue = by_evse.setdefault(claim.evse_id, [])
        queue.append(claim)
        if len(queue) > 1:
            queue.sort(key=_begin)
        if claim.vehicle_id:
            by_car.setdefault(claim.vehicle_id, []).append(claim)
        if claim.state is ClaimState.OFFERED:
            heappush(self._offers, (claim.lease_until_s, claim.claim_id))
        elif claim.state is ClaimState.CONFIRMED:
            heappush(self._leases, (claim.lease_until_s, claim.claim_id))
        elif claim.state is ClaimState.OCCUPIED:
            heappush(self._stays, (claim.to_s, claim.claim_id))
        return before

    def remove(self, claim: Claim) -> None:
        """Takes a claim out."""
        del self._claims[claim.claim_id]
        if not claim.live:
            del self._ended[claim.claim_id]
            return
        by_evse, by_car = self._tables(claim)
        for table, key in ((by_evse, claim.evse_id), (by_car, claim.vehicle_id)):
            if key:
                table[key].remove(claim)
                if not table[key]:
                    del table[key]

    def _tables(self, claim: Claim) -> tuple[dict[str, list[Claim]], dict[str, list[Claim]]]:
        if claim.future:
            return self._windows_by_evse, self._windows_by_car
        return self._by_evse, self._by_car

    def overstaying(self, now_s: float) -> list[Claim]:
        """Claims of cars that are still there at the end of their windows, until that is changed.

        Costs by how many they are, not by how many cars charge. Source: paper 2.3.1.
        """
        found: dict[str, Claim] = {}
        while self._stays and self._stays[0][0] <= now_s:
            claim = self._claims.get(heappop(self._stays)[1])
            # A stay that was lengthened or has ended has a later entry of its own, or none.
            if claim is not None and claim.state is ClaimState.OCCUPIED and claim.to_s <= now_s:
                found[claim.claim_id] = claim
        for claim in found.values():
            heappush(self._stays, (claim.to_s, claim.claim_id))
        return list(found.values())

    def lapsed(self, moment: Moment) -> Iterator[Claim]:
        """Claims whose lease has run out; each must be ended before the next is asked for."""
        for heap, now in ((self._offers, moment.link_s), (self._leases, moment.now_s)):
            while heap and heap[0][0] <= now:
                # A renewed lease has a later entry of its own, so stale entries are passed over.
                claim = self._claims.get(heappop(heap)[1])
                if claim is not None and claim.lapsed(moment):
                    yield claim


def _begin(claim: Claim) -> float:
    return claim.from_s
