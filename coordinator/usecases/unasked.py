"""Follows cars that have asked for nothing: whether they must charge soon, and an offer in time.

What a car that was promised a pile is told is in `underway.py`; what an intention is, in
`intention.py`. An offer is an ordinary recommendation, held for 30 s.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace

import structlog
import uuid_utils

from coordinator.clock import Clock
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.district import District
from coordinator.core.recommend import pipeline
from coordinator.core.recommend.intention import Intention, Sighting
from coordinator.core.recommend.reminder import Reminder
from coordinator.core.vehicle import ChargingRequest, Fix, WarningLevel
from coordinator.errors import Overloaded, PromiseLost
from coordinator.usecases import reminding
from coordinator.usecases.answer import Answer, HoldKind, Reminded
from coordinator.usecases.composing import Composer
from coordinator.usecases.counters import Counters
from coordinator.usecases.guide import Guidance
from coordinator.usecases.intention import Intentions
from coordinator.usecases.promises import Levelled, Promise
from coordinator.usecases.recommend import Recommender
from coordinator.usecases.world import World

log = structlog.get_logger()

FIXES_KEPT = 16
OFFER_EVERY_S = 300.0  # to one car, link time
REFUSED_S = 900.0  # the same after it said no; a more urgent level is a new reason

Level = tuple[WarningLevel, str]


@dataclass(slots=True, eq=False)
class Followed:
    """One car that is followed, and what it was told. `offers` and `reminders` count."""

    request: ChargingRequest  # what it would ask, where it is now
    fixes: deque[Sighting] = field(default_factory=lambda: deque(maxlen=FIXES_KEPT))
    intention: Intention = Intention.NONE
    level: Level = (WarningLevel.UNSPECIFIED, "")
    levelled: Levelled = field(default_factory=Levelled)
    reminder: Reminded | None = None
    reminders: int = 0
    offer: Answer | None = None
    offers: int = 0
    offer_again_link_s: float = float("-inf")
    offered_level: WarningLevel = WarningLevel.LOW
    promise: Promise | None = None  # once it has accepted an offer
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def news(self) -> asyncio.Event:
        """Set at the next change."""
        return self._news

    def tell(self) -> None:
        """Wakes who waits for a change."""
        self._news.set()
        self._news = asyncio.Event()


class Unasked:
    """The use case behind a Guide that was opened with a wish."""

    def __init__(
        self,
        district: District,
        world: World,
        table: ClaimTable,
        intentions: Intentions,
        recommender: Recommender,
        guidance: Guidance,
        composer: Composer,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._district = district
        self._world = world
        self._table = table
        self._intentions = intentions
        self._recommender = recommender
        self._guidance = guidance
        self._composer = composer
        self._clock = clock
        self._counters = counters

    def level(self, request: ChargingRequest) -> tuple[WarningLevel, str, Reminder | None]:
        """How urgent the car is where it is, why, and what it is reminded of."""
        context = self._world.around(request)
        return pipeline.level_of(self._district, request, context, self._clock.now_s())

    async def progress(self, followed: Followed, fix: Fix) -> None:
        """Takes a position: intention, level, reminder, and an offer if it is time.

        S1 makes the car a user to be charged: levelled, and sent an offer if it opted in. S2 and S3
        get none. A coarse fix tells only the charge. Source: paper 1, 2.1.
        """
        followed.request = request = replace(followed.request, soc_pct=fix.soc_pct)
        if not fix.coarse:
            here = fix.latitude_deg, fix.longitude_deg
            followed.request = request = replace(
                request, latitude_deg=here[0], longitude_deg=here[1]
            )
            followed.fixes.append(Sighting(*here, self._clock.now_s(), fix.speed_kmh))
        found = self._intentions.follow(
            request.user_id, request.vehicle_id, tuple(followed.fixes), fix.soc_pct
        )
        followed.intention = found.intention
        if found.intention is not Intention.AT_PILE:
            self._judge(followed)
        if found.intention is Intention.ON_THE_WAY and self._may_offer(followed):
            await self._offer(followed)

    def _judge(self, followed: Followed) -> None:
        """Level and reminder, anew when the car has come some way."""
        request = followed.request
        if not followed.levelled.moved_on(request):
            return
        level, reason, reminder = self.level(request)
        followed.level = level, reason
        if reminding.again(self._district, followed.reminder, reminder):
            followed.reminder = self._composer.reminded(reminder, request.language)
            followed.reminders += 1
            followed.tell()
        elif reminder is None:
            followed.reminder = None

    def _may_offer(self, followed: Followed) -> bool:
        """Whether the car wants offers, holds nothing, and was not offered something lately."""
        request = followed.request
        if not request.offers_opt_in or self._table.of_car(request.vehicle_id):
            return False
        if self._clock.link_s() >= followed.offer_again_link_s:
            return True
        return followed.level[0] < followed.offered_level

    async def _offer(self, followed: Followed) -> None:
        """Finds the car a place, as if it had asked, and holds it for 30 s."""
        request = replace(followed.request, request_id=str(uuid_utils.uuid7()))
        followed.offer_again_link_s = self._clock.link_s() + OFFER_EVERY_S
        followed.offered_level = followed.level[0]
        try:
            answer = await self._recommender.recommend(request)
        except Overloaded:
            return  # who has not asked can wait for the next position
        if answer.judged and answer.hold.kind is not HoldKind.NONE:
            followed.offer = answer
            followed.offers += 1
            self._counters.add("offers")
            followed.tell()

    async def decide(self, followed: Followed, accepted: bool) -> None:
        """The driver's word on the offer: taken, it becomes a confirmed promise; else given back.

        An offer that has lapsed meanwhile is made anew with the next position.
        """
        offer, followed.offer = followed.offer, None
        if offer is None:
            return
        if not accepted:
            followed.offer_again_link_s = self._clock.link_s() + REFUSED_S
            await self._guidance.release(offer.recommendation_id)
            return
        try:
            followed.promise = await self._guidance.confirm(offer.recommendation_id)
        except PromiseLost as error:
            log.info("offer taken too late", why=str(error))
            followed.offer_again_link_s = float("-inf")
            return
        self._counters.add("offers_taken")
        followed.tell()
