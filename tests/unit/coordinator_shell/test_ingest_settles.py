"""From batches to acks, stored rows and the picture, over both engines."""

from __future__ import annotations

import asyncio
import math
import random
import time

import numpy as np
import pytest
from wire_agent import batch, pile
from wired_ingest import WiredIngest

from coordinator.core.district import LIVE_COLUMNS
from coordinator.core.pile import EvseStatus
from coordinator.core.report import Refusal
from coordinator.errors import FieldInvalid
from coordinator.rpc.batch_codec import WireCodec, to_batch
from coordinator.usecases.links import Link
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as nouns

FREE, BUSY = nouns.EVSE_STATUS_AVAILABLE, nouns.EVSE_STATUS_CHARGING
FAULTY = nouns.EVSE_STATUS_OUTOFORDER


def refusals(link: Link) -> list[Refusal]:
    return [refusal for given in link.acks.values() for refusal in given]


def stored_records(wired: WiredIngest, spool_id: str = "spool-1") -> list[int]:
    """Record numbers of all rows in the store, in order of storing, read from their bytes."""
    found: list[int] = []
    for stored in wired.store.load().tail:
        report = edge.ReportBatch.FromString(stored.payload)
        assert report.first_record_seq == stored.first_seq
        assert len(report.kind) == report.record_count == stored.record_count
        if stored.spool_id == spool_id:
            found += range(stored.first_seq, stored.last_seq + 1)
    return found


async def test_a_batch_is_stored_acknowledged_and_believed(ingest: WiredIngest) -> None:
    """A good batch settles its numbers, is kept byte for byte, and sets the picture."""
    await ingest.introduce("agent-1", pile("P1"), pile("P2"))
    report = batch("spool-1", 1, ["P1*1", "P2*1"], [FREE, BUSY], power_kw=[0.0, 43.5])
    link = await ingest.report(report)
    stored = ingest.store.load().tail
    await ingest.believed()

    assert ingest.spool("spool-1").settled.acked_through == 2
    assert refusals(link) == []
    assert [b.payload for b in stored] == [report.SerializeToString()]
    row = ingest.district.row["P2*1"]
    assert ingest.district.status[row] == EvseStatus.CHARGING
    assert ingest.district.power_kw[row] == pytest.approx(43.5)


async def test_a_resend_changes_nothing(ingest: WiredIngest) -> None:
    """The same batch again is acknowledged and not stored again."""
    await ingest.introduce("agent-1", pile("P1"))
    report = batch("spool-1", 1, ["P1*1"] * 5)
    await ingest.report(report, report)
    await ingest.report(report)

    assert stored_records(ingest) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("seed", range(8))
async def test_overlapping_resends_store_each_record_once(ingest: WiredIngest, seed: int) -> None:
    """Any order of overlapping pieces, in any grouping, stores each record exactly once."""
    rng = random.Random(seed)
    await ingest.introduce("agent-1", pile("P1"), pile("P2"))
    pieces = [(n, n) for n in range(1, 61)]
    pieces += [(a := rng.randint(1, 60), min(60, a + rng.randint(0, 15))) for _ in range(40)]
    rng.shuffle(pieces)
    waiting: list[edge.ReportBatch] = []
    for first, last in pieces:
        waiting.append(batch("spool-1", first, ["P1*1", "P2*1"] * 30, at_ms=10_000_000))
        del waiting[-1].evse_index[last - first + 1 :]
        for name in ("kind", "observed_at_ms", "status", "source"):
            del getattr(waiting[-1], name)[last - first + 1 :]
        waiting[-1].record_count = last - first + 1
        if rng.random() < 0.4:
            await ingest.report(*waiting)
            waiting.clear()
    await ingest.report(*waiting)

    assert sorted(stored_records(ingest)) == list(range(1, 61))
    assert ingest.spool("spool-1").settled.runs() == [(1, 60)]


async def test_a_bad_row_is_refused_and_the_rest_is_taken(ingest: WiredIngest) -> None:
    """NaN, an unknown EVSE, a bad kind and a wild time: each row is refused with its code."""
    await ingest.introduce("agent-1", pile("P1"))
    report = batch("spool-1", 1, ["P1*1"] * 6, power_kw=[1, math.nan, 1, 1, 1, 1e9])
    report.evse_ids.append("P9*1")
    report.evse_index[2] = 1
    report.kind[3] = edge.RECORD_KIND_UNSPECIFIED
    report.observed_at_ms[4] = -5
    link = await ingest.report(report)

    assert [(r.record_seq, r.code, r.field) for r in refusals(link)] == [
        (2, "DATA-004", "power_kw"),
        (3, "DATA-003", "evse_ids"),
        (4, "DATA-006", "kind"),
        (5, "DATA-004", "observed_at_ms"),
        (6, "DATA-004", "power_kw"),
    ]
    assert stored_records(ingest) == [1]
    assert ingest.spool("spool-1").settled.acked_through == 6
    (count,) = await ingest.store.count_spools("agent-1")
    assert (count.record_count, count.rejected_count) == (1, 5)


