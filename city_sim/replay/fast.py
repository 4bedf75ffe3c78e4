"""Replays a feed without sockets: the product's core is told it, asked, and judged.

How real statuses go through simulated piles and agents instead is in `live.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from city_sim.loop import CityLoop
from city_sim.replay.deciding import Decision, Desk
from city_sim.replay.drivers import Driver
from city_sim.replay.feed import Feed
from city_sim.replay.network import Network
from city_sim.replay.telling import Teller, Told
from coordinator.core.ports import FailureModel
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules

FARTHEST_KM = 10.0  # along the road, to any candidate of any policy

Made = list[tuple[Driver, dict[str, Decision]]]


@dataclass(frozen=True, slots=True)
class Brains:
    """What answers: models and rules of the pipeline, and the model of the knowledge map."""

    models: Models = field(default_factory=Models)
    failure: FailureModel | None = None
    rules: Rules = DEFAULT_RULES


def decisions(
    net: Network,
    feeds: Sequence[Feed],
    asking: Sequence[Driver],
    brains: Brains,
    done: Callable[[], None] = lambda: None,
    own_plug: bool = False,
) -> Made:
    """Where every policy sends the drivers, who ask in the order of their time.

    The feeds are told one after the other, as far as the request that comes next; what lies behind
    it is not looked at. With `own_plug` the plugs that a driver took in truth are candidates too.
    Drivers without any candidate are left out.
    """
    loop = CityLoop()
    try:
        return loop.run_until_complete(_decisions(loop, net, feeds, asking, brains, done, own_plug))
    finally:
        loop.close()


async def _decisions(
    loop: CityLoop,
    net: Network,
    feeds: Sequence[Feed],
    asking: Sequence[Driver],
    brains: Brains,
    done: Callable[[], None],
    own_plug: bool,
) -> Made:
    told = Told(net, brains.models, brains.failure, FARTHEST_KM)
    told.world.rules = brains.rules
    desk = Desk(told, net, brains.models, own_plug)
    tellers = [Teller(told, feed) for feed in feeds]
    for before, teller in zip(feeds, tellers[:-1], strict=False):
        await teller.until(before.to_s)
    made: list[tuple[Driver, dict[str, Decision]]] = []
    for driver in asking:
        await tellers[-1].until(driver.asks_s)
        loop.skipped_s += 1.0  # nobody asked just before
        if choices := await desk.decide(driver):
            made.append((driver, choices))
        done()
    return made
