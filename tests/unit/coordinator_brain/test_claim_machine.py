"""The ledger under any order of calls, time passing and restarts: I3 and I4 always hold."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path

import pytest
from claim_wishes import check_exclusion, wish
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from coordinator.core.areas.ledger import Claim, ClaimState, Moment, Move, Refused, Step
from coordinator.store.claims_sqlite import SqliteClaims

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
        self.path = Path(self.folder.name) / "claims.db"
        self.moment = Moment(1_000_000.0, 500.0)
        self.store = SqliteClaims(self.path, self.moment)
        self.names = (f"c{number}" for number in itertools.count())

    def teardown(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.loop.close()
        self.folder.cleanup()

    def run(self, call: object) -> Step | Refused:
        return self.loop.run_until_complete(call)  # type: ignore[no-any-return, call-overload]

    def some(self, pick: int) -> Claim | None:
        live = sorted(self.store.table.live(), key=lambda claim: claim.claim_id)
        return live[pick % len(live)] if live else None

    @rule(car=cars, evse=evses, begin=begins, length=lengths)
    def claim(self, car: str, evse: str, begin: float, length: float) -> None:
        asked = wish(next(self.names), evse, car, self.moment, begin, length)
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
            moves.append(Move(claim.claim_id, asked))
        before = set(self.store.table.live())
        outcome = self.run(self.store.apply(moves, {}, self.moment))
        if isinstance(outcome, Refused):
            assert set(self.store.table.live()) == before

    @rule(seconds=st.sampled_from([1.0, 29.0, 31.0, 700.0]), speed=st.sampled_from([1.0, 60.0]))
    def time_passes(self, seconds: float, speed: float) -> None:
        self.moment = Moment(self.moment.now_s + seconds * speed, self.moment.link_s + seconds)

    @rule()
    def sweep(self) -> None:
        self.run(self.store.expire(self.moment))
        assert not any(claim.lapsed(self.moment) for claim in self.store.table.live())

    @rule(compacted=st.booleans())
    def restart(self, compacted: bool) -> None:
        if compacted:
            self.run(self.store.compact(self.moment, 3_600.0))
        before = {(c.claim_id, c.state, c.to_s) for c in self.store.table.live()}
        self.run(self.store.close())
        self.moment = Moment(self.moment.now_s, 1.0)
        self.store = SqliteClaims(self.path, self.moment)
        assert {(c.claim_id, c.state, c.to_s) for c in self.store.table.live()} == before

    @invariant()
    def nobody_shares(self) -> None:
        check_exclusion(self.store.table)

    @invariant()
    def what_lives_is_in_a_live_state(self) -> None:
        states = {ClaimState.OFFERED, ClaimState.CONFIRMED, ClaimState.OCCUPIED}
        assert {claim.state for claim in self.store.table.live()} <= states


LedgerMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLedgerMachine = pytest.mark.slow(LedgerMachine.TestCase)
