"""The desk that carries out directives: what it remembers, what it refuses, in which order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_agent.core.directive import (
    Action,
    Answer,
    Cancel,
    Directive,
    Extend,
    Outcome,
    Reserve,
    SetAvailability,
    SetPeriod,
)
from edge_agent.core.occupancy import FusionRules
from edge_agent.core.picture import LivePicture
from edge_agent.core.reading import EvseStatus, Reading, StatusSource
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.spool import Spool

EVSE = "A-01*1"
START_MS = 1_790_000_000_000


@dataclass
class Pile:
    """A pile that answers as it is told to, as late as it is told to."""

    answer: Answer = field(default_factory=lambda: Answer(Outcome.DONE, "Accepted"))
    asked: list[Action] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def perform(self, evse_id: str, action: Action) -> Answer:
        self.asked.append(action)
        answer = self.answer
        await self.gate.wait()
        return answer


@dataclass
class Life:
    """One life of an agent's desk."""

    desk: DirectiveDesk
    pile: Pile
    services: dict[str, bool]

    async def ask(self, fence: int, action: Action) -> Answer:
        self.count = getattr(self, "count", 0) + 1
        result = await self.desk.handle(Directive(f"d{id(self)}-{self.count}", EVSE, fence, action))
        assert result is not None
        return result.answer


StartLife = Callable[[], Awaitable[Life]]


@pytest.fixture
def clock_ms() -> list[int]:
    return [START_MS]


@pytest.fixture
def configured_s() -> list[float]:
    return [1.0]


@pytest.fixture
async def begin(
    tmp_path: Path, clock_ms: list[int], configured_s: list[float]
) -> AsyncIterator[StartLife]:
    spools: list[Spool] = []

    async def make() -> Life:
        if spools:
            await spools[-1].close()
        spools.append(Spool(tmp_path, lambda: "spool"))
        await spools[-1].start()
        pile, services = Pile(), dict[str, bool]()
        pile.gate.set()
        desk = DirectiveDesk(spools[-1], pile, lambda: clock_ms[0], lambda name: name == EVSE)
        desk.set_service = services.__setitem__
        desk.periods = {EVSE: configured_s[0]}
        await desk.recall()
        return Life(desk, pile, services)

    yield make
    await spools[-1].close()


@pytest.mark.parametrize("firm", [True, False])
async def test_hold_survives_a_restart_and_ends_by_itself(
    begin: StartLife, clock_ms: list[int], firm: bool
) -> None:
    """Firm and soft holds are there after a restart, with their end in domain time."""
    life = await begin()
    if not firm:
        life.pile.answer = Answer(Outcome.UNSUPPORTED, "NotImplemented")
    said = await life.ask(1, Reserve("c1", 60.0, "TAG"))
    clock_ms[0] += 30_000
    life = await begin()
    kept = life.desk.hold(EVSE)
    clock_ms[0] += 30_000
    life = await begin()

    assert said.outcome is (Outcome.DONE if firm else Outcome.DONE_SOFTLY)
    assert kept is not None
    assert (kept.claim_id, kept.firm, kept.until_ms) == ("c1", firm, START_MS + 60_000)
    assert life.desk.hold(EVSE) is None


async def test_changed_period_survives_restarts_until_the_file_names_another(
    begin: StartLife, configured_s: list[float]
) -> None:
    """The pile is set again in each life; whoever writes the file afterwards knows better."""
    life = await begin()
    said = await life.ask(0, SetPeriod(7.0))
    out_of_range = await life.ask(0, SetPeriod(0.01))
    second, third = await begin(), await begin()
    configured_s[0] = 2.0
    fourth = await begin()

    assert (said.outcome, out_of_range.outcome) == (Outcome.DONE, Outcome.REFUSED)
    assert second.pile.asked == third.pile.asked == [SetPeriod(7.0)]
    assert fourth.pile.asked == []


