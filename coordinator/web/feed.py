"""The stream behind a tab: the whole picture first, then changes by id, made once for all tabs.

A tab that comes back names the last id it has and is told what came after, or all anew. One that
does not keep up is cut with a reason, since it can come back. While nobody watches nothing is made.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from coordinator.errors import Overloaded
from coordinator.web.answers import encode

PERIOD_S = 0.5  # between two looks, link time
BEAT_S = 5.0  # after so long without a change the time of the picture is told
REPLAYED = 600  # changes kept for tabs that come back,
REPLAYED_BYTES = 4 * 1024 * 1024  # and how much of them
WAITING = 64  # frames that a tab may be behind
TABS = 200
RETRY_MS = 2_000
# A tab that takes nothing for so long is gone; its connection is closed.
SEND_S = 20.0
# The feed beats itself; this is beyond any stream.
NEVER_S = 86_400
_IDS_PER_MS = 1_000


class Picture(Protocol):
    """What the feed tells of."""

    def whole(self) -> dict[str, Any]:
        """Everything."""
        ...

    def look(self) -> tuple[bool, dict[str, Any]]:
        """Whether everything must be told anew, and what has changed."""
        ...

    def head(self) -> dict[str, Any]:
        """What is told even when nothing has changed."""
        ...


@dataclass(slots=True, eq=False)
class Seat:
    """One tab that watches: frames that it has not taken yet."""

    tab: str
    waiting: deque[bytes] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: str = ""  # why the stream ends

    def put(self, frame: bytes) -> None:
        """Adds a frame, or ends the stream of a tab that is too far behind."""
        if len(self.waiting) >= WAITING:
            self.end("SLOW")
        if not self.ended:
            self.waiting.append(frame)
            self.news.set()

    def end(self, why: str) -> None:
        """Ends the stream; what waits is not told any more."""
        if not self.ended:
            self.ended = why
            self.waiting.clear()
            self.news.set()


class Feed:
    """All tabs; used by the event loop only."""

    def __init__(
        self,
        picture: Picture,
        link_s: Callable[[], float],
        system_s: Callable[[], float],
        page: str = "the operator's page",
    ) -> None:
        self._picture = picture
        self._page = page
        self._link_s = link_s
        self._id = int(system_s() * 1_000) * _IDS_PER_MS
        self._kept: deque[tuple[int, bytes]] = deque()
        self._kept_bytes = 0
        self._seats: dict[Seat, None] = {}
        self._came = asyncio.Event()
        self._told_link_s = float("-inf")
        self._whole: tuple[int, bytes] = (-1, b"")
        self._closed = False
        self.cut = 0  # tabs that were too slow

    @property
    def tabs(self) -> int:
        """How many watch."""
        return len(self._seats)

    async def run(self) -> None:
        """Tells changes until cancelled; sleeps while nobody watches."""
        while True:
            if not self._seats:
                self._came.clear()
                await self._came.wait()
            self.tell()
            await asyncio.sleep(PERIOD_S)

    def tell(self) -> None:
        """Looks once, and tells everybody what is new."""
        anew, changed = self._picture.look()
        if anew:
            self._kept.clear()
            self._kept_bytes = 0
            self._publish("snapshot", self._picture.whole())
        elif changed:
            self._publish("change", changed)
        elif self._link_s() - self._told_link_s >= BEAT_S:
            self._told_link_s = self._link_s()
            beat = frame("beat", self._picture.head())
            for seat in self._seats:
                seat.put(beat)

    def join(self, tab: str, last_id: int) -> Seat:
        """A seat for this tab, with all it must be told first; raises `Overloaded`.

        An older seat of the same tab ends: its connection may be dead without knowing it.
        """
        for seat in [seat for seat in self._seats if tab and seat.tab == tab]:
            self.leave(seat)
            seat.end("DISPLACED")
        if len(self._seats) >= TABS or self._closed:
            raise Overloaded(f"tabs of {self._page}", len(self._seats), TABS)
        if not self._seats:
            self.tell()  # what happened while nobody watched
        seat = Seat(tab)
        first_id = self._kept[0][0] if self._kept else self._id + 1
        if first_id - 1 <= last_id <= self._id:
            seat.put(b"".join(frame for number, frame in self._kept if number > last_id))
        else:
            seat.put(self._snapshot())
        seat.put(frame("beat", self._picture.head()))
        self._seats[seat] = None
        self._came.set()
        return seat

    def leave(self, seat: Seat) -> None:
        """Forgets a tab."""
        if self._seats.pop(seat, 0) is None and seat.ended == "SLOW":
            self.cut += 1

    def close(self) -> None:
        """Ends every stream, because the process is going down."""
        self._closed = True
        for seat in self._seats:
            seat.end("SHUTDOWN")

    async def frames(self, seat: Seat) -> AsyncIterator[bytes]:
        """What the tab is sent, until it leaves or the stream ends."""
        try:
            yield f"retry: {RETRY_MS}\r\n\r\n".encode()
            while not seat.ended:
                while seat.waiting:
                    yield seat.waiting.popleft()
                if not seat.ended:
                    seat.news.clear()
                    await seat.news.wait()
            yield frame("end", {"reason": seat.ended})
        finally:
            self.leave(seat)

    def _snapshot(self) -> bytes:
        """The whole picture under the newest id; made once for tabs that come together."""
        if self._whole[0] != self._id:
            self._whole = self._id, frame("snapshot", self._picture.whole(), self._id)
        return self._whole[1]

    def _publish(self, kind: str, value: dict[str, Any]) -> None:
        self._id += 1
        made = frame(kind, value, self._id)
        self._kept.append((self._id, made))
        self._kept_bytes += len(made)
        while len(self._kept) > REPLAYED or self._kept_bytes > REPLAYED_BYTES:
            self._kept_bytes -= len(self._kept.popleft()[1])
        self._told_link_s = self._link_s()
        for seat in self._seats:
            seat.put(made)


def frame(kind: str, value: Any, number: int | None = None) -> bytes:
    """A server-sent event; JSON has no line ends, so it is one line."""
    name = b"" if number is None else b"id: %d\r\n" % number
    return b"%sevent: %s\r\ndata: %s\r\n\r\n" % (name, kind.encode(), encode(value))
