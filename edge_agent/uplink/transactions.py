"""OCPP transactions, each begun once and ended once, durable before they are answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_agent.core.ocpp_transaction import Known
from edge_agent.core.reading import Record
from edge_agent.uplink import memory, transaction_events
from edge_agent.uplink.spool import Spool


class TransactionBook:
    """What OCPP piles write transactions into; every method returns after the commit.

    Raises `SpoolError` where nothing could be written: the station has to send it again.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def begin(self, pile_id: str, start_key: str, record: Record) -> int:
        """The transaction id; the same key again gives the same id and no second record."""
        return await self._spool.call(
            lambda file: memory.begin_transaction(file, pile_id, start_key, record)
        )

    async def end(
        self, pile_id: str, transaction_id: int, record_of: Callable[[str, str], Record]
    ) -> bool:
        """False where the end was written before; `record_of` takes EVSE and session."""
        return await self._spool.call(
            lambda file: memory.end_transaction(file, pile_id, transaction_id, record_of)
        )

    async def look_up(self, pile_id: str, transaction_id: str, seq_no: int) -> Known | None:
        """What is known of an OCPP 2.0.1 transaction; None for a fresh one."""
        return await self._spool.call(
            lambda file: transaction_events.look_up(file, pile_id, transaction_id, seq_no)
        )

    async def take_event(
        self,
        pile_id: str,
        transaction_id: str,
        seq_no: int,
        known: Known,
        records: Sequence[Record],
    ) -> None:
        """Commits what one message of an OCPP 2.0.1 transaction says, once."""
        await self._spool.call(
            lambda file: transaction_events.take_event(
                file, pile_id, transaction_id, seq_no, known, records
            )
        )

    async def keep(self, records: Sequence[Record]) -> None:
        """Commits what belongs to a running transaction."""
        if records:
            await self._spool.commit(records)