async def test_period_behind_a_newer_fence_is_refused(begin: StartLife) -> None:
    """A period that carries a fence below what was seen changes nothing, now or later."""
    life = await begin()
    await life.ask(5, Reserve("c1", 60.0))

    late = await life.ask(4, SetPeriod(7.0))

    assert late.outcome is Outcome.FENCED
    assert (await begin()).pile.asked == []


async def test_period_that_the_pile_refused_is_not_kept(begin: StartLife) -> None:
    """Only what was done is done again."""
    life = await begin()
    life.pile.answer = Answer(Outcome.UNSUPPORTED)
    await life.ask(0, SetPeriod(7.0))

    assert (await begin()).pile.asked == []


async def test_extending_after_a_restart_reserves_the_hardware_again(
    begin: StartLife, clock_ms: list[int]
) -> None:
    """The next life extends with the same claim and token, and a stranger's claim is refused."""
    life = await begin()
    await life.ask(1, Reserve("c1", 60.0, "TAG"))
    life = await begin()
    clock_ms[0] += 30_000

    stranger = await life.ask(2, Extend("c2", 60.0))
    own = await life.ask(3, Extend("c1", 60.0))
    hold = life.desk.hold(EVSE)

    assert stranger.outcome is Outcome.REFUSED
    assert own.outcome is Outcome.DONE
    assert life.pile.asked == [Reserve("c1", 60.0, "TAG")]
    assert hold is not None
    assert hold.until_ms == START_MS + 90_000


async def test_extension_that_the_pile_cannot_do_is_kept_softly(begin: StartLife) -> None:
    """A pile that is away keeps its own end; the agent keeps the longer one and says so."""
    life = await begin()
    await life.ask(1, Reserve("c1", 60.0, "TAG"))
    life.pile.answer = Answer(Outcome.TIMED_OUT, "not connected")

    said = await life.ask(2, Extend("c1", 120.0))
    hold = life.desk.hold(EVSE)

    assert said.outcome is Outcome.DONE_SOFTLY
    assert hold is not None
    assert hold.until_ms == START_MS + 120_000


async def test_hold_at_a_pile_that_is_away_may_be_asked_for_again(begin: StartLife) -> None:
    """The agent keeps it meanwhile, and says that the pile was not there: not that it cannot."""
    life = await begin()
    life.pile.answer = Answer(Outcome.TIMED_OUT, "not connected")
    away = await life.ask(1, Reserve("c1", 60.0, "TAG"))
    meanwhile = life.desk.hold(EVSE)
    life.pile.answer = Answer(Outcome.DONE)
    back = await life.ask(2, Reserve("c1", 60.0, "TAG"))
    hold = life.desk.hold(EVSE)

    assert (away.outcome, back.outcome) == (Outcome.TIMED_OUT, Outcome.DONE)
    assert meanwhile is not None
    assert hold is not None
    assert (meanwhile.firm, hold.firm) == (False, True)


async def test_cancelled_hold_is_gone_after_a_restart(begin: StartLife) -> None:
    """What was cancelled does not come back, and the cancel reached the pile."""
    life = await begin()
    await life.ask(1, Reserve("c1", 60.0, "TAG"))
    await life.ask(2, Cancel("c1"))
    asked = life.pile.asked
    life = await begin()

    assert asked[-1] == Cancel("c1")
    assert life.desk.hold(EVSE) is None


async def test_older_reserve_waits_no_newer_cancel_out(begin: StartLife) -> None:
    """While a pile is slow to reserve, the cancel that follows is carried out after it, not before.

    A third directive with a fence between the two is refused, although it waited in line.
    """
    life = await begin()
    life.pile.gate.clear()
    reserve = asyncio.create_task(life.ask(5, Reserve("c1", 60.0, "TAG")))
    while not life.pile.asked:
        await asyncio.sleep(0)
    between = asyncio.create_task(life.ask(6, Reserve("c2", 60.0, "TAG")))
    while (await life.desk.floors())[EVSE] != 6:
        await asyncio.sleep(0)
    cancel = asyncio.create_task(life.ask(7, Cancel("c1")))
    while (await life.desk.floors())[EVSE] != 7:
        await asyncio.sleep(0)
    life.pile.gate.set()

    outcomes = [(await task).outcome for task in (reserve, between, cancel)]

    assert outcomes == [Outcome.DONE, Outcome.FENCED, Outcome.DONE]
    assert life.pile.asked == [Reserve("c1", 60.0, "TAG"), Cancel("c1")]
    assert life.desk.hold(EVSE) is None


