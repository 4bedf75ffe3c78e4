"""The live picture for the page: whole, and what has changed of it since the last look.

Who is told is decided in `feed.py`; the same values are made once for all.
"""

from __future__ import annotations

from typing import Any

from coordinator.usecases.events import Event
from coordinator.web import stations
from coordinator.web.cars import Cars
from coordinator.web.faults import Affected, Faults
from coordinator.web.sources import Sources

EVENTS = 80  # of the ticker, in a whole picture
# What the head of the page counts.
COUNTED = ("recommendations", "conflicts_resolved", "reroutes", "empty_answers")


class Live:
    """Looks at the district; used by the event loop only."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._cars = Cars(sources.promises)
        self._affected = Affected()
        self._faults = Faults(sources, self._affected)
        self._board = stations.Board(sources.district, sources.view, sources.inventory)
        self._told_faults: dict[str, Any] = {}
        self._event_id = 0
        self._ticker: list[dict[str, Any]] = []

    def whole(self) -> dict[str, Any]:
        """Everything that the page needs to begin with."""
        statuses = self._sources.view.statuses()
        return {
            **self._head(),
            "district": self._sources.name,
            "speed": self._sources.clock.speed,
            "stations": self._board.all(),
            "cars": self._cars.all(),
            "faults": self._faults.listed(statuses),
            "events": self._ticker,
        }

    def look(self) -> tuple[bool, dict[str, Any]]:
        """Whether the list of stations is another one, and what has changed since the last look.

        Without a change the second is empty.
        """
        changed: dict[str, Any] = {}
        if events := self._new_events():
            changed["events"] = events
        cars, gone = self._cars.changes()
        if cars:
            changed["cars"] = cars
        if gone:
            changed["gone"] = gone
        other = self._look_at_stations(changed)
        return other, {**self._head(), **changed} if changed else {}

    def head(self) -> dict[str, Any]:
        """What is told even when nothing has changed."""
        return self._head()

    def _look_at_stations(self, changed: dict[str, Any]) -> bool:
        other, rows = self._board.look()
        if rows:
            changed["stations"] = rows
        faults = self._faults.listed(self._sources.view.statuses())
        if faults != self._told_faults:
            changed["faults"] = self._told_faults = faults
        return other

    def _new_events(self) -> list[dict[str, Any]]:
        """Events since the last look, for the ticker; the tally of drivers learns from them."""
        events, ring = [], self._sources.events
        while found := ring.after(self._event_id):
            self._affected.learn(found)
            events += found
            self._event_id = found[-1].event_id
        told = [_told(event) for event in events[-EVENTS:]]
        self._ticker = [*self._ticker, *told][-EVENTS:]
        return told

    def _head(self) -> dict[str, Any]:
        values = self._sources.counters.values()
        counted = {name: values.get(name, 0.0) for name in COUNTED}
        agents = len(self._sources.links.open)
        return {
            "as_of_s": self._sources.clock.now_s(),
            "offset_h": self._sources.offset_h(),
            "counts": counted,
            "agents": agents,
        }


def _told(event: Event) -> dict[str, Any]:
    return {
        "id": str(event.event_id),  # beyond what a number of JavaScript holds exactly
        "kind": event.kind,
        "at_s": event.happened_at_s,
        "text": event.text,
        "evse": event.evse_id,
        "car": event.vehicle_id,
        "facts": dict(event.facts),
    }
