"""Transaction messages that wait for the central system: kept in order, none lost, none skipped.

Delivery and its retries are in `sender.py`; here is only what is due and which id belongs to whom.
"""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ocpp.v16 import call

from firmware_sim.faces.ocpp_habits import Habits

# Samples of a long outage make room for newer ones; begin and end of a transaction never do.
_MAX_SAMPLES = 500
# What a station without a number of its own writes, when it writes something.
_NO_NUMBER = -1


@dataclass(frozen=True, slots=True)
class TransactionKey:
    """One transaction as the pile counts it, before the central system gives it a number."""

    evse_id: str
    session: int


@dataclass(slots=True)
class Entry:
    """One message that waits; its id stays the same however often it is sent."""

    key: TransactionKey
    fields: dict[str, Any]
    kind: type[call.StartTransaction | call.MeterValues | call.StopTransaction]
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0


class Outbox:
    """First in, first out."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._entries: deque[Entry] = deque()
        self._transaction_ids: dict[TransactionKey, int] = {}
        self.dropped_samples = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> None:
        """Appends a message."""
        if entry.kind is call.MeterValues:
            waiting = [e for e in self._entries if e.kind is call.MeterValues]
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
        """Loses all that waits; which number belongs to whom is kept with the meter."""
        self._entries.clear()

    def request(self, entry: Entry) -> Any | None:
        """The message with its transaction's number; None if that transaction has none.

        A transaction without a number was refused for good, so the rest of it has no meaning.
        """
        if entry.kind is call.StartTransaction:
            return call.StartTransaction(**entry.fields)
        transaction_id = self._transaction_ids.get(entry.key)
        if self._habits.value("transaction_id"):
            transaction_id = int(self._habits.number("transaction_id"))
        elif transaction_id is None and self._is_forgetful:
            transaction_id = _NO_NUMBER
        if transaction_id is None:
            return None
        return entry.kind(**entry.fields, transaction_id=transaction_id)

    def started(self, key: TransactionKey, transaction_id: int) -> None:
        """Notes the number that the central system gave."""
        self._transaction_ids[key] = transaction_id

    def done(self, entry: Entry) -> None:
        """Forgets a message that was delivered or given up."""
        if entry in self._entries:
            self._entries.remove(entry)
        if entry.kind is call.StopTransaction:
            self._transaction_ids.pop(entry.key, None)

    def key_of(self, transaction_id: int) -> TransactionKey | None:
        """The transaction with that number, None if it is unknown or over."""
        for key, number in self._transaction_ids.items():
            if number == transaction_id:
                return key
        return None

    def transaction_id(self, key: TransactionKey) -> int | None:
        """The number of a transaction, None before the central system gave one."""
        return self._transaction_ids.get(key)

    @property
    def _is_forgetful(self) -> bool:
        habits = ("stop_without_start", "queue_reversed", "no_queue")
        return any(habit in self._habits for habit in habits)
