"""What an open tab of a driver is told: stations, the same for all, and its own promise between.

Frames about stations have ids and are replayed; those about a promise have none, since each
revision replaces the one before: a tab that comes back is told the newest, with all that changed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from coordinator.core.recommend import explain
from coordinator.errors import CoordinatorError, NotFound
from coordinator.usecases import inputs
from coordinator.usecases.answer import Answer
from coordinator.usecases.composing import answers
from coordinator.usecases.promises import Promise
from coordinator.usecases.retelling import retell
from coordinator.web.cars import phase_of
from coordinator.web.drivers import own_promise
from coordinator.web.feed import Feed, Seat, frame
from coordinator.web.sources import Sources
from coordinator.web.stations import Board


class StationPicture:
    """The stations and nobody's car: what every driver may see."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._board = Board(sources.district, sources.view, sources.inventory)

    def whole(self) -> dict[str, Any]:
        """Everything that a tab begins with."""
        return {
            **self.head(),
            "district": self._sources.name,
            "speed": self._sources.clock.speed,
            "stations": self._board.all(),
        }

    def look(self) -> tuple[bool, dict[str, Any]]:
        """Whether the list of stations is another one, and which stations have changed."""
        other, changed = self._board.look()
        return other, {**self.head(), "stations": changed} if changed else {}

    def head(self) -> dict[str, Any]:
        """What is told even when nothing has changed."""
        return {"as_of_s": self._sources.clock.now_s(), "offset_h": self._sources.offset_h()}


@dataclass(frozen=True, slots=True, eq=False)
class Watching:
    """An open tab and its car."""

    vehicle_id: str
    seat: Seat


class DriveStreams:
    """All tabs of drivers; used by the event loop only."""

    def __init__(self, sources: Sources, feed: Feed) -> None:
        self._charging = sources.charging
        self._guidance = sources.guidance
        self._claims = sources.claims
        self._clock = sources.clock
        self._feed = feed
        self._watching: set[Watching] = set()

    def push(self, vehicle_id: str, measured: dict[str, Any]) -> int:
        """Tells the tabs of this car what it measured; gives how many there are."""
        seats = [one.seat for one in self._watching if one.vehicle_id == vehicle_id]
        for seat in seats:
            seat.put(frame("pushed", measured))
        return len(seats)

    def frames(
        self, vehicle_id: str, tab: str, last_id: int, recommendation_id: str, language: str
    ) -> AsyncIterator[bytes]:
        """What the tab is sent until it leaves; raises `Overloaded`."""
        # A tab is known by its car too, so that none ends the stream of another driver.
        seat = self._feed.join(f"{vehicle_id}/{tab}" if tab else "", last_id)
        return self._sent(Watching(vehicle_id, seat), recommendation_id, language)

    async def _sent(
        self, watching: Watching, recommendation_id: str, language: str
    ) -> AsyncIterator[bytes]:
        with self._followed(watching, recommendation_id, language):
            async for sent in self._feed.frames(watching.seat):
                yield sent

    @contextlib.contextmanager
    def _followed(
        self, watching: Watching, recommendation_id: str, language: str
    ) -> Iterator[None]:
        """Follows the promise for as long as the tab is there."""
        task = None
        if recommendation_id:
            task = asyncio.create_task(
                self._follow(watching, recommendation_id, language), name="coordinator:web-drive"
            )
        self._watching.add(watching)
        try:
            yield
        finally:
            self._watching.discard(watching)
            if task is not None:
                task.cancel()

    async def _follow(self, watching: Watching, recommendation_id: str, language: str) -> None:
        """Tells each revision, each reminder and the end; or that there is no such promise."""
        seat = watching.seat
        try:
            promise = await own_promise(self._guidance, recommendation_id, watching.vehicle_id)
        except NotFound as error:
            # Not a fault of the tab's: the coordinator may have lost what it knew.
            gone = {"recommendation_id": recommendation_id, "message": str(error)}
            seat.put(frame("gone", gone))
            return
        except CoordinatorError as error:
            seat.end(error.code)  # the tab comes back
            return
        told: tuple[Any, ...] = ()
        reminders = promise.reminders
        while True:
            news = promise.news()
            look = (promise.newest, promise.answer, promise.confirmed, phase_of(promise))
            if not _same(look, told):
                told = look
                seat.put(frame("promise", await self._shown(promise, language)))
            elif promise.reminders != reminders and promise.answer.reminder is not None:
                reminders = promise.reminders
                seat.put(frame("reminder", self._charging.reminder(promise.answer.reminder)))
            elif promise.closed:
                text = explain.sentence(promise.closed, language or promise.request.language, {})
                seat.put(frame("closed", {"recommendation_id": recommendation_id,
                                          "code": promise.closed, "text": text}))  # fmt: skip
                return
            else:
                await news.wait()

    async def _shown(self, promise: Promise, language: str) -> dict[str, Any]:
        """The promise as it stands, with what has changed since it was first told."""
        held, newest = promise.answer, promise.newest
        proposal = None if newest is held else self._charging.promise(newest)
        return {
            "promise": self._charging.promise(await self._told_in(held, language)),
            "proposal": proposal,
            "confirmed": promise.confirmed,
            "phase": phase_of(promise),
            "language": held.language,
            # Without the cars in whose favour it was: a driver never reads of others.
            "changes": [
                {
                    "revision": one.revision, "at_s": one.decided_at_s, "code": one.code,
                    "from": one.from_evse_id, "to": one.to_evse_id,
                }
                for one in held.decided
            ],
        }  # fmt: skip

    async def _told_in(self, held: Answer, language: str) -> Answer:
        """The answer in another language than it was made in, where what it was made of is kept."""
        if language in ("", held.language):
            return held
        kept = await self._claims.answer(held.recommendation_id)
        stored = None if kept is None else inputs.unpack(kept.inputs)
        if kept is None or stored is None or stored.said is None or not held.judged:
            return held
        if answers.decode(kept.answer).revision != held.revision:
            return held  # what is kept is of another revision
        return retell(held, stored.said, language)


def _same(look: tuple[Any, ...], told: tuple[Any, ...]) -> bool:
    return len(look) == len(told) and all(a is b for a, b in zip(look, told, strict=True))
