"""The coordinator's own parts that answer, hold, guide, watch and re-plan, over claims in memory.

The same parts as `coordinator/brain.py` puts together, without what needs a network or a disk.
Which of them take part is said by `parts.py`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from city_sim.parts import WHOLE, NoClaims, Parts
from city_sim.past import NO_PAST, Past
from coordinator.clock import Clock
from coordinator.core.areas.assignment import DEFAULT, Settings
from coordinator.core.district import District
from coordinator.core.ports import FailureModel, PortraitEncoder
from coordinator.core.recommend.collaborative import learn_tastes
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.portrait import StatisticsEncoder
from coordinator.core.reliability.map_settings import MapSettings
from coordinator.core.surroundings import Surroundings
from coordinator.jobs.map_making import copy_of, make
from coordinator.jobs.tastes import stations_of
from coordinator.store.claims import MemoryClaims
from coordinator.usecases.composing import Composer
from coordinator.usecases.counters import Counters
from coordinator.usecases.displace import Displacer
from coordinator.usecases.events import Events
from coordinator.usecases.fleet import Fleet
from coordinator.usecases.guide import Guidance
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
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.stay_lengths import StayLengths
from coordinator.usecases.surroundings import SurroundingsKeeper
from coordinator.usecases.watchman import Watchman
from coordinator.usecases.world import World


@dataclass(slots=True)
class Thinking:
    """What decides for cars."""

    claims: MemoryClaims
    promises: Promises
    world: World
    recommender: Recommender
    rerouter: Rerouter
    guidance: Guidance
    watchman: Watchman
    replanner: Replanner
    counters: Counters


def thinking(
    district: District,
    models: Models,
    clock: Clock,
    settings: Settings = DEFAULT,
    parts: Parts = WHOLE,
    world_of: type[World] = World,
) -> Thinking:
    """The parts, with nothing promised yet; `world_of` is what requests are put into."""
    claims, promises = MemoryClaims() if parts.hold else NoClaims(), Promises()
    events, counters = Events(clock.now_s, clock.now_s), Counters()
    mirror = Mirror(district, claims.table)
    claims.watchers += [mirror.copy, Punctuality(district, claims.table, clock).on_claims]
    book, now = SessionBook(district), ModelsNow(models)
    around = SurroundingsKeeper(Surroundings(), district, clock)
    fleet = Fleet(district, claims.table)
    world = world_of(district, mirror, clock, visits=book.visits, fleet=fleet)
    world.surroundings, world.rules = around.surroundings, parts.rules
    composer = Composer(district, claims.table, clock)
    rerouter = Rerouter(district, world, claims, promises, composer, now, clock, events, counters)
    displacer = Displacer(district, world, claims, promises, composer, now, rerouter, counters)
    recommender = Recommender(
        district, claims, promises, composer, displacer,
        RankingDesk(district, world, now, clock, counters), rerouter, clock, events, counters,
    )  # fmt: skip
    reviser = Reviser(claims, promises, composer, clock)
    guidance = Guidance(
        district, world, claims, promises, composer, rerouter, clock, counters, book, around,
        reviser,
    )  # fmt: skip
    guidance.proposals = proposals = Proposals(claims, rerouter, reviser, counters)
    replanner = Replanner(
        district, world, claims, promises, rerouter, proposals, clock, counters, settings
    )
    watchman = Watchman(
        district, world, claims, promises, composer, rerouter, reviser, guidance,
        Queue(district, claims, promises, reviser), clock,
    )  # fmt: skip
    claims.watchers += [watchman.on_claims, StayLengths(district, claims.table, clock).on_claims]
    return Thinking(
        claims, promises, world, recommender, rerouter, guidance, watchman, replanner, counters
    )


@dataclass(frozen=True, slots=True)
class Learnt:
    """What the coordinator knows when it begins: a past, and the models that make use of it."""

    past: Past = NO_PAST
    failure: FailureModel | None = None
    portrait: PortraitEncoder | None = None

    def teach(self, district: District, world: World, parts: Parts) -> None:
        """Makes the knowledge map and the tastes of this past, as the coordinator's jobs do."""
        if parts.knowledge_map and self.past.fault_count.size:
            district.fault_count[:] = self.past.fault_count
            district.exposure_days[:] = self.past.exposure_days
            made = make(copy_of(district), self.failure, world.clock.now_s(), MapSettings())
            district.prior_rate[:] = made.knowledge.prior
            district.failure_rate[:] = made.knowledge.rates
            district.alike = made.alike
        if parts.portrait and self.past.visits:
            visits = {user: Counter(seen) for user, seen in self.past.visits.items()}
            world.visits.update(visits)
            encoder = self.portrait or StatisticsEncoder()
            world.tastes = learn_tastes(visits, {}, stations_of(district), encoder)
            world.tastes_layout = layout_of(district)


NOTHING_LEARNT = Learnt()
