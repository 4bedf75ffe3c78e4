"""The coordinator's own parts that answer, hold, guide, watch and re-plan, over claims in memory.

The same parts as `coordinator/brain.py` puts together, without what needs a network or a disk.
"""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.clock import Clock
from coordinator.core.areas.assignment import DEFAULT, Settings
from coordinator.core.district import District
from coordinator.core.recommend.context import Models
from coordinator.core.surroundings import Surroundings
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
    district: District, models: Models, clock: Clock, settings: Settings = DEFAULT
) -> Thinking:
    """The parts, with nothing promised yet."""
    claims, promises = MemoryClaims(), Promises()
    events, counters = Events(clock.now_s, clock.now_s), Counters()
    mirror = Mirror(district, claims.table)
    claims.watchers += [mirror.copy, Punctuality(district, claims.table, clock).on_claims]
    book, now = SessionBook(district), ModelsNow(models)
    around = SurroundingsKeeper(Surroundings(), district, clock)
    world = World(district, mirror, clock, visits=book.visits, fleet=Fleet(district, claims.table))
    world.surroundings = around.surroundings
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
