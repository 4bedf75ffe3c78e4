"""A commit of the ledger that was done and reported as failed: nobody was told, nothing is left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from claim_wishes import wish

from bench.simulated.disk import Disk, failing_disks
from coordinator.core.areas.ledger import Moment, Move, Step
from coordinator.errors import StoreUnavailable
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.ledger import KeptAnswer

NOW = Moment(1_000_000.0, 500.0)
RESTART = Moment(1_000_010.0, 3.0)


@contextlib.contextmanager
def lying_disk(folder: Path) -> Iterator[Disk]:
    """A disk that can be told to do a write and report that it failed."""
    disk = Disk(folder)
    with failing_disks([disk]):
        yield disk


def live(store: SqliteClaims) -> dict[str, str]:
    """EVSEs by their live claims."""
    return {claim.claim_id: claim.evse_id for claim in store.table.live()}


def said(claim_id: str, text: bytes) -> KeptAnswer:
    """An answer that is told with a claim."""
    return KeptAnswer(f"rec-{claim_id}", f"request-{claim_id}", "car-1", text, b"asked", b"")


@pytest.mark.parametrize("times", [1, 3])
async def test_a_grant_that_nobody_was_told_is_gone_for_the_next_process(
    tmp_path: Path, times: int
) -> None:
    """However often the disk lied, and whatever was written after it."""
    with lying_disk(tmp_path) as disk:
        store = SqliteClaims(tmp_path / "claims.db", NOW)
        await store.claim(wish("c1", "E1", "car-1", NOW), NOW)
        disk.plan(1, times, "untold")
        for number in range(times):
            lost = wish(f"d{number}", "E2", "car-2", NOW)
            with pytest.raises(StoreUnavailable):
                await store.claim(lost, NOW, lambda _, n=number: (said(f"d{n}", b"lies"),))  # type: ignore[misc]
        assert disk.untold == times

        await store.claim(wish("c3", "E3", "car-3", NOW), NOW)
        await store.close()
        again = SqliteClaims(tmp_path / "claims.db", RESTART)

        assert live(again) == {"c1": "E1", "c3": "E3"}
        assert await again.answer("rec-d0") is None
        await again.close()


async def test_a_move_that_was_taken_back_stays_so(tmp_path: Path) -> None:
    """The car is still promised the place that it was told of, with the words that it was told."""
    path = tmp_path / "claims.db"
    with lying_disk(tmp_path) as disk:
        store = SqliteClaims(path, NOW)
        first = wish("c1", "E1", "car-1", NOW)
        await store.claim(first, NOW, lambda _: (said("c1", b"E1"),))
        await store.confirm("c1", NOW.now_s + 900.0, NOW)
        disk.plan(1, 1, "untold")
        move = Move("c1", wish("c2", "E2", "car-1", NOW))
        with pytest.raises(StoreUnavailable):
            await store.apply([move], {}, NOW, lambda _: (said("c1", b"E2"),))
        assert live(store) == {"c1": "E1"}

        await store.keep_answer(said("c1", b"E1, kept at the pile"), NOW)
        await store.close()
        again = SqliteClaims(path, RESTART)

        assert live(again) == {"c1": "E1"}
        kept = await again.answer("rec-c1")
        assert kept is not None
        assert kept.answer == b"E1, kept at the pile"
        await again.close()


async def test_a_faulty_neighbour_takes_nothing_durable_out(tmp_path: Path) -> None:
    """A step that failed for a reason of its own leaves the steps before and after it alone."""
    store = SqliteClaims(tmp_path / "claims.db", NOW)
    await store.claim(wish("c1", "E1", "car-1", NOW), NOW)
    with pytest.raises(ValueError, match="not this one"):
        await store._writer.submit(_fails)
    await store.claim(wish("c2", "E2", "car-2", NOW), NOW)
    await store.compact(NOW, keep_s=0.0)
    await store.claim(wish("c3", "E3", "car-3", NOW), NOW)
    await store.close()

    again = SqliteClaims(tmp_path / "claims.db", RESTART)

    assert live(again) == {"c1": "E1", "c2": "E2", "c3": "E3"}
    await again.close()


def _fails(connection: object) -> None:
    raise ValueError("not this one")


async def test_who_lost_the_file_takes_nothing_out_of_it(tmp_path: Path) -> None:
    """Another process has gone on from what it found: its rows are not the failed ones."""
    path = tmp_path / "claims.db"
    with lying_disk(tmp_path) as disk:
        old = SqliteClaims(path, NOW)
        disk.plan(1, 1, "untold")
        with pytest.raises(StoreUnavailable):
            await old.claim(wish("c1", "E1", "car-1", NOW), NOW)
        new = SqliteClaims(path, RESTART)
        step = await new.claim(wish("c2", "E2", "car-2", RESTART), RESTART)
        assert isinstance(step, Step)

        with pytest.raises(StoreUnavailable):
            await old.claim(wish("c3", "E3", "car-3", NOW), NOW)
        await old.close()
        await new.close()
        again = SqliteClaims(path, RESTART)

        assert live(again) == {"c1": "E1", "c2": "E2"}
        await again.close()
