"""A caller gives up while its step is written: memory stays what the file says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from claim_wishes import wish

from coordinator.core.areas.ledger import Moment, Step
from coordinator.errors import StoreUnavailable
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.ledger import KeptAnswer

NOW = Moment(1_790_000_000.0, 1_000.0)
ANSWER = KeptAnswer("rec-c1", "request-1", "car-1", b"one", b"asked")
END_S = 60.0


class Held:
    """A ledger whose writes wait until the test says how they ended."""

    def __init__(self, store: SqliteClaims, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.writes: list[asyncio.Future[None]] = []
        monkeypatch.setattr(store._writer, "post", self._post)

    def _post(self, statement: Any, row: Any) -> asyncio.Future[None]:
        self.writes.append(asyncio.get_running_loop().create_future())
        return self.writes[-1]

    async def given_up(self, at_once: bool) -> None:
        """Claims a place for a car, and gives up before or after the step is on its way."""
        claiming = asyncio.create_task(
            self.store.claim(wish("c1", "E1", "car-1", NOW), NOW, lambda step: (ANSWER,))
        )
        await asyncio.sleep(0)
        if not at_once:
            async with asyncio.timeout(END_S):
                while not self.writes:
                    await asyncio.sleep(0)
        claiming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await claiming
        assert len(self.writes) == 1


@pytest.fixture
async def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Held]:
    """A ledger on disk."""
    store = SqliteClaims(tmp_path / "claims.db", NOW)
    yield Held(store, monkeypatch)
    await store.close()


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_step_that_could_not_be_written_is_taken_back(held: Held, at_once: bool) -> None:
    """The place is free again for who comes next, and watchers hear of it."""
    heard: list[set[str]] = []
    held.store.watchers.append(lambda evse_ids: heard.append(set(evse_ids)))
    await held.given_up(at_once)
    before = [claim.claim_id for claim in held.store.table.live()]
    held.writes[0].set_exception(StoreUnavailable("claims.db", "the disk is full"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert before == ["c1"]
    assert list(held.store.table.live()) == []
    assert heard == [{"E1"}, {"E1"}]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_step_that_was_written_stands_and_is_told(held: Held, at_once: bool) -> None:
    """Its answer is known, and whoever keeps promises hears of both."""
    late: list[tuple[Step, Sequence[KeptAnswer]]] = []

    async def hear(step: Step, answers: Sequence[KeptAnswer]) -> None:
        late.append((step, answers))

    held.store.late.append(hear)
    await held.given_up(at_once)
    held.writes[0].set_result(None)
    async with asyncio.timeout(END_S):
        while not late:
            await asyncio.sleep(0)

    ((step, answers),) = late
    assert [claim.claim_id for claim in held.store.table.live()] == ["c1"]
    assert step.claim is not None
    assert list(answers) == [ANSWER]
    assert held.store._by_request["request-1"] == "rec-c1"
