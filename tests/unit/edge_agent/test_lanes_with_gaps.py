"""The lanes over a history that was thinned: order of gaps and records, and live records first."""

from __future__ import annotations

from pathlib import Path

from edge_agent.core.ranges import normalise
from edge_agent.core.reading import EvseStatus, Record, RecordKind, StatusSource
from edge_agent.uplink.lanes import BatchLimits, Lanes
from edge_agent.uplink.spool import Spool


def record(at_ms: int, *, urgent: bool = False) -> Record:
    kind = RecordKind.FAULT if urgent else RecordKind.METER
    status, source = EvseStatus.CHARGING, StatusSource.MODBUS
    return Record("A*1", kind, at_ms, status, source, urgent=urgent)


async def test_thinned_history_goes_up_without_holes_and_live_first(tmp_path: Path) -> None:
    """The newest of much and the live overtake; then all numbers close in order, to the last."""
    spool = Spool(tmp_path, lambda: "one")
    await spool.start()
    for second in range(60):
        await spool.commit([record(1_000_000 + second * 1000 + i) for i in range(50)])
    await spool.call(lambda file: file.thin(1000, "THINNED"))
    await spool.commit([record(2_000_000 + i) for i in range(400)])
    lanes = Lanes(spool, BatchLimits(records=200))
    await lanes.begin((), 4)
    await spool.commit([record(9_000_000, urgent=True)])

    # Gaps that lie in the history wait for their place there.
    newest, live = await lanes.take(0.0), await lanes.take(0.0)
    assert newest is not None
    assert (newest.first_record_seq, newest.record_count) == (3201, 200)
    assert live is not None
    assert (live.first_record_seq, live.record_count) == (3401, 1)
    stored = normalise([(3201, 3401)])
    most_runs = 0
    await lanes.settle("one", stored, 4)
    while batch := await lanes.take(1.0):
        runs = [(gap.range.first, gap.range.last) for gap in batch.gaps]
        if batch.record_count:
            first_seq = batch.first_record_seq
            runs.append((first_seq, first_seq + batch.record_count - 1))
        stored = normalise([*stored, *runs])
        most_runs = max(most_runs, len(stored))
        await lanes.settle("one", stored, 4)

    assert stored == ((1, 3401),)
    assert most_runs <= 16
    assert await spool.call(lambda file: file.numbers.depth()) == 0
    await spool.close()


async def test_little_history_goes_up_in_order(tmp_path: Path) -> None:
    """What fits into a few batches is sent from its old end: nothing waits long behind it."""
    spool = Spool(tmp_path, lambda: "one")
    await spool.start()
    await spool.commit([record(1_000_000 + i) for i in range(400)])
    lanes = Lanes(spool, BatchLimits(records=200))
    await lanes.begin((), 4)

    batches = [await lanes.take(0.0), await lanes.take(0.0)]

    assert [batch.first_record_seq for batch in batches if batch is not None] == [1, 201]
    await spool.close()
