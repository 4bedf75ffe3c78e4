"""Ledger, promises, re-plans and holds under any order of events, on a real file, with crashes.

After every step: I1 the file has what was told, I3 one claim an EVSE and instant, I4 one live claim
a car (two only while moving) and one window, I5 fences rise and no agent acts on a lower one, I7
figures are finite or said to be degraded, I8 a refusal has its code and names what is wrong; and
every open promise is what the ledger holds. I2 (the far store is the agent's log) is checked after
every step of the spool's machine, `test_agent_spool.py`; I6 (no record from who does not own the
pile) lies with ingest: `test_coordinator_edge.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest
from claim_wishes import check_exclusion
from hand_agents import AWAY, HandAgents
from hand_brain import HandBrain
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from served_brain import station

from coordinator.core.areas.assignment import Plan, Problem
from coordinator.core.areas.claim_index import ClaimIndex
from coordinator.core.areas.ledger import Claim, ClaimState
from coordinator.core.pile import EvseStatus
from coordinator.errors import FieldInvalid, PromiseLost
from coordinator.store.claims_rows import stored_answer, stored_steps
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.answer import Answer, HoldKind
from coordinator.usecases.composing import answers
from coordinator.usecases.directives import Outcome
from coordinator.usecases.fences import Fences
from coordinator.usecases.plugging import hashed
from coordinator.usecases.promises import Promise
from coordinator.usecases.replan import InlineSolver
from coordinator.usecases.unplaced import waits

T = TypeVar("T")
CARS = [f"car-{number}" for number in range(6)]
cars = st.sampled_from(CARS)
picks = st.integers(0, 1_000)
STATIONS = [station("A", 1.0, 2), station("B", 2.0), station("C", 3.0)]
EVSES = ["A-1*1", "A-2*1", "B-1*1", "C-1*1"]
evses = st.sampled_from(EVSES)
STATUSES = [
    EvseStatus.AVAILABLE,
    EvseStatus.CHARGING,
    EvseStatus.BLOCKED,
    EvseStatus.OUTOFORDER,
    EvseStatus.UNKNOWN,
    EvseStatus.RESERVED,
]


MOODS: list[Outcome | str] = [
    Outcome.DONE, Outcome.DONE_SOFTLY, Outcome.REFUSED, Outcome.TIMED_OUT, AWAY,
]  # fmt: skip


class NoSolver:
    """Answers no plan in time, so that the loop repairs by itself."""

    async def plan(self, problem: object) -> None:
        """None."""

    async def close(self) -> None:
        """Nothing to end."""


class OvertakenSolver(InlineSolver):
    """Plans, while something else happens: what the plan was made from is not true any more."""

    def __init__(self, happens: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__()
        self._happens = happens

    async def plan(self, problem: Problem) -> Plan | None:
        """The plan of what was, after what happens has happened."""
        made = await super().plan(problem)
        await self._happens()
        return made


class PromiseMachine(RuleBasedStateMachine):
    """Cars ask, confirm, drive, arrive and leave; piles fail; time jumps; the process dies."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="pilewise-machine-"))
        self.lives = 0
        self.agents: HandAgents | None = None
        self.hand = self.make()
        self.asked = 0
        self.fences: dict[str, int] = {}
        self.declined: list[tuple[str, int]] = []

    def make(self, statuses: list[int] | None = None) -> HandBrain:
        """A brain over what lies in the folder of this life."""
        hand = HandBrain(STATIONS)
        if self.lives:
            hand.clock = self.hand.clock
        path = self.folder / f"life-{self.lives}" / "claims.db"
        path.parent.mkdir(exist_ok=True)
        made = HandBrain(STATIONS, SqliteClaims(path, hand.moment), hand.clock)
        if statuses is not None:
            made.district.status[:] = statuses
        self.agents = self.agents or HandAgents(hand.clock)
        made.brain.hold_at_piles(made.district, self.agents, Fences(made.claims))  # type: ignore[arg-type]
        return made

    def teardown(self) -> None:
        self.run(self.hand.brain.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 60))

    def open(self) -> list[Promise]:
        promises = self.hand.brain.promises.open()
        return sorted(promises, key=lambda promise: promise.recommendation_id)

    def some(self, pick: int) -> Promise | None:
        found = self.open()
        return found[pick % len(found)] if found else None

    @initialize(seed=st.integers(0, 10_000))
    def busy_morning(self, seed: int) -> None:
        """Cars on their way, one that charges, one that comes later, one that nobody sent."""
        rng = random.Random(seed)
        for car in CARS[:4]:
            self.asked += 1
            self.run(self.hand.ask(car, self.asked, soc_pct=rng.choice([10.0, 50.0])))
            for promise in self.open():
                if not promise.confirmed and rng.random() < 0.8:
                    self.run(self.hand.brain.guidance.confirm(promise.recommendation_id))
        self.ask_for_later(CARS[4], 1_800.0)
        self.confirm(rng.randrange(10))
        if rng.random() < 0.5:
            self.arrive(rng.randrange(10), True, EVSES[0], True)
        if rng.random() < 0.5:
            self.see(rng.choice(EVSES), EvseStatus.CHARGING)

    @rule(car=cars, soc_pct=st.sampled_from([8.0, 30.0, 60.0]), token=st.booleans())
    def ask(self, car: str, soc_pct: float, token: bool) -> None:
        """A request, answered with a hold, or with a reason."""
        self.asked += 1
        wishes = {"soc_pct": soc_pct, "id_token": f"token-{car}" if token else ""}
        self.judge(self.run(self.hand.ask(car, self.asked, **wishes)))

    @rule(car=cars, begins_s=st.sampled_from([60.0, 1_800.0, 7_200.0, 90_000.0]))
    def ask_for_later(self, car: str, begins_s: float) -> None:
        """A request for a window; one too far ahead is refused by the name of its field."""
        self.asked += 1
        from_s = self.hand.clock.now_s() + begins_s
        asking = self.hand.ask(car, self.asked, arrival_window_s=(from_s, from_s + 1_200.0))
        if begins_s < 80_000.0:
            self.judge(self.run(asking))
            return
        with pytest.raises(FieldInvalid) as caught:
            self.run(asking)
        assert [fault.field for fault in caught.value.faults] == ["arrival_window.to_at"]

    def judge(self, answer: Answer) -> None:
        """I7 and I8 of one answer; I1: what it holds is in the ledger."""
        if not answer.judged:
            assert answer.empty_reason
            assert answer.empty_text
            return
        figures = answer.choice.figures
        for value in (figures.cost_s, figures.eta_s, figures.wait_s, figures.expected_wait_s):
            assert math.isfinite(value) or answer.degraded
        if answer.hold.claim_id:
            claim = self.hand.claims.table.get(answer.hold.claim_id)
            assert claim is not None
            assert claim.evse_id == answer.choice.evse_id
            assert claim.future == (answer.window is not None)
        else:
            assert answer.hold.reason

    @rule(pick=picks)
    def confirm(self, pick: int) -> None:
        """The driver takes the offer; a lost one is said to be lost, with the reason."""
        promise = self.some(pick)
        if promise is not None:
            lost: list[PromiseLost] = []
            try:
                self.run(self.hand.brain.guidance.confirm(promise.recommendation_id))
            except PromiseLost as error:
                lost.append(error)
            assert all(error.code == "CLAIM-001" and error.why for error in lost)  # I8

    @rule(pick=picks, evse=evses)
    def confirm_another(self, pick: int, evse: str) -> None:
        """The driver takes an alternative, if it was listed."""
        promise = self.some(pick)
        if promise is not None:
            with contextlib.suppress(PromiseLost, FieldInvalid):
                self.run(self.hand.brain.guidance.confirm(promise.recommendation_id, evse))

    @rule(pick=picks)
    def release(self, pick: int) -> None:
        """The driver gives it back."""
        promise = self.some(pick)
        if promise is not None:
            self.run(self.hand.brain.guidance.release(promise.recommendation_id))
            assert promise.closed

    @rule(pick=picks, plugs_in=st.booleans(), elsewhere=evses, there=st.booleans())
    def arrive(self, pick: int, plugs_in: bool, elsewhere: str, there: bool) -> None:
        """A car says that it is there, and plugs in at its EVSE or at another one."""
        promise = self.some(pick)
        if promise is None:
            return
        self.run(self.hand.brain.guidance.arrived(promise))
        if plugs_in:
            evse = promise.answer.choice.evse_id if there else elsewhere
            self.run(self.hand.see(evse, EvseStatus.CHARGING))

    @rule(pick=picks, accepted=st.booleans())
    def decide(self, pick: int, accepted: bool) -> None:
        """The driver's word on the newest revision: a move with and without acceptance."""
        promise = self.some(pick)
        if promise is not None:
            guidance = self.hand.brain.guidance
            self.run(guidance.decide(promise, promise.answer.revision, accepted))

    @rule(evse=evses, status=st.sampled_from(STATUSES))
    def see(self, evse: str, status: EvseStatus) -> None:
        """Walk-ins, departures, faults, blocked bays, reservations of others, silence."""
        self.run(self.hand.see(evse, status))

    @rule(evse=evses, car=cars)
    def show_token(self, evse: str, car: str) -> None:
        """A token is shown at an EVSE, that of a promised car or of anybody."""
        self.run(self.hand.brain.watchman.shown(evse, hashed(f"token-{car}")))

    @rule(pick=picks)
    def reservation_refused(self, pick: int) -> None:
        """The pile would not reserve: another place, or a soft hold."""
        promise = self.some(pick)
        if promise is not None and promise.confirmed and promise.claim_id:
            brain = self.hand.brain
            self.run(brain.watchman.refused(promise.claim_id, brain.hold_telling))

    @rule(seconds=st.sampled_from([5.0, 35.0, 130.0, 900.0]))
    def time_passes(self, seconds: float) -> None:
        """Offers lapse, overruns push, windows begin, nobody comes."""
        self.run(self.hand.passes(seconds))
        for promise in self.open():
            claim = self.hand.claims.table.get(promise.claim_id)
            assert promise.answer.hold.kind is HoldKind.NONE or (claim is not None and claim.live)
        assert not any(c.lapsed(self.hand.moment) for c in self.hand.claims.table.live())

    @rule(domain_s=st.sampled_from([600.0, 5_400.0, -600.0, -3_600.0]))
    def clock_jumps(self, domain_s: float) -> None:
        """Domain time goes on or back by itself; link time does not."""
        self.hand.clock.move(domain_s, 0.0)
        self.run(self.hand.passes(1.0))

    @rule()
    def repair_alone(self) -> None:
        """A round of the joint re-plan, whose solver gives no plan in time."""
        self.run(self.hand.brain.replanner.once(NoSolver()))

    @rule(evse=evses)
    def replan(self, evse: str) -> None:
        """A round with the real solver, for which a place has become free."""
        if self.hand.occupant(evse) is None:
            self.run(self.hand.see(evse, EvseStatus.AVAILABLE))
        self.run(self.hand.brain.replanner.once(InlineSolver()))

    @rule(evse=evses)
    def replan_for_those_without_a_place(self, evse: str) -> None:
        """Every pile fails, so that all who are on their way lose their places; one works again."""
        for failed in EVSES:
            self.run(self.hand.see(failed, EvseStatus.OUTOFORDER))
        self.hand.believe(evse, EvseStatus.AVAILABLE)
        moment, table = self.hand.moment, self.hand.claims.table
        without = [promise for promise in self.open() if not promise.claim_id]
        mute = [promise for promise in without if not waits(promise, table, moment)]
        self.run(self.hand.brain.replanner.once(InlineSolver()))
        assert not any(promise.claim_id for promise in mute)
        self.run(self.hand.catch_up())
        for promise in without:
            claim = table.get(promise.claim_id)
            assert not promise.claim_id or (claim is not None and claim.evse_id == evse)

    @rule(evse=evses, status=st.sampled_from(STATUSES), pick=picks, what=st.integers(0, 2))
    def overtaken_replan(self, evse: str, status: EvseStatus, pick: int, what: int) -> None:
        """While the plan is made a pile changes, a car gives up, or another one asks."""

        async def happens() -> None:
            promise = self.some(pick)
            if what == 0 or promise is None:
                await self.hand.see(evse, status)
            elif what == 1:
                await self.hand.brain.guidance.release(promise.recommendation_id)
            else:
                self.asked += 1
                self.judge(await self.hand.ask(CARS[pick % len(CARS)], self.asked))

        self.run(self.hand.brain.replanner.once(OvertakenSolver(happens)))

    @rule(pick=picks, accepted=st.booleans())
    def answer_an_offer(self, pick: int, accepted: bool) -> None:
        """A car that was offered a better place takes it, or keeps what it has."""
        offered = [promise for promise in self.open() if promise.proposal is not None]
        if not offered:
            return
        promise = offered[pick % len(offered)]
        before, offer = promise.answer.choice.evse_id, promise.newest
        self.run(self.hand.brain.guidance.decide(promise, offer.revision, accepted))
        assert promise.proposal is None or promise.proposal.answer is not offer
        if not accepted:
            assert promise.answer.choice.evse_id == before
            self.declined.append((promise.recommendation_id, offer.revision))

    @rule(late_s=st.sampled_from([14.0, 16.0]))
    def offers_lapse(self, late_s: float) -> None:
        """Fifteen seconds without a word end an offer; a word that comes later changes nothing."""
        offered = [(promise, promise.newest) for promise in self.open() if promise.proposal]
        self.hand.clock.move(late_s)
        self.run(self.hand.brain.replanner.proposals.expire())
        for promise, offer in offered:
            if late_s > 15.0:
                assert promise.proposal is None
                held = promise.answer.choice.evse_id
                self.run(self.hand.brain.guidance.decide(promise, offer.revision, True))
                assert promise.answer.choice.evse_id == held

    @rule(evse=evses, mood=st.sampled_from(MOODS))
    def agents_mood(self, evse: str, mood: Outcome | str) -> None:
        """From now on the pile there reserves, refuses, is silent, or its agent is away."""
        assert self.agents is not None
        self.agents.moods[evse] = mood
        if mood != AWAY:
            holding = self.hand.brain.holding
            assert holding is not None
            holding.on_agent("hand", "spool")

    @rule()
    def holds_follow(self) -> None:
        """What is promised is carried to the piles; refusals come back as changes."""
        holding: Any = self.hand.brain.holding
        holding._look()
        for evse_id in sorted(holding._marked):
            holding._marked.discard(evse_id)
            self.run(holding._try(evse_id))
        self.run(self.hand.catch_up())

    @rule(evse=evses, back_s=st.sampled_from([0.0, 86_400.0]))
    def draw_a_fence(self, evse: str, back_s: float) -> None:
        """I5: strictly above all before it, also where the system's clock was set back."""
        system_s = self.hand.clock.now_s() - back_s
        fence = self.run(Fences(self.hand.claims).issue(evse, system_s))
        assert fence > self.fences.get(evse, 0)
        self.fences[evse] = fence

    @rule(compacted=st.booleans())
    def crash(self, compacted: bool) -> None:
        """The process dies where it stands; the next one finds on the disk what was told."""
        told = {
            promise.recommendation_id: promise.answer.revision
            for promise in self.open()
            if (claim := self.hand.claims.table.get(promise.claim_id)) is not None and claim.live
        }
        if compacted:
            self.run(self.hand.claims.compact(self.hand.moment, 7 * 86_400.0))
        offered = {p.proposal.answer.hold.claim_id for p in self.open() if p.proposal is not None}
        live = {
            (claim.claim_id, claim.state, claim.evse_id)
            for claim in self.hand.claims.table.live()
            if claim.claim_id not in offered  # nobody knows what was offered: it is given back
        }
        here = self.folder / f"life-{self.lives}"
        self.lives += 1
        # What lies there now, without a word to the process that wrote it.
        shutil.copytree(here, self.folder / f"life-{self.lives}")
        statuses = self.hand.district.status.tolist()
        old, self.hand = self.hand, self.make(statuses)
        self.run(old.brain.close())
        self.declined.clear()
        self.run(self.hand.brain.start())
        assert {(c.claim_id, c.state, c.evse_id) for c in self.hand.claims.table.live()} == live
        for name, revision in told.items():
            promise = self.hand.brain.promises.get(name)
            assert promise is not None
            assert promise.answer.revision >= revision

    @invariant()
    def the_file_has_what_was_told(self) -> None:
        """I1: who opens the file now finds every live claim, and every revision with a hold."""
        path = self.folder / f"life-{self.lives}" / "claims.db"
        index = ClaimIndex()
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            index.restore(stored_steps(connection, self.hand.moment))
            live = {_durable(claim) for claim in self.hand.claims.table.live()}
            assert {_durable(claim) for claim in index.table.live()} == live
            for promise in self.open():
                if promise.answer.hold.kind is HoldKind.NONE:
                    continue
                kept = stored_answer(connection, promise.recommendation_id)
                assert kept is not None
                assert answers.decode(kept.answer).revision >= promise.answer.revision

    @invariant()
    def fences_rise(self) -> None:
        """I5: each directive at an EVSE has a higher fence than the one before, in every life."""
        assert self.agents is not None
        for seen in self.agents.fences.values():
            assert all(one < other for one, other in pairwise(seen)), seen

    @invariant()
    def agents_keep_for_live_promises_only(self) -> None:
        """What an agent keeps is for a live claim, or is being given back, or lapses by itself.

        A claim that ended long ago may be forgotten before its agent could be told, and so may one
        whose lease is over by a clock that was set before a crash.
        """
        assert self.agents is not None
        holding: Any = self.hand.brain.holding
        for evse_id, (claim_id, until_s) in self.agents.keeps.items():
            claim = self.hand.claims.table.get(claim_id)
            if claim is None or claim.live or claim.lease_until_s <= self.hand.clock.now_s():
                continue
            if until_s > self.hand.clock.link_s():
                assert evse_id in holding._kept, (evse_id, claim)

    @invariant()
    def figures_are_finite(self) -> None:
        """I7, of everything that cars are told now."""
        for promise in self.open():
            for judged in promise.newest.judged:
                figures = judged.figures
                for value in (figures.cost_s, figures.eta_s, figures.wait_s, figures.p_working):
                    assert math.isfinite(value) or promise.newest.degraded

    @invariant()
    def nobody_shares(self) -> None:
        """I3 and I4."""
        check_exclusion(self.hand.claims.table)

    @invariant()
    def promises_are_what_the_ledger_holds(self) -> None:
        """An open promise with a hold has a live claim of its car, at the EVSE it was told."""
        for promise in self.open():
            if promise.answer.hold.kind is HoldKind.NONE:
                continue
            claim = self.hand.claims.table.get(promise.claim_id)
            assert claim is not None
            assert claim.live or claim.state in (ClaimState.EXPIRED, ClaimState.NO_SHOW), claim
            if claim.live:
                assert claim.vehicle_id == promise.request.vehicle_id
                assert claim.evse_id == promise.answer.choice.evse_id
                assert claim.future == promise.ahead

    @invariant()
    def the_picture_shows_what_is_held(self) -> None:
        """Columns of the district are those of the ledger; walk-ins show by their status."""
        district, table = self.hand.district, self.hand.claims.table
        for evse_id, row in district.row.items():
            count = sum(bool(claim.vehicle_id) for claim in table.of_evse(evse_id))
            assert district.claim_count[row] == count
            windows = table.windows_of_evse(evse_id)
            begin_s = windows[0].from_s if windows else math.inf
            assert district.reserved_from_s[row] == begin_s


def _durable(claim: Claim) -> tuple[object, ...]:
    """A claim without the lease of an offer, which is of the time of one process."""
    lease_s = 0.0 if claim.state is ClaimState.OFFERED else claim.lease_until_s
    return (claim.claim_id, claim.evse_id, claim.vehicle_id, claim.from_s, claim.to_s, claim.level,
            claim.state, lease_s, claim.revision, claim.moving, claim.future)  # fmt: skip


PromiseMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # the steps as they were, at once
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestPromiseMachine = pytest.mark.timeout(900)(pytest.mark.slow(PromiseMachine.TestCase))