async def test_an_index_that_points_nowhere_is_refused(ingest: WiredIngest) -> None:
    """An evse_index beyond the names of its own batch is refused, also where others have more."""
    await ingest.introduce("agent-1", *(pile(f"P{n}") for n in range(1, 5)))
    wild = batch("spool-1", 1, ["P1*1", "P1*1"])
    wild.evse_index[1] = 3
    wide = batch("spool-1", 3, ["P1*1", "P2*1", "P3*1", "P4*1"])
    link = await ingest.report(wild, wide)

    assert [(r.record_seq, r.code) for r in refusals(link)] == [(2, "DATA-005")]
    assert stored_records(ingest) == [1, 3, 4, 5, 6]


async def test_a_foreign_pile_is_refused_and_changes_nothing(ingest: WiredIngest) -> None:
    """Rows for another agent's pile are refused; its picture stays, the rest is taken."""
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.introduce("agent-2", pile("P2"))
    link = await ingest.report(batch("spool-1", 1, ["P1*1", "P2*1"], [BUSY, FAULTY]))
    await ingest.believed()

    assert [(r.record_seq, r.code) for r in refusals(link)] == [(2, "AUTH-001")]
    assert ingest.district.status[ingest.district.row["P2*1"]] == EvseStatus.UNKNOWN
    assert ingest.district.status[ingest.district.row["P1*1"]] == EvseStatus.CHARGING


async def test_a_foreign_evse_cannot_be_named_under_an_own_pile(ingest: WiredIngest) -> None:
    """A pile that claims another pile's EVSE is left out, and said."""
    await ingest.introduce("agent-1", pile("P1"))
    stolen = pile("P2")
    stolen.evses[0].evse_id = "P1*1"
    await ingest.introduce("agent-2", stolen)

    assert ingest.inventory.speaker_of("P1*1") == "agent-1"
    assert "P2" not in ingest.district.pile_row


async def test_a_ragged_batch_is_refused_whole(ingest: WiredIngest) -> None:
    """A column of the wrong length settles all rows as refused and stores none."""
    await ingest.introduce("agent-1", pile("P1"))
    report = batch("spool-1", 1, ["P1*1"] * 3)
    report.status.append(FREE)
    link = await ingest.report(report, batch("spool-1", 4, ["P1*1"]))

    assert [(r.record_seq, r.code, r.field) for r in refusals(link)] == [
        (n, "DATA-002", "status") for n in (1, 2, 3)
    ]
    assert stored_records(ingest) == [4]


async def test_two_batches_cannot_lend_each_other_rows(ingest: WiredIngest) -> None:
    """Two ragged batches whose lengths cancel out are both refused, not read as one."""
    await ingest.introduce("agent-1", pile("P1"))
    long, short = batch("spool-1", 1, ["P1*1"] * 3), batch("spool-1", 4, ["P1*1"] * 3)
    long.status.append(FREE)
    del short.status[0]
    link = await ingest.report(long, short)

    assert len(refusals(link)) == 6
    assert stored_records(ingest) == []


async def test_a_gap_counts_as_stored(ingest: WiredIngest) -> None:
    """Numbers that an agent lost are settled once and counted as a gap."""
    await ingest.introduce("agent-1", pile("P1"))
    report = batch("spool-1", 6, ["P1*1"])
    gap = edge.Gap(range=nouns.SeqRange(first=1, last=5), reason="DISK_FULL")
    report.gaps.append(gap)
    await ingest.report(report)
    await ingest.report(edge.ReportBatch(spool_id="spool-1", gaps=[gap]))
    (count,) = await ingest.store.count_spools("agent-1")

    assert ingest.spool("spool-1").settled.acked_through == 6
    assert (count.gap_count, count.record_count) == (5, 1)


async def test_a_spool_belongs_to_one_agent(ingest: WiredIngest) -> None:
    """Another agent's spool is refused before anything is read."""
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.report(batch("spool-1", 1, ["P1*1"]))

    with pytest.raises(FieldInvalid, match="belongs to agent agent-1"):
        await ingest.report(batch("spool-1", 2, ["P1*1"]), agent_id="agent-2")


async def test_two_agents_cannot_begin_one_spool(ingest: WiredIngest) -> None:
    """Of two agents that begin the same spool at once, the second one's stream is closed."""
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.introduce("agent-2", pile("P2"))
    codec, links = WireCodec(), (Link("agent-1"), Link("agent-2"))
    for link, evse_id in zip(links, ("P1*1", "P2*1"), strict=True):
        payload = batch("spool-1", 1, [evse_id]).SerializeToString()
        await ingest.ingest.offer(link, codec.read(payload))
    async with asyncio.timeout(60):
        await links[0].wake.wait()

    assert ingest.spool("spool-1").agent_id == "agent-1"
    assert (links[0].closing, links[1].closing) == ("", "FOREIGN_SPOOL")
    assert links[1].acks == {}


