"""The parts of a coordinator that recommend, hold and guide, put together once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.recommend.context import Models
from coordinator.core.stamps import none_ahead
from coordinator.core.surroundings import Surroundings
from coordinator.models.ranker import OnnxRanker
from coordinator.models.serving import Serving
from coordinator.models.travel import OnnxTravelModel
from coordinator.rpc.charging import ChargingServicer
from coordinator.rpc.charging_codec import ChargingCodec
from coordinator.usecases.city_claims import CityClaims
from coordinator.usecases.composing import Composer
from coordinator.usecases.counters import Counters
from coordinator.usecases.displace import Displacer
from coordinator.usecases.district_view import DistrictView
from coordinator.usecases.events import Events
from coordinator.usecases.fences import Fences
from coordinator.usecases.fleet import Fleet
from coordinator.usecases.guide import Guidance
from coordinator.usecases.hold_telling import HoldTelling
from coordinator.usecases.holding import Holding
from coordinator.usecases.intention import Intentions
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.links import AgentLinks
from coordinator.usecases.mirror import Mirror
from coordinator.usecases.models_now import ModelsNow
from coordinator.usecases.promises import Promises
from coordinator.usecases.proposals import Proposals
from coordinator.usecases.punctuality import Punctuality
from coordinator.usecases.queue import Queue
from coordinator.usecases.ranking import RankingDesk
from coordinator.usecases.recommend import Recommender
from coordinator.usecases.replan import Replanner
from coordinator.usecases.reroute import Rerouter
from coordinator.usecases.revising import Reviser
from coordinator.usecases.roads import RoadKeeper
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.stay_lengths import StayLengths
from coordinator.usecases.surroundings import SurroundingsKeeper
from coordinator.usecases.telemetry import Snapshot, TelemetryStore
from coordinator.usecases.unasked import Unasked
from coordinator.usecases.watchman import Watchman
from coordinator.usecases.world import World


@dataclass(slots=True)
class Brain:
    """What answers cars; call `start` before serving, run `watchman.run`, `close` at the end."""

    claims: ClaimStore
    promises: Promises
    world: World
    recommender: Recommender
    rerouter: Rerouter
    guidance: Guidance
    watchman: Watchman
    roads: RoadKeeper
    intentions: Intentions
    unasked: Unasked
    book: SessionBook
    surroundings: SurroundingsKeeper
    hold_telling: HoldTelling
    models: ModelsNow
    replanner: Replanner
    holding: Holding | None = None

    def hold_at_piles(self, district: District, links: AgentLinks, fences: Fences) -> None:
        """Has what is promised kept by the piles themselves, through their agents."""
        clock = self.world.clock
        self.holding = holding = Holding(
            district, self.claims.table, self.promises, links, fences, self.hold_telling, clock
        )
        self.claims.watchers.append(holding.on_claims)
        links.on_open.append(holding.on_agent)
        self.watchman.lapses.on_step.append(holding.on_step)
        self.watchman.follow(holding, self.hold_telling)

    async def run_holds(self) -> None:
        """Keeps what is held at the piles in line with the promises until cancelled."""
        if self.holding is not None:
            await self.holding.run()

    def serve_models(self, serving: Serving) -> None:
        """Ranks with these models from the next pass on."""
        self.models.now = core_models(serving)
        self.models.apart = None if self.models.apart is None else apart(self.models.now)

    def plan_on_a_thread(self) -> None:
        """Looks at all cars on a thread, so that the loop answers meanwhile."""
        self.models.apart = apart(self.models.now)
        self.replanner.work = asyncio.to_thread

    async def start(self) -> int:
        """Takes up the promises that outlived the last process; gives how many."""
        await self.roads.refresh()
        return await self.guidance.restore()

    def servicer(
        self, district: District, view: DistrictView, models: Serving, speed: float
    ) -> ChargingServicer:
        """`ChargingService` over these parts."""
        codec = ChargingCodec(models.parts, speed)
        return ChargingServicer(
            self.recommender,
            self.guidance,
            codec,
            district,
            self.intentions,
            self.unasked,
            view.statuses,
        )

    def city_claims(self, district: District) -> CityClaims:
        """What holds here what a city has chosen."""
        composer = Composer(district, self.claims.table, self.world.clock)
        return CityClaims(
            district, self.world, self.claims, self.promises, composer, self.guidance, self.models,
            self.world.clock,
        )  # fmt: skip

    async def close(self) -> None:
        """Returns when every promise told is durable."""
        await self.claims.close()


def build_brain(
    district: District,
    models: Serving,
    clock: Clock,
    events: Events,
    counters: Counters,
    claims: ClaimStore,
    stale_after_s: float,
    book: SessionBook | None = None,
    store: TelemetryStore | None = None,
    known: Snapshot | None = None,
) -> Brain:
    """All parts over these claims, with the surroundings that the store remembers."""
    now_s = clock.now_s()
    values = () if known is None else (v for v in known.context if v.stands(now_s))
    keeper = SurroundingsKeeper(Surroundings(values), district, clock, store)
    return assemble_brain(
        district, core_models(models), clock, events, counters, claims, stale_after_s, book,
        keeper,
    )  # fmt: skip


def apart(models: Models) -> Models:
    """The same for a thread: models keep time by themselves. Tables of arrival are shared."""
    ranker, travel = (
        port.apart() if isinstance(port, (OnnxRanker, OnnxTravelModel)) else port
        for port in (models.ranker, models.travel)
    )
    return Models(ranker, models.arrival, travel)  # type: ignore[arg-type]


def core_models(serving: Serving) -> Models:
    """What serves, as the pipeline takes it; one line for each model that it asks."""
    return Models(ranker=serving.ranker, arrival=serving.arrival, travel=serving.travel)


def assemble_brain(
    district: District,
    models: Models,
    clock: Clock,
    events: Events,
    counters: Counters,
    claims: ClaimStore,
    stale_after_s: float = float("inf"),
    book: SessionBook | None = None,
    surroundings: SurroundingsKeeper | None = None,
) -> Brain:
    """The same over any store of claims, for simulations and tests."""
    mirror = Mirror(district, claims.table)
    claims.watchers += [mirror.copy, Punctuality(district, claims.table, clock).on_claims]
    book = book or SessionBook(district)
    fleet = Fleet(district, claims.table)
    around = surroundings or SurroundingsKeeper(Surroundings(), district, clock)
    world = World(district, mirror, clock, stale_after_s, visits=book.visits, fleet=fleet)
    world.surroundings, around.free_kmh_at = around.surroundings, world.free_kmh_at
    intentions = Intentions(district, claims.table, fleet, clock)
    promises, now = Promises(), ModelsNow(models)
    composer = Composer(district, claims.table, clock)
    rerouter = Rerouter(district, world, claims, promises, composer, now, clock, events, counters)
    displacer = Displacer(district, world, claims, promises, composer, now, rerouter, counters)
    desk = RankingDesk(district, world, now, clock, counters)
    recommender = Recommender(
        district, claims, promises, composer, displacer, desk, rerouter, clock, events, counters
    )
    reviser = Reviser(claims, promises, composer, clock)
    guidance = Guidance(
        district, world, claims, promises, composer, rerouter, clock, counters, book, around,
        reviser,
    )  # fmt: skip
    guidance.proposals = proposals = Proposals(claims, rerouter, reviser, counters)
    watchman = Watchman(
        district, world, claims, promises, composer, rerouter, reviser, guidance,
        Queue(district, claims, promises, reviser), clock, stale_after_s,
    )  # fmt: skip
    claims.watchers += [watchman.on_claims, StayLengths(district, claims.table, clock).on_claims]
    counters.gauge("open_promises", lambda: len(promises))
    _hear(book, intentions, watchman, district, clock)
    unasked = Unasked(
        district, world, claims.table, intentions, recommender, guidance, composer, clock, counters
    )
    return Brain(
        claims, promises, world, recommender, rerouter, guidance, watchman,
        RoadKeeper(district, world), intentions, unasked, book, around,
        HoldTelling(promises, reviser, events, counters), now,
        Replanner(district, world, claims, promises, rerouter, proposals, clock, counters),
    )  # fmt: skip


def _hear(
    book: SessionBook,
    intentions: Intentions,
    watchman: Watchman,
    district: District,
    clock: Clock,
) -> None:
    """Intentions know the sessions that there were; both hear of each new one, and of the clock."""
    watchman.lapses.on_step.append(lambda step_s: none_ahead(district, clock.now_s()))
    book.on_session.extend((intentions.on_session, watchman.on_session))
    for session in book.named():
        intentions.on_session(session)
