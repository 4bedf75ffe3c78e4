"""What happened, in order, for those who watch: a ring of the newest events, resumable by id.

Watchers read from the ring at their own pace, so a slow one costs nothing; what it missed is said.
Events are news, not records: what must last is in the stores.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

_IDS_PER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `kind` is a stable word, e.g. STATUS, AGENT, CONFLICT, REROUTED."""

    event_id: int
    kind: str
    happened_at_s: float  # domain time
    text: str
    evse_id: str = ""
    vehicle_id: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


class Events:
    """The ring. Ids rise for ever: they begin at the system time of the start."""

    def __init__(
        self, now_s: Callable[[], float], system_s: Callable[[], float], limit: int = 10_000
    ) -> None:
        self._now_s = now_s
        self._ring: deque[Event] = deque(maxlen=limit)
        self._next_id = int(system_s() * 1_000) * _IDS_PER_MS
        self._news = asyncio.Event()
        self._closed = False

    def close(self) -> None:
        """Ends every watch, because the process is going down."""
        self._closed = True
        self._news.set()

    def add(
        self,
        kind: str,
        text: str,
        *,
        evse_id: str = "",
        vehicle_id: str = "",
        facts: Mapping[str, str] | None = None,
    ) -> Event:
        """The new event, which every watcher will see."""
        event = Event(self._next_id, kind, self._now_s(), text, evse_id, vehicle_id, facts or {})
        self._next_id += 1
        self._ring.append(event)
        self._news.set()
        self._news = asyncio.Event()
        return event

    def forget(self, names: Collection[str]) -> None:
        """Takes these names out of the events that are kept; the rest of each stays."""
        for index, event in enumerate(self._ring):
            text, facts = event.text, dict(event.facts)
            for name in names:
                text = text.replace(name, "-")
                facts = {key: value.replace(name, "-") for key, value in facts.items()}
            vehicle_id = "" if event.vehicle_id in names else event.vehicle_id
            if (text, facts, vehicle_id) != (event.text, event.facts, event.vehicle_id):
                self._ring[index] = replace(event, text=text, facts=facts, vehicle_id=vehicle_id)

    async def watch(self, after_id: int = 0, kinds: Collection[str] = ()) -> AsyncIterator[Event]:
        """Events after this id as they happen; 0 means from now on; no kinds means all.

        Where events between are no longer kept, one of kind MISSED says so.
        """
        after_id = after_id or self._next_id - 1
        while not self._closed:
            news = self._news
            for event in self.after(after_id):
                if event.event_id > after_id + 1:
                    yield Event(after_id, "MISSED", self._now_s(), "events between are not kept")
                after_id = event.event_id
                if not kinds or event.kind in kinds:
                    yield event
            if news is self._news and not self._closed:
                await news.wait()

    @property
    def newest_id(self) -> int:
        """The id of the newest event; of none yet, the one before the first."""
        return self._next_id - 1

    def after(self, after_id: int) -> list[Event]:
        """Kept events after this id, at most 256 at once."""
        if not self._ring:
            return []
        start = max(0, after_id + 1 - self._ring[0].event_id)
        return [self._ring[i] for i in range(start, min(len(self._ring), start + 256))]
