"""What outlives the process, and what happens when the disk refuses."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from claim_wishes import check_exclusion, wish

from coordinator.clock import Clock
from coordinator.config_privacy import PrivacySection
from coordinator.core.areas.ledger import OFFER_S, ClaimState, Moment, Step
from coordinator.errors import StoreUnavailable
from coordinator.store.claims_sqlite import REMOVED_AT_ONCE, SqliteClaims
from coordinator.store.memory import MemoryTelemetry
from coordinator.usecases import retention
from coordinator.usecases.ledger import KeptAnswer, Outcome

NOW = Moment(1_000_000.0, 500.0)
RESTART = Moment(1_000_010.0, 3.0)  # the machine began anew: link time means something else


async def test_live_claims_are_there_after_a_restart(tmp_path: Path) -> None:
    """Offers get a whole new lease; leases of firm claims stand as they were."""
    store = SqliteClaims(tmp_path / "claims.db", NOW)
    for number in range(4):
        claim = wish(f"c{number}", f"E{number}", f"car-{number}", NOW)
        await store.claim(claim, NOW)
    await store.confirm("c1", NOW.now_s + 900, NOW)
    await store.release("c2", NOW)
    await store.occupy("c3", NOW.now_s + 400, NOW)
    await store.close()

    again = SqliteClaims(tmp_path / "claims.db", RESTART)

    live = {claim.claim_id: claim for claim in again.table.live()}
    assert {name: claim.state for name, claim in live.items()} == {
        "c0": ClaimState.OFFERED,
        "c1": ClaimState.CONFIRMED,
        "c3": ClaimState.OCCUPIED,
    }
    assert live["c0"].lease_until_s == RESTART.link_s + OFFER_S
    assert live["c1"].lease_until_s == NOW.now_s + 900
    assert live["c3"].to_s == NOW.now_s + 400
    await again.close()


async def test_a_compacted_journal_tells_the_same(tmp_path: Path) -> None:
    """Steps that a snapshot replaces go; live claims and young answers stay."""
    path = tmp_path / "claims.db"
    store = SqliteClaims(path, NOW)
    answer = KeptAnswer("rec-c1", "request-1", "car-1", b"said", b"asked", b"")
    await store.claim(wish("c1", "E1", "car-1", NOW), NOW, lambda step: (answer,))
    for number in range(20):
        await store.claim(wish(f"d{number}", "E2", "car-2", NOW), NOW)

    removed = await store.compact(NOW, keep_s=3_600.0)
    await store.close()
    again = SqliteClaims(path, RESTART)

    assert removed == 20
    assert {claim.claim_id for claim in again.table.live()} == {"c1", "d19"}
    kept = await again.answer("rec-c1")
    assert kept == answer
    assert await again.answer_to("request-1") == answer
    await again.close()


async def test_outcomes_are_forgotten_with_their_requests(tmp_path: Path) -> None:
    """What drivers told is kept as long as the answers that it is about, young ones stay."""
    store = SqliteClaims(tmp_path / "claims.db", NOW)
    late = Moment(NOW.now_s + 3_000.0, NOW.link_s + 3_000.0)
    told = Outcome(1, comment="mine")
    names = [f"old-{number}" for number in range(REMOVED_AT_ONCE + 1)]
    await asyncio.gather(*(store.keep_outcome(name, told, NOW) for name in names))
    await store.keep_outcome("young", Outcome(2), late)

    removed = await store.compact(Moment(NOW.now_s + 3_601.0, 0.0), keep_s=3_600.0)

    assert removed == REMOVED_AT_ONCE + 1
    assert await store.outcomes("old-0") == ()
    assert await store.outcomes("young") == (Outcome(2),)
    await store.close()


async def test_a_lost_end_of_a_claim_does_not_double_a_place(tmp_path: Path) -> None:
    """If the row that ended a claim is lost, the later grant still excludes it."""
    path = tmp_path / "claims.db"
    store = SqliteClaims(path, NOW)
    await store.claim(wish("c1", "E1", "car-1", NOW), NOW)
    await store.release("c1", NOW)
    await store.claim(wish("c2", "E1", "car-2", NOW), NOW)
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM step WHERE seq = 2")
    connection.close()

    again = SqliteClaims(path, RESTART)

    check_exclusion(again.table)
    assert [claim.claim_id for claim in again.table.live()] == ["c2"]
    await again.close()


async def test_a_step_that_the_disk_refuses_has_not_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place is free for the next car, and what the step ended lives on."""
    store = SqliteClaims(tmp_path / "claims.db", NOW)
    await store.claim(wish("c1", "E1", "car-1", NOW), NOW)
    before = set(store.table.live())

    async def refuse(*_: object) -> None:
        raise StoreUnavailable("claims.db", "database or disk is full")

    monkeypatch.setattr(store, "_keep", refuse)
    with pytest.raises(StoreUnavailable):
        await store.claim(wish("c2", "E2", "car-1", NOW), NOW)
    with pytest.raises(StoreUnavailable):
        await store.confirm("c1", NOW.now_s + 900, NOW)

    assert set(store.table.live()) == before
    monkeypatch.undo()
    outcome = await store.claim(wish("c3", "E2", "car-3", NOW), NOW)
    assert isinstance(outcome, Step)
    await store.close()


async def test_the_journal_is_cut_again_and_again(tmp_path: Path) -> None:
    """Retention runs by itself, and a claim made meanwhile is not lost."""
    store = SqliteClaims(tmp_path / "claims.db", NOW)
    for number in range(1_200):
        await store.claim(wish(f"c{number}", "E1", "car-1", NOW), NOW)
    telemetry = MemoryTelemetry()
    forgetting = retention.run(store, telemetry, telemetry, Clock(), PrivacySection(), 0.01)
    task = asyncio.create_task(forgetting, name="test:retention")
    try:
        async with asyncio.timeout(60):
            while _rows(tmp_path / "claims.db") > 10:
                await store.claim(wish("late", "E2", "car-2", NOW), NOW)
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.close()

    again = SqliteClaims(tmp_path / "claims.db", RESTART)
    assert {claim.claim_id for claim in again.table.live()} == {"c1199", "late"}
    await again.close()


def _rows(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        count = connection.execute("SELECT count(*) FROM step").fetchone()[0]
    connection.close()
    return int(count)
