"""Messages of an agent's stream, beside the batches: parsing, acks, what is stored."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import DecodeError

from coordinator.core.ranges import Ranges
from coordinator.core.report import Refusal
from coordinator.errors import FieldFault
from coordinator.rpc.limits import LIMITS
from coordinator.rpc.shape import faults_of
from coordinator.usecases.refusals import MessageUnfit
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as nouns

LATER_RANGES = 16
NAMED_REJECTIONS = 64


def parse(raw: bytes) -> edge.ConnectRequest:
    """The message; raises `MessageUnfit` if the bytes are none, or mostly none."""
    try:
        message = edge.ConnectRequest.FromString(raw)
    except DecodeError as error:
        raise MessageUnfit(FieldFault("message", "is not a valid ConnectRequest")) from error
    faults = faults_of(message, len(raw), LIMITS, deep=False)
    if faults:
        raise MessageUnfit(*faults)
    return message


def from_ranges(settled: Ranges) -> edge.StoredRanges:
    """What is durable, for the wire."""
    return edge.StoredRanges(
        acked_through=settled.acked_through,
        ranges=[nouns.SeqRange(first=a, last=b) for a, b in settled.later(LATER_RANGES)],
    )


def from_ack(
    spool_id: str, settled: Ranges, refusals: Sequence[Refusal], credit: int
) -> edge.ConnectResponse:
    """An ack; it names the first refusals and counts all."""
    return edge.ConnectResponse(
        ack=edge.Ack(
            spool_id=spool_id,
            stored=from_ranges(settled),
            rejections=[
                edge.Rejection(
                    record_seq=r.record_seq, code=r.code, field=r.field, message=r.message
                )
                for r in refusals[:NAMED_REJECTIONS]
            ],
            rejected_count=len(refusals),
            credit=credit,
        )
    )
