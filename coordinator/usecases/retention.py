"""Forgets what is old: the ledger's journal is cut, answers stay a month for Explain."""

from __future__ import annotations

import asyncio

import structlog

from coordinator.clock import Clock
from coordinator.core.areas.ledger import Moment
from coordinator.errors import StoreClosed, StoreUnavailable
from coordinator.usecases.ledger import ClaimStore

log = structlog.get_logger()

KEEP_S = 30 * 86_400.0  # answers with their inputs, domain time
EVERY_S = 3_600.0  # link time


async def run(claims: ClaimStore, clock: Clock, every_s: float = EVERY_S) -> None:
    """Compacts the ledger every so often, until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        moment = Moment(clock.now_s(), clock.link_s())
        try:
            removed = await claims.compact(moment, KEEP_S)
        except (StoreUnavailable, StoreClosed) as error:
            log.warning("ledger not compacted", why=str(error))
        else:
            log.info("ledger compacted", removed=removed)
