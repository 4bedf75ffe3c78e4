"""T1 in the live picture: a gateway's clock is set back, or ahead and right again."""

from __future__ import annotations

import time

import pytest
from wire_agent import batch, pile
from wired_ingest import WiredIngest

from coordinator.core.pile import EvseStatus
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as nouns

FREE, BUSY = nouns.EVSE_STATUS_AVAILABLE, nouns.EVSE_STATUS_CHARGING
FAULTY = nouns.EVSE_STATUS_OUTOFORDER
HOUR_MS = 3_600_000


def now_ms() -> int:
    return int(time.time() * 1000)


def told(first: int, statuses: list[int], at_ms: int, spool: str = "spool-1") -> edge.ReportBatch:
    """Rows of P1, a millisecond apart."""
    return batch(spool, first, ["P1*1"] * len(statuses), statuses, at_ms=at_ms)


async def status(ingest: WiredIngest) -> EvseStatus:
    await ingest.believed()
    return EvseStatus(int(ingest.district.status[ingest.district.row["P1*1"]]))


@pytest.mark.parametrize("checkpoint", [None, False, True])
async def test_T1_clock_set_back_does_not_freeze_the_picture(
    ingest: WiredIngest, checkpoint: bool | None
) -> None:
    """What is seen after the clock lost an hour shows at once, and after a restart, too."""
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.report(told(1, [FREE, FREE], now_ms() - 1_000))
    before = await status(ingest)
    if checkpoint:
        await ingest.checkpoint()
    if checkpoint is not None:
        await ingest.stop()
        await ingest.start()
    await ingest.report(told(3, [BUSY], now_ms() - HOUR_MS))
    back = await status(ingest)
    await ingest.report(told(4, [FAULTY], now_ms() - HOUR_MS))
    again = await status(ingest)
    exact = ingest.district.observed_at_s.copy()
    await ingest.stop()
    await ingest.start()

    assert (before, back, again) == (
        EvseStatus.AVAILABLE,
        EvseStatus.CHARGING,
        EvseStatus.OUTOFORDER,
    )
    assert await status(ingest) == EvseStatus.OUTOFORDER
    assert ingest.district.observed_at_s.tolist() == exact.tolist()
    assert exact.max() > time.time() - 60.0
    assert ingest.district.exposure_days.min() >= 0.0


async def test_T1_clock_set_right_again_does_not_freeze_the_picture(ingest: WiredIngest) -> None:
    """A year ahead, right again, an hour back: each time the newest row is what shows."""
    await ingest.introduce("agent-1", pile("P1"))
    seen = []
    for number, (late_ms, is_) in enumerate(
        [(-8_760 * HOUR_MS, BUSY), (20, FREE), (HOUR_MS, FAULTY), (20, FREE)], start=1
    ):
        await ingest.report(told(number, [is_], now_ms() - late_ms))
        seen.append(await status(ingest))

    assert seen == [
        EvseStatus.CHARGING,
        EvseStatus.AVAILABLE,
        EvseStatus.OUTOFORDER,
        EvseStatus.AVAILABLE,
    ]


@pytest.mark.parametrize("together", [True, False])
async def test_T1_history_of_a_spool_never_overwrites_what_came_later(
    ingest: WiredIngest, together: bool
) -> None:
    """Live first after an outage in which the clock was set back: the higher number stands."""
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.report(told(1, [FREE], now_ms() - 60_000))
    live = told(50, [FAULTY], now_ms() - HOUR_MS)
    history = told(2, [BUSY, FREE] * 24, now_ms() - 10_000)
    if together:
        await ingest.report(live, history)
    else:
        await ingest.report(live)
        await ingest.report(history)
    settled = ingest.spool("spool-1").settled.runs()

    assert await status(ingest) == EvseStatus.OUTOFORDER
    assert settled == [(1, 50)]


async def test_T1_clock_that_jumps_within_a_batch_keeps_the_order_of_numbers(
    ingest: WiredIngest,
) -> None:
    """The last row of a batch is the newest, although its stamps fall by an hour on the way."""
    await ingest.introduce("agent-1", pile("P1"))
    report = told(1, [FREE, BUSY, FREE, FAULTY], now_ms() - 5_000)
    report.observed_at_ms[2] -= HOUR_MS
    report.observed_at_ms[3] -= HOUR_MS
    await ingest.report(report)

    assert await status(ingest) == EvseStatus.OUTOFORDER
    assert ingest.district.session_count.tolist() == [1]
    assert ingest.district.exposure_days.min() >= 0.0


async def test_T1_rows_of_another_spool_are_told_apart_by_their_stamps(
    ingest: WiredIngest,
) -> None:
    """What a pile's former agent still had to tell is history, whatever its numbers."""
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.report(told(1, [FREE], now_ms() - 2 * HOUR_MS))
    await ingest.inventory.assign({"P1": "agent-2"})
    # Stamped after the move, which is told in finer steps than a millisecond.
    await ingest.report(told(1, [BUSY], now_ms() + 1, "spool-2"), agent_id="agent-2")
    await ingest.report(told(2, [FAULTY], now_ms() - HOUR_MS))

    assert await status(ingest) == EvseStatus.CHARGING
