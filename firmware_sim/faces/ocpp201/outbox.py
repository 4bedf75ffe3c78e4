"""Transaction events that wait for the central system: kept in order, none lost.

Delivery and its retries are in `sender.py`.
"""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

# Samples of a long outage make room for newer ones; begin and end of a transaction never do.
_MAX_SAMPLES = 500


@dataclass(slots=True)
class Transaction:
    """One transaction as the pile counts it; `next_seq` numbers its messages."""

    evse_id: str
    session: int
    transaction_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    next_seq: int = 0
    remote_start_id: int | None = None
    charging_state: str = ""


@dataclass(slots=True)
class Entry:
    """One TransactionEvent that waits; its id stays the same however often it is sent."""

    transaction: Transaction
    fields: dict[str, Any]
    is_sample: bool = False
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0


class Outbox:
    """First in, first out."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self.dropped_samples = 0

    def __len__(self) -> int:
        return len(self._entries)

    def number(self, entry: Entry) -> None:
        """Gives a message the next number of its transaction, whether it is sent or not."""
        entry.fields["seq_no"] = entry.transaction.next_seq
        entry.transaction.next_seq += 1

    def put(self, entry: Entry) -> None:
        """Appends a message."""
        if entry.is_sample:
            waiting = [e for e in self._entries if e.is_sample]
            if len(waiting) >= _MAX_SAMPLES:
                self._entries.remove(waiting[0])
                self.dropped_samples += 1
        self._entries.append(entry)

    def head(self) -> Entry | None:
        """The message that must go next, None when nothing waits."""
        return self._entries[0] if self._entries else None

    def reverse(self) -> None:
        """Puts the newest first, as stations do that keep their queue as a stack."""
        self._entries.reverse()

    def clear(self) -> None:
        """Loses all that waits."""
        self._entries.clear()

    def done(self, entry: Entry) -> None:
        """Forgets a message that was delivered or given up."""
        if entry in self._entries:
            self._entries.remove(entry)

    def holds(self, transaction_id: str | None) -> bool:
        """Whether messages of a transaction, or of any, still wait."""
        ids = (entry.transaction.transaction_id for entry in self._entries)
        return any(transaction_id in (None, known) for known in ids)