async def test_S11_fences_of_a_restored_coordinator_are_refused_until_they_pass(
    begin: StartLife,
) -> None:
    """Lower fences are FENCED and reach no pile, also after a restart; the first higher passes."""
    life = await begin()
    await life.ask(1_000, Reserve("c1", 60.0, "TAG"))
    life = await begin()

    refused = [await life.ask(fence, Cancel("c1")) for fence in (1, 998, 999)]
    untouched = life.desk.hold(EVSE)
    passed = await life.ask(1_001, Cancel("c1"))

    assert {answer.outcome for answer in refused} == {Outcome.FENCED}
    assert refused[-1].message == "fence 999 is below 1000"
    assert untouched is not None
    assert passed.outcome is Outcome.DONE
    assert life.pile.asked == [Cancel("c1")]


async def test_pile_without_a_switch_is_kept_out_of_service_by_the_agent(begin: StartLife) -> None:
    """It is said to be soft, survives a restart, and ends when the pile is put back in service."""
    life = await begin()
    life.pile.answer = Answer(Outcome.UNSUPPORTED, "registers cannot")
    said = await life.ask(0, SetAvailability(False))
    first = dict(life.services)
    life = await begin()
    second = dict(life.services)
    life.pile.answer = Answer(Outcome.UNSUPPORTED, "registers cannot")
    await life.ask(0, SetAvailability(True))
    third = dict(life.services)
    life = await begin()

    assert said.outcome is Outcome.DONE_SOFTLY
    assert (first, second, third) == ({EVSE: False}, {EVSE: False}, {EVSE: True})
    assert life.services == {}


async def test_pile_with_a_switch_keeps_it_itself(begin: StartLife) -> None:
    """An OCPP pile that accepts is asked and believed; the agent remembers nothing."""
    life = await begin()

    said = await life.ask(0, SetAvailability(False))

    assert said.outcome is Outcome.DONE
    assert life.services == {}
    assert life.pile.asked == [SetAvailability(False)]


def test_out_of_service_shows_only_where_the_evse_would_be_free() -> None:
    """A free EVSE reads INOPERATIVE, a charging one goes on; back in service it is free again."""
    rules = FusionRules(pile_ttl_s=1000.0)
    picture = LivePicture({EVSE: rules}, heartbeat_s=1000.0, new_id=lambda: "s")
    free = Reading(EVSE, EvseStatus.AVAILABLE, StatusSource.MODBUS)
    busy = Reading(EVSE, EvseStatus.CHARGING, StatusSource.MODBUS, plugged=True)
    seen = []

    picture.observe(free, 0.0, START_MS)
    picture.set_rules(EVSE, FusionRules(pile_ttl_s=1000.0, out_of_service=True))
    records = picture.tick(10.0, START_MS)
    seen += [record.status for record in records]
    picture.observe(busy, 20.0, START_MS)
    seen.append(fused(picture))
    picture.observe(free, 30.0, START_MS)
    picture.tick(40.0, START_MS)
    seen.append(fused(picture))
    picture.set_rules(EVSE, rules)
    picture.tick(50.0, START_MS)
    seen.append(fused(picture))

    assert seen == [
        EvseStatus.INOPERATIVE,
        EvseStatus.CHARGING,
        EvseStatus.INOPERATIVE,
        EvseStatus.AVAILABLE,
    ]
    assert records[0].detail is not None
    assert records[0].detail.reason == "OUT_OF_SERVICE"


def fused(picture: LivePicture) -> EvseStatus:
    now = picture.fused(EVSE)
    assert now is not None
    return now.status
