"""The ledger under any order of calls, times that jump, and crashes: I1, I3, I4 and I5 hold."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from claim_wishes import check_exclusion, wish
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coordinator.core.areas.ledger import Claim, ClaimState, Moment, Move, Refused, Step
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.fences import Fences

T = TypeVar("T")
cars = st.sampled_from([f"car-{number}" for number in range(5)])
evses = st.sampled_from([f"E{number}" for number in range(4)])
begins = st.sampled_from([0.0, 300.0, 600.0, 1_200.0])
lengths = st.sampled_from([60.0, 600.0, 1_800.0])
picks = st.integers(0, 10_000)


class LedgerMachine(RuleBasedStateMachine):
    """Cars ask, confirm, plug in, leave; time runs; the process dies and comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "0" / "claims.db"
        self.path.parent.mkdir()
        self.moment = Moment(1_000_000.0, 500.0)
        self.store = SqliteClaims(self.path, self.moment)
        self.names = (f"c{number}" for number in itertools.count())
        self.lives = itertools.count(1)
        self.fences: dict[str, int] = {}

    def teardown(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.loop.close()
        self.folder.cleanup()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    def some(self, pick: int) -> Claim | None:
        live = sorted(self.store.table.live(), key=lambda claim: claim.claim_id)
        return live[pick % len(live)] if live else None

    @initialize(seed=st.integers(0, 10_000))
    def busy_morning(self, seed: int) -> None:
        """Cars that hold something already, so that there is something to get in the way of."""
        rng = random.Random(seed)
        for number in range(10):
            evse, car = f"E{rng.randrange(4)}", f"car-{rng.randrange(5)}"
            begin_s, ahead = rng.choice([0.0, 300.0, 600.0, 1_200.0]), rng.random() < 0.2
            asked = wish(next(self.names), evse, car, self.moment, begin_s, future=ahead)
            self.run(self.store.claim(asked, self.moment))
            if rng.random() < 0.7:
                self.run(self.store.confirm(asked.claim_id, asked.to_s, self.moment))
            if number % 4 == 0:
                self.run(self.store.occupy(asked.claim_id, asked.to_s, self.moment))

    @rule(car=cars, evse=evses, begin=begins, length=lengths, future=st.booleans())
    def claim(self, car: str, evse: str, begin: float, length: float, future: bool) -> None:
        asked = wish(next(self.names), evse, car, self.moment, begin, length, future=future)
        before = set(self.store.table.live())
        outcome = self.run(self.store.claim(asked, self.moment))
        if isinstance(outcome, Refused):
            assert set(self.store.table.live()) == before

    @rule(pick=picks, lease=st.sampled_from([30.0, 900.0]))
    def confirm(self, pick: int, lease: float) -> None:
        claim = self.some(pick)
        if claim is not None:
            self.run(self.store.confirm(claim.claim_id, self.moment.now_s + lease, self.moment))

    @rule(pick=picks, more=lengths)
    def renew(self, pick: int, more: float) -> None:
        claim = self.some(pick)
        if claim is not None:
            until_s = self.moment.now_s + more
            self.run(self.store.renew(claim.claim_id, until_s, until_s, self.moment))

    @rule(pick=picks, instead=st.booleans())
    def begin(self, pick: int, instead: bool) -> None:
        claim = self.some(pick)
        if claim is not None:
            outcome = self.run(self.store.begin(claim.claim_id, self.moment, instead))
            if isinstance(outcome, Step):
                begun = self.store.table.get(claim.claim_id)
                assert begun is not None
                assert not begun.future

    @rule(evse=evses, length=lengths)
    def walk_in(self, evse: str, length: float) -> None:
        name, until_s = next(self.names), self.moment.now_s + length
        outcome = self.run(self.store.walk_in(name, evse, until_s, self.moment))
        occupied = [c for c in self.store.table.of_evse(evse) if c.state is ClaimState.OCCUPIED]
        assert len(occupied) == 1
        assert isinstance(outcome, Step) == (occupied[0].claim_id == name)

    @rule(pick=picks)
    def disown(self, pick: int) -> None:
        claim = self.some(pick)
        if claim is not None:
            self.run(self.store.disown(claim.claim_id, next(self.names), self.moment))
            stays = [c.state for c in self.store.table.on_evse(claim.evse_id)]
            assert claim.state is not ClaimState.OCCUPIED or ClaimState.OCCUPIED in stays

    @rule(pick=picks, other=picks, more=lengths, evse=evses)
    def overrun(self, pick: int, other: int, more: float, evse: str) -> None:
        """Somebody stays longer; one follower may go elsewhere in the same step."""
        claim, follower = self.some(pick), self.some(other)
        if claim is None or follower is None:
            return
        moves = []
        if follower.state is ClaimState.CONFIRMED and follower.claim_id != claim.claim_id:
            asked = wish(next(self.names), evse, follower.vehicle_id, self.moment)
            moves.append(Move(follower.claim_id, replace(asked, future=follower.future)))
        until_s, before = self.moment.now_s + more, set(self.store.table.live())
        outcome = self.run(self.store.overrun(claim.claim_id, until_s, moves, {}, self.moment))
        if isinstance(outcome, Refused):
            assert set(self.store.table.live()) == before
        else:
            stays = self.store.table.get(claim.claim_id)
            assert stays is not None
            assert stays.to_s >= until_s

    @rule(pick=picks, evse=evses, accepted=st.booleans())
    def offer_a_move(self, pick: int, evse: str, accepted: bool) -> None:
        """Make before break: the old place stays until the new one is confirmed."""
        claim = self.some(pick)
        if claim is None or claim.future or not claim.vehicle_id:
            return
        asked = wish(next(self.names), evse, claim.vehicle_id, self.moment)
        beside = Move("", replace(asked, moving=True))
        outcome = self.run(self.store.apply([beside], {}, self.moment))
        if isinstance(outcome, Step) and accepted:
            until_s = self.moment.now_s + 900.0
            self.run(self.store.confirm(asked.claim_id, until_s, self.moment))
            assert [c.claim_id for c in self.store.table.of_car(claim.vehicle_id)] == [
                asked.claim_id
            ]

    @rule(evse=evses, back=st.booleans())
    def draw_a_fence(self, evse: str, back: bool) -> None:
        """Also where the system's clock was set back by an hour."""
        system_s = self.moment.now_s - 3_600.0 * back
        fence = self.run(Fences(self.store).issue(evse, system_s))
        assert fence > self.fences.get(evse, 0)
        self.fences[evse] = fence

    @rule(pick=picks, more=lengths)
    def occupy(self, pick: int, more: float) -> None:
        claim = self.some(pick)
        if claim is not None:
            self.run(self.store.occupy(claim.claim_id, self.moment.now_s + more, self.moment))

    @rule(pick=picks, done=st.booleans())
    def end(self, pick: int, done: bool) -> None:
        claim = self.some(pick)
        if claim is not None:
            end = self.store.finish if done else self.store.release
            self.run(end(claim.claim_id, self.moment))
            assert not any(c.claim_id == claim.claim_id for c in self.store.table.live())

    @rule(pick=picks, other=picks, evse=evses, begin=begins)
    def move(self, pick: int, other: int, evse: str, begin: float) -> None:
        moves = []
        for claim in {c.claim_id: c for c in (self.some(pick), self.some(other)) if c}.values():
            target = evse if not moves else claim.evse_id
            asked = wish(next(self.names), target, claim.vehicle_id, self.moment, begin)
            asked = replace(asked, future=claim.future)
            moves.append(Move(claim.claim_id, asked))
        before = set(self.store.table.live())
        outcome = self.run(self.store.apply(moves, {}, self.moment))
        if isinstance(outcome, Refused):
            assert set(self.store.table.live()) == before

    @rule(seconds=st.sampled_from([1.0, 29.0, 31.0, 700.0]), speed=st.sampled_from([1.0, 60.0]))
    def time_passes(self, seconds: float, speed: float) -> None:
        self.moment = Moment(self.moment.now_s + seconds * speed, self.moment.link_s + seconds)

    @rule(seconds=st.sampled_from([-300.0, 7_200.0]))
    def clock_jumps(self, seconds: float) -> None:
        """Domain time goes back or forth by itself, as after somebody has set it."""
        self.moment = Moment(self.moment.now_s + seconds, self.moment.link_s)

    @rule()
    def sweep(self) -> None:
        self.run(self.store.expire(self.moment))
        assert not any(claim.lapsed(self.moment) for claim in self.store.table.live())

    @rule(compacted=st.booleans())
    def crash(self, compacted: bool) -> None:
        if compacted:
            self.run(self.store.compact(self.moment, 3_600.0))
        before = {(c.claim_id, c.state, c.to_s) for c in self.store.table.live()}
        old, folder = self.store, self.path.parent
        # What lies there now, without a word to the process that wrote it.
        self.path = folder.with_name(str(next(self.lives))) / "claims.db"
        shutil.copytree(folder, self.path.parent)
        self.moment = Moment(self.moment.now_s, 1.0)
        self.store = SqliteClaims(self.path, self.moment)
        self.run(old.close())
        assert {(c.claim_id, c.state, c.to_s) for c in self.store.table.live()} == before

    @invariant()
    def nobody_shares(self) -> None:
        check_exclusion(self.store.table)

    @invariant()
    def what_lives_is_in_a_live_state(self) -> None:
        states = {ClaimState.OFFERED, ClaimState.CONFIRMED, ClaimState.OCCUPIED}
        assert {claim.state for claim in self.store.table.live()} <= states


LedgerMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLedgerMachine = pytest.mark.slow(LedgerMachine.TestCase)
