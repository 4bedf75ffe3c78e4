"""Any report batch: it is refused whole by its field, or becomes a batch that can be settled."""

from __future__ import annotations

from any_message import examples, messages
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.core.report import Batch
from coordinator.errors import CoordinatorError
from coordinator.rpc.batch_codec import WireCodec
from pilewise.v1 import edge_service_pb2 as edge

BATCHES = messages(edge.ReportBatch.DESCRIPTOR).map(lambda batch: batch.SerializeToString())


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BATCHES | st.binary(max_size=200), st.binary(max_size=8))
def test_any_bytes_are_a_batch_or_refused(raw: bytes, more: bytes) -> None:
    """Bytes become a batch of as many rows as they say, or an error of ours."""
    try:
        batch = WireCodec().read(raw + more)
    except CoordinatorError:
        return

    assert isinstance(batch, Batch)
    assert 0 <= batch.row_count <= 500
