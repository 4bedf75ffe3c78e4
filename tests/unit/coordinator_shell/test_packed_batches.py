"""Reading batches in place gives what the protobuf library gives, or nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.core.report import Batch, Columns
from coordinator.errors import FieldInvalid
from coordinator.rpc.batch_codec import WireCodec, to_batch
from coordinator.rpc.packed import PackedReader, batch_payload
from pilewise.v1 import edge_service_pb2 as edge

WORDS = ("source", "iec61851_state", "ocpp_status", "bay", "queue_length_plus_one", "flags")
FLOATS = (
    "power_kw",
    "energy_kwh",
    "current_a",
    "voltage_v",
    "soc_pct",
    "temperature_c",
    "people_count",
    "vehicle_count",
    "ambient_temperature_c",
)
Small = st.integers(0, 9)
Number = st.floats(width=32, allow_nan=True, allow_infinity=True)


@st.composite
def reports(draw: st.DrawFn) -> edge.ReportBatch:
    """Batches of the usual form, sometimes with a big number in them."""
    count = draw(st.integers(1, 20))
    names = draw(st.lists(st.sampled_from(["P1*1", "P2*1", "Säule*1", "x" * 64]), unique=True))
    column = st.lists(Small, min_size=count, max_size=count)
    report = edge.ReportBatch(
        spool_id="spool-1",
        first_record_seq=draw(st.integers(1, 1 << 60)),
        record_count=count,
        evse_ids=names,
        evse_index=draw(column),
        kind=draw(column),  # type: ignore[arg-type]
        status=draw(column),  # type: ignore[arg-type]
        observed_at_ms=draw(
            st.lists(
                st.integers(1_700_000_000_000, 2_000_000_000_000) | st.integers(-5, 1 << 50),
                min_size=count,
                max_size=count,
            )
        ),
    )
    for name in WORDS:
        if draw(st.booleans()):
            getattr(report, name).extend(draw(column))
    for name in FLOATS:
        if draw(st.booleans()):
            values = draw(st.lists(Number, min_size=count, max_size=count))
            getattr(report, name).values.extend(values)
            if draw(st.booleans()):
                size = (count + 7) // 8
                getattr(report, name).presence = draw(st.binary(min_size=size, max_size=size))
    if draw(st.booleans()) and report.flags:
        report.flags[0] = 300
    return report


def same(one: Columns, other: Columns) -> None:
    """Fails unless both hold the same rows."""
    for name in ("evse_index", "kind", "observed_at_ms", "status", "source", "bay", "flags"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_array_equal(one.queue_plus_one, other.queue_plus_one)
    assert one.measured.keys() == other.measured.keys()
    for name in one.measured:
        np.testing.assert_array_equal(one.measured[name], other.measured[name], err_msg=name)
        none = np.zeros(one.kind.size, dtype=bool)
        np.testing.assert_array_equal(
            one.malformed.get(name, none), other.malformed.get(name, none), err_msg=name
        )


def frame(batch: Batch) -> tuple[object, ...]:
    return (batch.spool_id, batch.first_seq, batch.row_count, batch.evse_ids, dict(batch.presence))


@given(st.lists(reports(), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_in_place_and_library_agree(given_reports: list[edge.ReportBatch]) -> None:
    """Frames and columns are the same both ways, for one batch and for several of one shape."""
    codec, reader = WireCodec(), PackedReader()
    pairs = [
        (reader.read(report.SerializeToString()), to_batch(report)) for report in given_reports
    ]
    read = [(packed, whole) for packed, whole in pairs if packed is not None]
    for packed, whole in read:
        assert frame(packed) == frame(whole)
        assert whole.ragged is None
        alike = [pair for pair in read if pair[0].shape == packed.shape]
        same(codec.decode([p for p, _ in alike]), codec.decode([w for _, w in alike]))


@given(reports())
@settings(max_examples=60, deadline=None)
def test_the_usual_form_is_read_in_place(report: edge.ReportBatch) -> None:
    """Present-day instants and small words need no library."""
    report.observed_at_ms[:] = [1_795_000_000_000] * report.record_count
    if report.flags:
        report.flags[0] = 1

    assert PackedReader().read(report.SerializeToString()) is not None


@given(reports(), st.data())
@settings(max_examples=150, deadline=None)
def test_broken_bytes_are_read_as_the_library_reads_them(
    report: edge.ReportBatch, data: st.DataObject
) -> None:
    """With a byte changed or the end cut off, in place is nothing, or what the library gives."""
    payload = bytearray(report.SerializeToString())
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] = data.draw(st.integers(0, 255))
    broken = bytes(payload[: data.draw(st.integers(1, len(payload)))])
    packed = PackedReader().read(broken)
    if packed is None:
        return
    whole = to_batch(edge.ReportBatch.FromString(broken))

    assert whole.ragged is None
    assert frame(packed) == frame(whole)
    codec = WireCodec()
    same(codec.decode([packed]), codec.decode([whole]))


def test_a_ragged_batch_is_never_read_in_place() -> None:
    """One word of two bytes in place of two words has the right size and the wrong count."""
    report = edge.ReportBatch(
        spool_id="s",
        first_record_seq=1,
        record_count=3,
        evse_ids=["P1*1"],
        evse_index=[0, 0, 0],
        kind=[1, 1, 1],
        observed_at_ms=[1_795_000_000_000] * 3,
        status=[1, 300],  # type: ignore[list-item]
    )
    payload = report.SerializeToString()

    assert PackedReader().read(payload) is None
    assert WireCodec().read(payload).ragged == ("status", 3, 2)


def test_known_names_are_not_mistaken_for_longer_ones() -> None:
    """A batch whose names only begin as the last batch's gets its own names."""
    reader = PackedReader()
    read = []
    for names in (["P1*1"], ["P1*1", "P2*1"], ["P1*1"], []):
        report = edge.ReportBatch(
            spool_id="s",
            first_record_seq=1,
            record_count=1,
            evse_ids=names,
            evse_index=[0],
            kind=[1],
            observed_at_ms=[1_795_000_000_000],
            status=[1],
        )
        batch = reader.read(report.SerializeToString())
        assert batch is not None
        read.append(list(batch.evse_ids))

    assert read == [["P1*1"], ["P1*1", "P2*1"], ["P1*1"], []]


def test_only_a_whole_batch_is_taken_out_of_a_request() -> None:
    """A request with anything besides a batch is left to the library."""
    report = edge.ReportBatch(spool_id="s" * 64, gaps=[edge.Gap(reason="x" * 200)])
    request = edge.ConnectRequest(batch=report).SerializeToString()
    beat = edge.ConnectRequest(beat=edge.Beat(spool_depth=3)).SerializeToString()

    assert batch_payload(request) == report.SerializeToString()
    assert batch_payload(request + beat) is None
    assert batch_payload(request[:-1]) is None
    assert batch_payload(beat) is None
    assert batch_payload(b"") is None


def test_bytes_that_are_no_batch_are_refused() -> None:
    """Neither way reads them, and the field is named."""
    with pytest.raises(FieldInvalid, match="batch"):
        WireCodec().read(b"\x0a\xff")
