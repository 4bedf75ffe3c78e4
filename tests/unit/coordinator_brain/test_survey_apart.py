"""Looking at all cars on a thread gives what the event loop would see, and leaves it alone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
from hand_brain import HandBrain
from served_brain import station

from coordinator.core.pile import EvseStatus
from coordinator.models.serving import open_models
from coordinator.usecases.pauses import Pauses
from coordinator.usecases.survey import Survey, survey


async def looked_at(hand: HandBrain, work: Any) -> Survey:
    """What a look at all cars gives."""
    brain = hand.brain
    models = brain.rerouter.models.for_plans
    seen = await survey(
        hand.district, brain.world, hand.claims, models, brain.promises.open(), work
    )
    assert seen is not None
    return seen


async def queueing() -> HandBrain:
    """Cars in lines of one and two, a walk-in, and one that cannot be moved."""
    hand = HandBrain([station("A", 1.0, 2), station("B", 2.0)])
    for number in range(5):
        await hand.follow(f"car-{number}", soc_pct=20.0 + 9.0 * number)
    await hand.ask("unsure")
    await hand.see("B-1*1", EvseStatus.CHARGING)
    return hand


async def test_a_thread_sees_what_the_loop_sees() -> None:
    """Cars, places and costs are the same, number by number."""
    hand = await queueing()
    hand.brain.serve_models(open_models())

    here = await looked_at(hand, _inline)
    hand.brain.plan_on_a_thread()
    there = await looked_at(hand, asyncio.to_thread)

    assert [p.recommendation_id for p in here.promises] == [
        p.recommendation_id for p in there.promises
    ]
    assert here.turns.tolist() == there.turns.tolist()
    for name in ("level", "now", "told", "car", "place", "cost_s", "station"):
        ours, theirs = getattr(here.problem, name), getattr(there.problem, name)
        assert np.array_equal(ours, theirs), name


async def test_cars_are_ranked_off_the_loop_with_models_of_their_own() -> None:
    """The loop's thread only gathers; a model that keeps time keeps it for one thread."""
    hand = await queueing()
    hand.brain.serve_models(open_models())
    hand.brain.plan_on_a_thread()
    now, apart = hand.brain.models.now, hand.brain.models.for_plans
    threads = set()

    async def noting(work: Any) -> Any:
        def run() -> Any:
            threads.add(threading.current_thread())
            return work()

        return await asyncio.to_thread(run)

    await looked_at(hand, noting)

    assert threading.main_thread() not in threads
    assert apart.ranker is not now.ranker
    assert apart.travel is not now.travel
    assert apart.arrival is now.arrival
    hand.brain.serve_models(open_models())
    assert hand.brain.models.for_plans.ranker is not apart.ranker


async def test_a_look_changes_nothing_of_the_picture() -> None:
    """Claims of cars on their way are taken out of a copy; the district keeps them."""
    hand = await queueing()
    counts, ends = hand.district.claim_count.copy(), hand.district.claimed_to_s.copy()

    seen = await looked_at(hand, _inline)

    assert len(seen.promises) == 4  # whose plug-in B shows is not known yet
    assert hand.district.claim_count.tolist() == counts.tolist()
    assert hand.district.claimed_to_s.tolist() == ends.tolist()


async def test_long_work_on_the_loop_lets_others_in() -> None:
    """After its turn the work waits until everybody else has had one."""
    turns = [0]

    async def others() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await asyncio.sleep(0)
    pauses, before = Pauses(turn_s=0.0), turns[0]
    for _ in range(5):
        await pauses.take()
    assert turns[0] == before + 5
    pauses = Pauses(turn_s=60.0)
    for _ in range(5):
        await pauses.take()

    assert turns[0] == before + 5
    other.cancel()


async def _inline(work: Any) -> Any:
    return work()
