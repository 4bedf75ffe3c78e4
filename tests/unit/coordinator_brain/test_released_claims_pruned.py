"""Ten thousand places that are given back cost neither memory nor disk for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from claim_wishes import wish

from coordinator.core.areas.claim_table import KEPT_ENDED
from coordinator.core.areas.ledger import Moment
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.ledger import KeptAnswer

NOW = Moment(1_000_000.0, 500.0)
LATER = Moment(NOW.now_s + 7_200.0, NOW.link_s + 7_200.0)
COUNT, AT_ONCE = 10_000, 500


async def grant_and_release(store: SqliteClaims, name: str) -> None:
    """Cars that are promised a place and give it back."""
    for begin in range(0, COUNT, AT_ONCE):
        numbers = range(begin, begin + AT_ONCE)
        await asyncio.gather(*(one(store, f"{name}-{number}") for number in numbers))


async def one(store: SqliteClaims, name: str) -> None:
    answer = KeptAnswer(f"rec-{name}", f"req-{name}", name, b"said" * 400, b"asked" * 50, b"")
    await store.claim(wish(name, f"E-{name}", name, NOW), NOW, lambda _: (answer,))
    await store.release(name, NOW)


@pytest.mark.slow
async def test_released_places_leave_nothing_behind(tmp_path: Path) -> None:
    """After a cut no step is left; the next ten thousand use the same pages of the file."""
    path = tmp_path / "claims.db"
    store = SqliteClaims(path, NOW)
    await grant_and_release(store, "first")
    await store.compact(LATER, keep_s=3_600.0)
    size = path.stat().st_size

    await grant_and_release(store, "second")
    removed = await store.compact(LATER, keep_s=3_600.0)

    assert removed >= 2 * COUNT
    assert path.stat().st_size <= 1.2 * size
    assert not list(store.table.live())
    assert sum(1 for _ in store.table.remembered()) <= KEPT_ENDED
    await store.close()
    again = SqliteClaims(path, LATER)
    assert not list(again.table.live())
    await again.close()
