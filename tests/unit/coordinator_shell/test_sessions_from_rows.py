"""From readings on the wire to rows of the session table, over both engines."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from wire_agent import batch, pile
from wired_ingest import WiredIngest

from coordinator.core.sessions import ChargeSession
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as nouns

FREE, BUSY = nouns.EVSE_STATUS_AVAILABLE, nouns.EVSE_STATUS_CHARGING
FAULTY = nouns.EVSE_STATUS_OUTOFORDER
T0_MS = 1_790_000_000_000


def readings(
    first: int, statuses: Sequence[int], energy_kwh: Sequence[float], token: str = ""
) -> edge.ReportBatch:
    """Rows of P1*1, one for each minute; with a token, the first row says that it was shown."""
    made = batch("spool-1", first, ["P1*1"] * len(statuses), statuses)
    del made.observed_at_ms[:]
    made.observed_at_ms.extend(T0_MS + 60_000 * (first + n) for n in range(len(statuses)))
    made.energy_kwh.values.extend(energy_kwh)
    if token:
        made.details.append(edge.RecordDetail(id_token_hash=token))
        made.detail_index_plus_one.extend([1] + [0] * (len(statuses) - 1))
        made.kind[0] = edge.RECORD_KIND_SESSION_START
    return made


async def sessions(wired: WiredIngest) -> list[ChargeSession]:
    """All rows of the table, oldest first, after a checkpoint."""
    await wired.checkpoint()
    return await wired.store.list_sessions(0.0)


async def test_a_session_of_readings_becomes_a_row(ingest: WiredIngest) -> None:
    """Begin, end and energy are the readings'; the station is where the pile stands."""
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.report(readings(1, [FREE, BUSY, BUSY, FREE], [10.0, 10.0, 14.0, 17.5]))

    (session,) = await sessions(ingest)

    assert (session.evse_id, session.station_id) == ("P1*1", "S1")
    assert (session.start_at_ms, session.end_at_ms) == (T0_MS + 120_000, T0_MS + 240_000)
    assert session.energy_kwh == pytest.approx(7.5)
    assert not session.ended_by_fault


async def test_a_fault_that_ends_a_session_is_told_of_it(ingest: WiredIngest) -> None:
    """A pile that breaks while it charges ends the session by fault."""
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.report(readings(1, [FREE, BUSY, FAULTY], [10.0, 10.0, 12.0]))

    (session,) = await sessions(ingest)

    assert session.ended_by_fault


async def test_the_token_of_a_session_is_kept_with_it(ingest: WiredIngest) -> None:
    """The hash that the pile was shown is a column; it names the car of a later session."""
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.report(readings(1, [BUSY, BUSY], [10.0, 11.0], "hash-1"))
    await ingest.believed()
    await ingest.book.name("P1*1", "v1", "u1")
    await ingest.report(readings(3, [FREE], [12.0]))
    await ingest.report(readings(4, [BUSY, FREE], [12.0, 13.0], "hash-1"))
    await ingest.report(readings(6, [BUSY, FREE], [13.0, 14.0], "hash-2"))

    found = await sessions(ingest)

    assert [(s.id_token_hash, s.vehicle_id, s.user_id) for s in found] == [
        ("hash-1", "v1", "u1"),
        ("hash-1", "v1", "u1"),
        ("hash-2", "", ""),
    ]


@pytest.mark.parametrize("checkpoint", [True, False])
async def test_a_name_given_before_a_crash_is_there_after_it(
    ingest: WiredIngest, checkpoint: bool
) -> None:
    """Killed between naming and the end: the session ends under its name, and counts once."""
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.report(readings(1, [FREE, BUSY], [10.0, 10.0]))
    await ingest.believed()
    if checkpoint:
        await ingest.checkpoint()
    await ingest.book.name("P1*1", "v1", "u1", "rec-1", 1, 60.0)

    await ingest.stop()
    await ingest.start()
    await ingest.report(readings(3, [BUSY, FREE], [12.0, 15.0]))

    (session,) = await sessions(ingest)
    assert (session.vehicle_id, session.recommendation_id) == ("v1", "rec-1")
    assert (session.queue_length, session.energy_kwh) == (1, pytest.approx(5.0))
    assert ingest.book.visits == {"u1": {"S1": 1}}
    assert [s.key for s in ingest.book.of_user("u1", 0.0)] == [session.key]
