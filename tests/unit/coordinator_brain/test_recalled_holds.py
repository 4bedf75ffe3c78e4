"""After a crash nobody knows for whom an agent keeps an EVSE: each whom it may be is given back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hand_agents import HandAgents
from hand_brain import HandBrain
from served_brain import station

from coordinator.core.pile import EvseStatus
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.answer import HoldKind
from coordinator.usecases.directives import Outcome
from coordinator.usecases.fences import Fences
from coordinator.usecases.hold_telling import NO_ANSWER
from coordinator.usecases.holding import LOOK_S

EVSE = "A-1*1"


class Town:
    """One plug whose agent outlives the coordinator."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hand = HandBrain([station("A", 1.0)])
        self.agents = HandAgents(self.hand.clock)

    async def start(self) -> HandBrain:
        """A coordinator over the file that the one before has left."""
        claims = SqliteClaims(self.path, self.hand.moment)
        self.hand = HandBrain([station("A", 1.0)], claims, self.hand.clock)
        self.hand.brain.hold_at_piles(self.hand.district, self.agents, Fences(claims))  # type: ignore[arg-type]
        await self.hand.brain.start()
        return self.hand

    async def settle(self) -> None:
        """Carries to the piles what was promised."""
        holding: Any = self.hand.brain.holding
        holding._look()
        while holding._marked:
            await holding._try(holding._marked.pop())

    async def given_up(self, car: str, *, told: bool) -> None:
        """A car is promised the plug and gives it up; only the first is `told` to the agent."""
        promise = await self.hand.follow(car, id_token=f"TAG-{car}")
        if told:
            await self.settle()
        await self.hand.brain.guidance.release(promise.recommendation_id)


@pytest.mark.parametrize("kept_for", [0, 1, 2])
async def test_whoever_it_is_kept_for_is_given_back(tmp_path: Path, kept_for: int) -> None:
    """Three cars have given the plug up before a crash, and the agent was not told of any."""
    town = Town(tmp_path / "claims.db")
    hand = await town.start()
    for number in range(3):
        await town.given_up(f"car-{number}", told=number == kept_for)
        hand.clock.move(1.0)
        if number == kept_for:
            assert town.agents.keeps[EVSE][0]
            kept, hand.brain.holding._marked = dict(town.agents.keeps), set()  # type: ignore[union-attr]
    assert town.agents.keeps == kept
    await hand.brain.close()

    await town.start()
    await town.settle()

    assert town.agents.keeps == {}
    await town.hand.brain.close()


async def test_a_place_kept_for_one_who_gave_up_is_had_by_the_next(tmp_path: Path) -> None:
    """The car with the live promise is not sent away because the pile is kept for another."""
    town = Town(tmp_path / "claims.db")
    hand = await town.start()
    await town.given_up("car-0", told=True)
    hand.brain.holding._marked = set()  # type: ignore[union-attr]
    promise = await hand.follow("car-1", id_token="TAG-car-1")
    await hand.brain.close()

    again = await town.start()
    await town.settle()

    found = again.brain.promises.get(promise.recommendation_id)
    assert found is not None
    assert town.agents.keeps[EVSE][0] == found.claim_id
    assert found.answer.hold.kind is HoldKind.FIRM
    await again.brain.close()


async def test_what_was_kept_for_a_car_that_has_plugged_in_is_given_back(tmp_path: Path) -> None:
    """Its hold was of use until it was there; the crash came before the agent could be told."""
    town = Town(tmp_path / "claims.db")
    hand = await town.start()
    promise = await hand.follow("car-0", id_token="TAG-car-0")
    await town.settle()
    await hand.brain.guidance.arrived(promise)
    await hand.see(EVSE, EvseStatus.CHARGING)
    occupant = hand.occupant(EVSE)
    assert occupant is not None
    assert town.agents.keeps[EVSE][0] == occupant.claim_id
    await hand.brain.close()

    again = await town.start()
    await town.settle()

    assert again.occupant(EVSE) is not None
    assert town.agents.keeps == {}
    await again.brain.close()


async def test_a_pile_that_was_silent_is_asked_again(tmp_path: Path) -> None:
    """The hold is told as soft, and as firm once the pile is there; it is not asked in a storm."""
    town = Town(tmp_path / "claims.db")
    hand = await town.start()
    town.agents.moods[EVSE] = Outcome.TIMED_OUT
    promise = await hand.follow("car-1", id_token="TAG-car-1")
    await town.settle()
    away = promise.answer.hold
    town.agents.moods[EVSE] = Outcome.DONE
    asked = len(town.agents.fences[EVSE])
    await town.settle()
    at_once = len(town.agents.fences[EVSE]) - asked
    hand.clock.move(LOOK_S + 1.0)
    await town.settle()
    back = promise.answer.hold
    await hand.brain.close()

    assert (away.kind, away.reason) == (HoldKind.SOFT, NO_ANSWER)
    assert at_once == 0
    assert (back.kind, back.reason) == (HoldKind.FIRM, "")
