"""Ledger, promises and re-plans under any order of events, on a real file, with crashes.

After every step: I1 what was told outlives the process, I3 one claim an EVSE and instant, I4 one
live claim a car and one window, I5 fences rise, I7 figures are finite or said to be degraded, I8 a
refusal has its code; and every open promise is what the ledger holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from claim_wishes import check_exclusion
from hand_brain import HandBrain
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from served_brain import station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus
from coordinator.errors import FieldInvalid, PromiseLost
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.answer import Answer, HoldKind
from coordinator.usecases.directives import Fences
from coordinator.usecases.plugging import hashed
from coordinator.usecases.promises import Promise

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


class NoSolver:
    """Answers no plan in time, so that the loop repairs by itself."""

    async def plan(self, problem: object) -> None:
        """None."""

    async def close(self) -> None:
        """Nothing to end."""


class PromiseMachine(RuleBasedStateMachine):
    """Cars ask, confirm, drive, arrive and leave; piles fail; time jumps; the process dies."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="pilewise-machine-"))
        self.lives = 0
        self.hand = self.make()
        self.asked = 0
        self.fences: dict[str, int] = {}

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
        return made

    def teardown(self) -> None:
        self.run(self.hand.brain.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 30.0))

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
            with contextlib.suppress(PromiseLost):
                self.run(self.hand.brain.guidance.confirm(promise.recommendation_id))

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

    @rule(domain_s=st.sampled_from([600.0, 5_400.0]))
    def clock_jumps(self, domain_s: float) -> None:
        """Domain time goes on by itself; link time does not."""
        self.hand.clock.move(domain_s, 0.0)
        self.run(self.hand.passes(1.0))

    @rule()
    def replan(self) -> None:
        """A round of the joint re-plan, whose solver gives no plan in time."""
        replanner: Any = getattr(self.hand.brain, "replanner", None)
        if replanner is not None:
            self.run(replanner.once(NoSolver()))
            self.run(replanner.proposals.expire())

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
        live = {(c.claim_id, c.state, c.evse_id) for c in self.hand.claims.table.live()}
        here = self.folder / f"life-{self.lives}"
        self.lives += 1
        # What lies there now, without a word to the process that wrote it.
        shutil.copytree(here, self.folder / f"life-{self.lives}")
        statuses = self.hand.district.status.tolist()
        old, self.hand = self.hand, self.make(statuses)
        self.run(old.brain.close())
        self.run(self.hand.brain.start())
        assert {(c.claim_id, c.state, c.evse_id) for c in self.hand.claims.table.live()} == live
        for name, revision in told.items():
            promise = self.hand.brain.promises.get(name)
            assert promise is not None
            assert promise.answer.revision >= revision

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


PromiseMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestPromiseMachine = pytest.mark.slow(PromiseMachine.TestCase)
