"""A disk that does what it says it did not: the commit failed, and the rows are there."""

from __future__ import annotations

import asyncio

import pytest
from wire_agent import batch, pile
from wired_ingest import WiredIngest

from coordinator.core.pile import EvseStatus
from coordinator.errors import StoreUnavailable
from coordinator.rpc.batch_codec import to_batch
from coordinator.usecases.links import Link
from coordinator.usecases.telemetry import IngestGroup
from pilewise.v1 import types_pb2 as nouns

BUSY = nouns.EVSE_STATUS_CHARGING


@pytest.mark.parametrize("done", [True, False])
async def test_S3_a_commit_that_failed_is_looked_up_before_the_next(
    ingest: WiredIngest, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """Sent again, the rows are stored once, whether the failed commit was durable or not."""
    await ingest.introduce("agent-1", pile("P1"))
    commit, fails = ingest.store.commit, iter([True])

    async def untold(group: IngestGroup) -> None:
        failing = next(fails, False)
        if done or not failing:
            await commit(group)
        if failing:
            raise StoreUnavailable("telemetry.db", "disk I/O error")

    monkeypatch.setattr(ingest.store, "commit", untold)
    report = batch("spool-1", 1, ["P1*1"] * 3, [BUSY] * 3)
    link = Link("agent-1")
    await ingest.ingest.offer(link, to_batch(report))
    async with asyncio.timeout(60):
        while not link.closing:
            await link.wake.wait()
            link.wake.clear()
    again = await ingest.report(report)
    await ingest.believed()

    assert link.closing == StoreUnavailable.code
    assert not link.acks
    assert list(again.acks) == ["spool-1"]
    assert sum(stored.record_count for stored in ingest.store.load().tail) == 3
    row = ingest.district.row["P1*1"]
    assert ingest.district.status[row] == EvseStatus.CHARGING
