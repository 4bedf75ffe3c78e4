"""What memory forgets of answers is in the file: late questions hear the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

from claim_wishes import wish

from coordinator.core.areas.ledger import Moment
from coordinator.store.claims_sqlite import REMEMBERED, SqliteClaims
from coordinator.usecases.ledger import KeptAnswer

NOW = Moment(1_000_000.0, 500.0)
AT_ONCE = 200


def said(name: str, answer: bytes = b"said", inputs: bytes = b"rows") -> KeptAnswer:
    return KeptAnswer(f"rec-{name}", f"req-{name}", name, answer, b"asked", inputs)


async def promise(store: SqliteClaims, name: str) -> None:
    await store.claim(wish(name, f"E-{name}", name, NOW), NOW, lambda _: (said(name),))


async def test_answer_beyond_what_memory_keeps_is_found_by_its_request(tmp_path: Path) -> None:
    """The first of many requests has the answer it had, with what led to it."""
    store = SqliteClaims(tmp_path / "claims.db", NOW)
    await promise(store, "first")
    for begin in range(0, REMEMBERED + AT_ONCE, AT_ONCE):
        await asyncio.gather(*(promise(store, f"car-{begin + n}") for n in range(AT_ONCE)))
    found = await store.answer_to("req-first")
    held = len(store._answers)
    await store.close()

    assert found == said("first")
    assert held == REMEMBERED


async def test_revision_of_an_answer_that_memory_forgot_keeps_what_led_to_it(
    tmp_path: Path,
) -> None:
    """A later stage brings no feature rows: those of the first answer still explain it."""
    store = SqliteClaims(tmp_path / "claims.db", NOW)
    await promise(store, "first")
    for begin in range(0, REMEMBERED + AT_ONCE, AT_ONCE):
        await asyncio.gather(*(promise(store, f"car-{begin + n}") for n in range(AT_ONCE)))
    await store.keep_answer(said("first", b"near", b""), NOW)
    found = await store.answer("rec-first")
    await store.close()

    assert found == said("first", b"near", b"rows")
