"""What agents count and measure around their piles is taken and kept."""

from __future__ import annotations

import math

from wire_agent import batch, pile
from wired_ingest import WiredIngest

from coordinator.core.pile import EvseStatus
from coordinator.rpc.batch_codec import WireCodec
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as nouns

BUSY = nouns.EVSE_STATUS_CHARGING


def seen(first_seq: int, people: list[float]) -> edge.ReportBatch:
    rows = len(people)
    report = batch("spool-1", first_seq, ["P1*1"] * rows, [BUSY] * rows)
    del report.kind[:]
    report.kind.extend([edge.RECORD_KIND_METER] * rows)
    report.people_count.values.extend(people)
    report.vehicle_count.values.extend([2.0] * rows)
    report.ambient_temperature_c.values.extend([31.5] * rows)
    return report


async def test_counts_and_temperature_are_validated_and_kept(ingest: WiredIngest) -> None:
    """People, vehicles and temperature are stored as sent; a row that is no count is refused."""
    await ingest.introduce("agent-1", pile("P1"))
    link = await ingest.report(seen(1, [4.0, -1.0, math.nan, 5.0]))
    kept = [WireCodec().read(stored.payload) for stored in ingest.store.load().tail]
    people = [WireCodec().decode([one]).measured["people_count"].tolist() for one in kept]
    await ingest.believed()

    refused = [refusal for given in link.acks.values() for refusal in given]
    assert [(r.record_seq, r.code, r.field) for r in refused] == [
        (2, "DATA-004", "people_count"),
        (3, "DATA-004", "people_count"),
    ]
    assert people == [[4.0], [5.0]]
    assert ingest.spool("spool-1").settled.acked_through == 4
    assert ingest.district.status[ingest.district.row["P1*1"]] == EvseStatus.CHARGING


async def test_stale_bay_sensor_is_shown_as_stale(ingest: WiredIngest) -> None:
    """The picture tells a sensor that fell silent from a place without one."""
    await ingest.introduce("agent-1", pile("P1"))
    report = batch("spool-1", 1, ["P1*1"], [BUSY])
    report.bay.append(edge.BAY_STATE_STALE)
    await ingest.report(report)
    await ingest.believed()

    assert ingest.district.bay[ingest.district.row["P1*1"]] == edge.BAY_STATE_STALE
