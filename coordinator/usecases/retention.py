"""Forgets what is old: the journal of claims is cut, its answers are packed and stay a month.

What is forgotten how is the stores' affair; here is only when.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from coordinator.clock import Clock
from coordinator.config_privacy import PrivacySection
from coordinator.core.areas.ledger import Moment
from coordinator.errors import StoreClosed, StoreUnavailable
from coordinator.usecases.ledger import ClaimStore, KeptAnswer
from coordinator.usecases.requests import RequestArchive, StoredRequest, is_revised, packed

log = structlog.get_logger()

PACK_AFTER_S = 3_600.0  # in the journal, where a promise is revised, domain time
EVERY_S = 600.0  # link time: what has had its hour leaves the journal so soon after it
AT_ONCE = 200


class SessionKeeper(Protocol):
    """What knows whose sessions were."""

    async def forget_whose(self, before_s: float) -> int:
        """Takes out of sessions older than that whose they were; gives how many."""
        ...


async def run(
    claims: ClaimStore,
    archive: RequestArchive,
    sessions: SessionKeeper,
    clock: Clock,
    keep: PrivacySection,
    every_s: float = EVERY_S,
) -> None:
    """Compacts the ledger every so often, and forgets what is old, until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        moment = Moment(clock.now_s(), clock.link_s())
        try:
            removed = await claims.compact(moment, keep.requests_s)
            packed_count = await pack_answers(claims, archive, moment.now_s)
            forgotten = await archive.forget_requests(moment.now_s - keep.requests_s)
            forgotten += await sessions.forget_whose(moment.now_s - keep.sessions_s)
        except (StoreUnavailable, StoreClosed) as error:
            log.warning("ledger not compacted", why=str(error))
        else:
            log.info("ledger compacted", removed=removed, packed=packed_count, forgotten=forgotten)


async def pack_answers(claims: ClaimStore, archive: RequestArchive, now_s: float) -> int:
    """Moves answers older than an hour into the archive; gives how many.

    They are there before they are gone here: a crash between leaves them in both.
    """
    moved = 0
    while answers := await claims.old_answers(now_s - PACK_AFTER_S, AT_ONCE):
        before = {
            kept.recommendation_id: await archive.request_of(kept.recommendation_id)
            for _, _, kept in answers
            if kept.recommendation_id and is_revised(kept)
        }
        told = [(at_s, kept) for _, at_s, kept in answers]
        await archive.put_requests(await asyncio.to_thread(_pack, told, before))
        await claims.drop_answers([number for number, _, _ in answers])
        moved += len(answers)
    return moved


def _pack(
    answers: list[tuple[float, KeptAnswer]], before: dict[str, StoredRequest | None]
) -> list[StoredRequest]:
    """One row a request: its newest answer, with the feature rows of the newest that has any."""
    rows: dict[str, StoredRequest] = {}
    for at_s, kept in answers:
        known = rows.get(kept.request_id) or before.get(kept.recommendation_id)
        same = known is not None and known.recommendation_id == kept.recommendation_id
        rows[kept.request_id] = packed(kept, at_s, known if same else None)
    return list(rows.values())
