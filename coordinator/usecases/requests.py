"""Requests that cars made and what they were answered, as the store keeps them for a month.

The journal of claims (`usecases/ledger.py`) has the newest hour; what is older is packed here, one
compressed row a request. Read by Explain, by the operator's export, and by training.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases.answer import Answer
from coordinator.usecases.ledger import KeptAnswer

NAN = float("nan")
LIVE, IMPORT = "live", "import"

_answers = msgspec.msgpack.Decoder(Answer)
_requests = msgspec.msgpack.Decoder(ChargingRequest)
_body = msgspec.msgpack.Decoder(tuple[bytes, ...])
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request with the heads of its answer as columns; NaN and empty mean unknown.

    `body` is answer, request and feature rows together, compressed, and the rows of the first
    answer where they are others; empty for imported ones.
    """

    request_id: str
    at_s: float
    vehicle_id: str = ""
    user_id: str = ""
    latitude_deg: float = NAN
    longitude_deg: float = NAN
    soc_pct: float = NAN
    target_soc_pct: float = NAN
    level: int = 0
    evse_id: str = ""  # answered; empty if nothing was
    station_id: str = ""
    eta_s: float = NAN
    wait_s: float = NAN
    price: float = NAN
    currency: str = ""
    empty_reason: str = ""
    recommendation_id: str = ""
    source: str = LIVE
    body: bytes = b""


class RequestArchive(Protocol):
    """What keeps requests after their hour in the journal; each call is durable on return."""

    async def put_requests(self, requests: Sequence[StoredRequest]) -> None:
        """Adds or replaces requests, by `request_id`."""
        ...

    async def request_of(self, recommendation_id: str) -> StoredRequest | None:
        """The request that was answered by this recommendation."""
        ...

    async def list_requests(self, since_s: float, user_id: str = "") -> list[StoredRequest]:
        """Requests since then, oldest first; of this user, or of all."""
        ...

    async def forget_requests(self, before_s: float) -> int:
        """Removes requests older than that; gives how many."""
        ...


def packed(kept: KeptAnswer, at_s: float, before: StoredRequest | None = None) -> StoredRequest:
    """One row of a request and its newest answer.

    Feature rows that the newest revision does not bring are those of the one `before`. Those of the
    first answer stay beside them: they say what the driver was asked to choose from.
    """
    first = b""
    if before is not None and before.body:
        first = first_inputs(before)
        kept = replace(kept, inputs=kept.inputs or unpacked(before).inputs)
    parts: tuple[bytes, ...] = kept.answer, kept.request, kept.inputs
    if first and first != kept.inputs:
        parts = *parts, first
    answer, request = _answers.decode(kept.answer), _requests.decode(kept.request)
    row = StoredRequest(
        request_id=kept.request_id,
        at_s=at_s if before is None else before.at_s,
        vehicle_id=kept.vehicle_id,
        user_id=request.user_id,
        latitude_deg=request.latitude_deg,
        longitude_deg=request.longitude_deg,
        soc_pct=request.soc_pct,
        target_soc_pct=request.target_soc_pct,
        level=answer.level,
        empty_reason=answer.empty_reason,
        recommendation_id=kept.recommendation_id,
        body=zlib.compress(_encode(parts), 1),
    )
    if not answer.judged:
        return row
    figures = answer.choice.figures
    return replace(
        row,
        evse_id=answer.choice.evse_id,
        station_id=answer.choice.station_id,
        eta_s=figures.eta_s,
        wait_s=figures.wait_s,
        price=figures.price,
        currency=answer.choice.currency,
    )


def unpacked(row: StoredRequest) -> KeptAnswer:
    """The answer as the journal had it; raises ValueError for an imported one."""
    if not row.body:
        raise ValueError(f"{row.request_id} was imported without its answer")
    answer, request, inputs, *_ = _body.decode(zlib.decompress(row.body))
    return KeptAnswer(
        row.recommendation_id, row.request_id, row.vehicle_id, answer, request, inputs
    )


def first_inputs(row: StoredRequest) -> bytes:
    """The feature rows of the first answer; empty if none were stored."""
    return _body.decode(zlib.decompress(row.body))[-1] if row.body else b""


class _Head(msgspec.Struct, array_like=True, gc=False):
    """An answer up to its revision, the rest left as it is."""

    recommendation_id: str
    request_id: str
    vehicle_id: str
    made_at_s: float
    level: int
    level_reason: str
    language: str
    judged: msgspec.Raw
    hold: msgspec.Raw
    revision: int


_heads = msgspec.msgpack.Decoder(_Head)


def is_revised(kept: KeptAnswer) -> bool:
    """Whether this is not the first answer, so that an earlier one may be in the archive."""
    return not kept.inputs or _heads.decode(kept.answer).revision > 1
