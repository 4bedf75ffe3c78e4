"""Which drivers a charge point lets on by itself: the local list it was sent, and its memory.

Who asks whom in which order is the faces' business.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

ACCEPTED = "Accepted"
MAX_CACHED = 100


@dataclass(frozen=True, slots=True)
class Word:
    """What is known of a token: its status, and until when (ms since 1970; None: for good)."""

    status: str
    until_ms: int | None = None

    def status_at(self, now_ms: int) -> str:
        """The status at an instant; one that ran out is Expired."""
        late = self.until_ms is not None and now_ms >= self.until_ms
        return "Expired" if late and self.status == ACCEPTED else self.status


class DriverList:
    """The local authorisation list (version 0 while it is empty) and the authorisation cache."""

    def __init__(self, *, max_entries: int = 1000) -> None:
        self.version = 0
        self.max_entries = max_entries
        self.listed: dict[str, Word] = {}
        self._cached: OrderedDict[str, Word] = OrderedDict()

    def send_full(self, version: int, words: Mapping[str, Word]) -> str:
        """Replaces the list; gives Accepted or Failed (too long, or no version)."""
        if version <= 0 or len(words) > self.max_entries:
            return "Failed"
        self.listed = dict(words)
        self.version = version if words else 0
        return ACCEPTED

    def send_changes(self, version: int, words: Mapping[str, Word | None]) -> str:
        """Changes entries, None takes one out; gives Accepted, Failed or VersionMismatch."""
        if version <= self.version:
            return "VersionMismatch"
        changed = {**self.listed, **words}
        kept = {token: word for token, word in changed.items() if word is not None}
        if len(kept) > self.max_entries:
            return "Failed"
        self.listed, self.version = kept, version
        return ACCEPTED

    def remember(self, token: str, word: Word) -> None:
        """Notes what a central system said of a token; listed ones are not cached."""
        if token in self.listed:
            return
        self._cached[token] = word
        self._cached.move_to_end(token)
        if len(self._cached) > MAX_CACHED:
            self._cached.popitem(last=False)

    def forget(self) -> None:
        """Clears the cache; the list stays."""
        self._cached.clear()

    def status(self, token: str, now_ms: int, *, use_list: bool, use_cache: bool) -> str | None:
        """What is known of a token now, the list before the cache; None if nothing."""
        if use_list and token in self.listed:
            return self.listed[token].status_at(now_ms)
        if use_cache and token in self._cached:
            return self._cached[token].status_at(now_ms)
        return None
