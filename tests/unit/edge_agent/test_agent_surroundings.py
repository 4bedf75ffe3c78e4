"""Counts and temperatures around a pile: from the picture through the spool to the wire."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from edge_agent.core.reading import (
    EvseStatus,
    Record,
    RecordKind,
    StatusSource,
    Surroundings,
    Values,
)
from edge_agent.uplink.codec import to_batch
from edge_agent.uplink.rows import from_bytes, to_bytes

PLAIN = Record("A*1", RecordKind.METER, 7, EvseStatus.CHARGING, StatusSource.MODBUS)


def test_row_keeps_what_was_seen_around_and_reads_older_rows() -> None:
    """Counts and temperature survive; rows with fewer or more columns than ours are read too."""
    record = replace(PLAIN, surroundings=Surroundings(3, None, 21.5))
    columns = msgspec.msgpack.decode(to_bytes(record))

    assert from_bytes(to_bytes(record)) == record
    assert from_bytes(msgspec.msgpack.encode(columns[:-1])) == PLAIN
    assert from_bytes(msgspec.msgpack.encode([*columns, "newer"])) == record


def test_batch_has_columns_for_what_was_seen_around() -> None:
    """Only batches in which somebody looked around have the columns, with their presence bits."""
    seen = replace(PLAIN, surroundings=Surroundings(people_count=0, ambient_temperature_c=21.5))
    batch = to_batch("s", 1, [replace(PLAIN, values=Values(power_kw=1.0)), seen])
    plain = to_batch("s", 1, [PLAIN])

    assert list(batch.people_count.values) == [0.0, 0.0]
    assert batch.people_count.presence == b"\x02"
    assert list(batch.ambient_temperature_c.values) == [0.0, 21.5]
    assert not batch.HasField("vehicle_count")
    assert not plain.HasField("people_count")