async def test_history_does_not_overwrite_what_is_newer(ingest: WiredIngest) -> None:
    """Rows that arrive late are stored, and the picture keeps the newer status."""
    now_ms = int(time.time() * 1000)
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.report(batch("spool-1", 2, ["P1*1"], [BUSY], at_ms=now_ms))
    await ingest.report(batch("spool-1", 1, ["P1*1"], [FREE], at_ms=now_ms - 60_000))
    await ingest.believed()

    assert ingest.district.status[ingest.district.row["P1*1"]] == EvseStatus.CHARGING
    assert sorted(stored_records(ingest)) == [1, 2]


async def test_a_clock_that_runs_ahead_does_not_freeze_the_picture(ingest: WiredIngest) -> None:
    """A row from next year is believed as of now, so that later rows still count."""
    await ingest.introduce("agent-1", pile("P1"))
    ahead_ms = int((time.time() + 400 * 86_400) * 1000)
    await ingest.report(batch("spool-1", 1, ["P1*1"], [FAULTY], at_ms=ahead_ms))
    await ingest.report(batch("spool-1", 2, ["P1*1"], [FREE], at_ms=ahead_ms + 1))
    await ingest.believed()

    assert ingest.district.status[ingest.district.row["P1*1"]] == EvseStatus.AVAILABLE


@pytest.mark.parametrize("checkpoint", [True, False])
async def test_a_restart_restores_the_picture_exactly(
    ingest: WiredIngest, checkpoint: bool
) -> None:
    """With or without a checkpoint, every live column is after a restart as it was before."""
    start_ms = int(time.time() * 1000) - 600_000
    names = ["P1*1", "P2*1", "P1*1", "P2*1", "P1*1"]
    await ingest.introduce("agent-1", pile("P1"), pile("P2"))
    report = batch("spool-1", 1, names, [FREE, FREE, BUSY, FAULTY, FREE], at_ms=start_ms)
    report.observed_at_ms[:] = [start_ms + n * 60_000 for n in range(5)]
    report.energy_kwh.values.extend([100, 200, 100, 200, 107.5])
    report.soc_pct.values.extend([20.0, 0.0, 21.0, 0.0, 80.0])
    report.soc_pct.presence = bytes([0b10101])
    report.kind[3] = edge.RECORD_KIND_FAULT
    report.details.append(edge.RecordDetail(fault_code="CX003"))
    report.detail_index_plus_one.extend([0, 0, 0, 1, 0])
    await ingest.report(report)
    await ingest.report(batch("spool-1", 6, ["P1*1"], [BUSY]))
    if checkpoint:
        await ingest.checkpoint()
    await ingest.report(batch("spool-1", 7, ["P2*1"], [FREE]))
    await ingest.believed()
    before = {name: getattr(ingest.district, name).copy() for name, _, _ in LIVE_COLUMNS}
    memories, faults = repr(ingest.history.memories), dict(ingest.district.fault_code)

    await ingest.stop()
    await ingest.start()

    assert before["session_count"].tolist() == [2, 0]
    assert before["fault_count"].tolist() == [0, 1]
    assert before["exposure_days"][0] * 86_400 == pytest.approx(600, abs=5)
    for name, column in before.items():
        after = getattr(ingest.district, name)
        tolerance = 0.2 if name == "heard_at_s" else 1e-9
        np.testing.assert_allclose(after, column, atol=tolerance, rtol=0, err_msg=name)
    assert repr(ingest.history.memories) == memories
    assert ingest.district.fault_code == faults
    assert ingest.spool("spool-1").settled.acked_through == 7


def test_a_cut_batch_holds_the_named_rows_only() -> None:
    """Cutting keeps every column aligned, presence bits included."""
    report = batch("spool-1", 10, ["P1*1", "P2*1"] * 5, power_kw=[float(n) for n in range(10)])
    report.power_kw.presence = bytes([0b01010101, 0b01])
    whole = to_batch(report)
    codec = WireCodec()

    piece = codec.read(codec.cut(whole, 13, 17))
    columns, expected = codec.decode([piece]), codec.decode([whole])

    assert (piece.first_seq, piece.last_seq) == (13, 17)
    np.testing.assert_array_equal(columns.observed_at_ms, expected.observed_at_ms[3:8])
    np.testing.assert_array_equal(columns.evse_index, expected.evse_index[3:8])
    np.testing.assert_array_equal(columns.measured["power_kw"], expected.measured["power_kw"][3:8])
    assert np.isnan(columns.measured["power_kw"]).tolist() == [True, False, True, False, True]
