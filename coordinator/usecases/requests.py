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
_body = msgspec.msgpack.Decoder(tuple[bytes, bytes, bytes])
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request with the heads of its answer as columns; NaN and empty mean unknown.

    `body` is answer, request and feature rows together, compressed; empty for imported ones.
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

    Feature rows that the newest revision does not bring are those of the one `before`.
    """
    if before is not None and before.body and not kept.inputs:
        kept = replace(kept, inputs=unpacked(before).inputs)
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
        body=zlib.compress(_encode((kept.answer, kept.request, kept.inputs)), 1),
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
    answer, request, inputs = _body.decode(zlib.decompress(row.body))
    return KeptAnswer(
        row.recommendation_id, row.request_id, row.vehicle_id, answer, request, inputs
    )
