"""Takes a promise from one district to another: the new place is held before the old one is freed.

A better place across the border is offered, and taken if the car says so within 15 s; where the own
district has lost the place and has no other, the car is told at once. What moves within a district
is that district's affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
import uuid_utils

from coordinator.core.recommend import explain
from coordinator.core.vehicle import WarningLevel
from coordinator.errors import CoordinatorError, PromiseLost
from coordinator.rpc.charging_codec import stamp
from coordinator.rpc.charging_request import to_request
from coordinator.rpc.city.claiming import Claiming, Wish
from coordinator.rpc.city.directory import Directory
from coordinator.rpc.city.finding import CandidateFinder, Found
from coordinator.rpc.city.trips import Offer, Trip
from coordinator.usecases.counters import Counters
from coordinator.usecases.proposals import ACCEPT_S, KEPT
from coordinator.usecases.reroute import SWITCH_S
from pilewise.v1 import charging_service_pb2 as wire

log = structlog.get_logger()

LOOK_S = 10.0  # link time between two looks across the border for one car
TRIES = 4
LOST = "PILE_FAILED"


class Mover:
    """Looks where a car that has crossed a border had better charge, and moves its promise."""

    def __init__(
        self,
        directory: Directory,
        finder: CandidateFinder,
        claiming: Claiming,
        now_s: Callable[[], float],
        link_s: Callable[[], float],
        counters: Counters,
    ) -> None:
        self._directory = directory
        self._finder = finder
        self._claiming = claiming
        self._now_s = now_s
        self._link_s = link_s
        self._counters = counters
        self._tasks: set[asyncio.Task[None]] = set()
        self.moved = 0  # promises, since the start

    def consider(self, trip: Trip, here: wire.Progress) -> None:
        """Looks for a place in another district if there is reason to; returns at once."""
        lost = trip.promise.choice.hold.kind == wire.HOLD_KIND_NONE
        idle = trip.looking is None and trip.offer is None and not trip.closed
        if not idle or trip.request is None or not here.HasField("position"):
            return
        if self._link_s() - trip.looked_s < LOOK_S:
            return
        place = here.position.latitude_deg, here.position.longitude_deg
        if not lost and not self._directory.crossed(trip.district, place):
            return
        trip.looked_s = self._link_s()
        task = asyncio.create_task(self._look(trip, here, lost=lost), name="coordinator:across")
        trip.looking = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self, trip: Trip, here: wire.Progress, *, lost: bool) -> None:
        try:
            await self._across(trip, here, lost=lost)
        except CoordinatorError as error:
            log.info("not moved", district=trip.district, why=str(error))
        except Exception:
            log.exception("looking across the border failed")
        finally:
            trip.looking = None

    async def _across(self, trip: Trip, here: wire.Progress, *, lost: bool) -> None:
        """Finds the best of all districts from where the car is, and goes there if it is worth."""
        request = wire.RecommendRequest()
        assert trip.request is not None
        request.CopyFrom(trip.request)
        request.request_id = str(uuid_utils.uuid7())  # to look only: the own one has its answer
        request.position.CopyFrom(here.position)
        if here.soc_pct:
            request.soc_pct = here.soc_pct
        found = await self._finder.find(request, to_request(request), signed_vip=trip.signed_vip)
        for evse_id, district in _better(found, trip, lost=lost)[:TRIES]:
            request.request_id = trip.request_id
            wish = self._wish(trip, found, request)
            if await self._go(trip, district, evse_id, wish, asks=not lost):
                return

    def _wish(self, trip: Trip, found: Found, request: wire.RecommendRequest) -> Wish:
        level, revision = found.sorted.ranked.level, trip.promise.revision + 1
        return Wish(request, trip.signed_vip, trip.recommendation_id, level, revision)

    async def _go(self, trip: Trip, district: str, evse_id: str, wish: Wish, *, asks: bool) -> bool:
        """Holds the place, asks the car if it must, and moves; False if the place was refused."""
        answer = await self._claiming.claim(district, evse_id, wish)
        if not answer.granted:
            return False
        promise = answer.promise
        code = "BETTER" if asks else trip.promise.change.code or LOST
        self._say_change(promise, trip, code)
        accepted = True
        if asks:
            accepted = await self._accepted(trip, district, promise)
        if not accepted or trip.closed:
            self._claiming.settle(district, promise.choice.hold.claim_id)
            self._keep(trip, promise)
            return True
        await self._take(trip, district, promise, code)
        return True

    async def _accepted(self, trip: Trip, district: str, promise: wire.Promise) -> bool:
        """Whether the car takes the offered place within its time."""
        stamp(promise.accept_before, self._now_s() + ACCEPT_S)
        promise.district_id = district
        decided: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        trip.offer = Offer(district, promise, decided)
        self._counters.add("proposals")
        trip.tell(wire.GuideResponse(promise=promise))
        try:
            async with asyncio.timeout(ACCEPT_S):
                return await decided
        except TimeoutError:
            return False
        finally:
            trip.offer = None

    async def _take(self, trip: Trip, district: str, promise: wire.Promise, code: str) -> None:
        """Makes the new place firm, then has the old one freed."""
        async with trip.moving:
            if trip.closed:  # given up while it was asked for
                self._claiming.settle(district, promise.choice.hold.claim_id)
                return
            try:
                firm = await self._claiming.confirm(district, trip.recommendation_id)
            except BaseException as error:  # also who hung up: it may be firm
                self._claiming.settle(district, promise.choice.hold.claim_id)
                if isinstance(error, CoordinatorError):
                    self._keep(trip, promise)
                raise
            self._moved(trip, district, promise, firm, code)

    def _moved(
        self, trip: Trip, district: str, promise: wire.Promise, firm: wire.Promise, code: str
    ) -> None:
        left, claim_id, change = trip.district, trip.claim_id, wire.Change()
        change.CopyFrom(promise.change)
        # The old district may have told more while the car was asked.
        least = max(promise.revision, trip.promise.revision + 1)
        trip.district, trip.confirmed = district, True
        trip.shift = max(0, least - firm.revision)
        told = trip.take(firm)
        told.change.CopyFrom(change)
        trip.elsewhere = {}
        self.moved += 1
        self._claiming.settle(left, claim_id, trip.recommendation_id, lambda: trip.district == left)
        log.info("moved across districts", left=left, district=district, code=code)
        trip.tell(wire.GuideResponse(promise=told))

    def _keep(self, trip: Trip, offered: wire.Promise) -> None:
        """Tells the car, in a revision above the offered one, that it keeps what it has."""
        kept = wire.Promise()
        kept.CopyFrom(trip.promise)
        kept.revision = max(offered.revision, trip.promise.revision) + 1
        trip.shift += kept.revision - trip.promise.revision
        self._say_change(kept, trip, KEPT)
        trip.promise = kept
        trip.tell(wire.GuideResponse(promise=kept))

    def _say_change(self, promise: wire.Promise, trip: Trip, code: str) -> None:
        """Why the promise changes, in words."""
        language = trip.request.language if trip.request is not None else ""
        choice = trip.promise.choice.evse
        change = promise.change
        change.code = code
        name = choice.label or choice.station_name or choice.pile_id
        change.text = explain.sentence(code, language or "en", {"name": name})
        change.from_evse_id = choice.evse_id
        change.to_evse_id = promise.choice.evse.evse_id

    async def decide(self, trip: Trip, decision: wire.GuideDecision) -> bool:
        """Takes the car's word on an offer; False if that is not what it speaks of.

        Returns when what follows from it is done.
        """
        offer = trip.offer
        if offer is None or decision.revision != offer.promise.revision:
            return False
        if not offer.decided.done():
            offer.decided.set_result(decision.accepted)
        if trip.looking is not None:
            await asyncio.wait({trip.looking}, timeout=ACCEPT_S)
        return True

    async def choose(self, trip: Trip, evse_id: str) -> None:
        """Moves the promise to an alternative of another district, as its driver chose.

        Raises `PromiseLost` if it is taken, `DistrictAway` and `Relayed`.
        """
        assert trip.request is not None
        if trip.closed:
            raise PromiseLost(trip.recommendation_id, trip.closed)
        district = trip.elsewhere[evse_id]
        level, revision = WarningLevel(trip.promise.level), trip.promise.revision + 1
        wish = Wish(trip.request, trip.signed_vip, trip.recommendation_id, level, revision)
        answer = await self._claiming.claim(district, evse_id, wish)
        if not answer.granted:
            raise PromiseLost(trip.recommendation_id, answer.refused_reason)
        self._say_change(answer.promise, trip, "DRIVER_CHOICE")
        await self._take(trip, district, answer.promise, "DRIVER_CHOICE")

    async def close(self) -> None:
        """Ends what is being looked at."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _better(found: Found, trip: Trip, *, lost: bool) -> list[tuple[str, str]]:
    """Places of other districts worth going to, best first, with their districts.

    By the one cost, of which the car's own place must have more by a switch penalty. A car without
    a place goes wherever the best is; if that is in its own district, that district finds it.
    """
    columns, ranked = found.sorted.ranked.columns, found.sorted.ranked
    if columns is None:
        return []
    cost_s = columns.cost.total[ranked.order].tolist()
    every = list(zip(found.sorted.evse_ids, found.sorted.district_ids, cost_s, strict=True))
    if lost:
        if every[0][1] == trip.district:
            return []
        return [(evse_id, owner) for evse_id, owner, _ in every if owner != trip.district]
    own = trip.promise.choice.evse.evse_id
    own_s = next((cost for evse_id, _, cost in every if evse_id == own), None)
    if own_s is None:
        return []
    return [
        (evse_id, owner)
        for evse_id, owner, cost in every
        if owner != trip.district and cost + SWITCH_S < own_s
    ]
