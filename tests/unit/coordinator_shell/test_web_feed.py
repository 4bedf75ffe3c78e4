"""The stream behind a tab: snapshot, changes by id, replay, and who is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coordinator.errors import Overloaded
from coordinator.web import feed as feeds
from coordinator.web.feed import Feed, Seat


class Picture:
    """A picture that changes when the test says so."""

    def __init__(self) -> None:
        self.number, self.told, self.anew, self.looks = 0, 0, False, 0

    def whole(self) -> dict[str, Any]:
        return {"number": self.number}

    def look(self) -> tuple[bool, dict[str, Any]]:
        self.looks += 1
        changed = {"number": self.number} if self.number != self.told else {}
        self.told, anew, self.anew = self.number, self.anew, False
        return anew, changed

    def head(self) -> dict[str, Any]:
        return {"as_of_s": 1.0}


class Clock:
    """Link time that the test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def picture() -> Picture:
    return Picture()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(picture: Picture, clock: Clock) -> Feed:
    return Feed(picture, clock, lambda: 1_000.0)


def change(feed: Feed, picture: Picture, times: int = 1) -> None:
    for _ in range(times):
        picture.number += 1
        feed.tell()


def taken(seat: Seat) -> list[tuple[str, int | None, Any]]:
    """What waits at a seat: kind, id, value; beats left out."""
    text = b"".join(seat.waiting).decode()
    seat.waiting.clear()
    events = []
    for block in filter(None, text.split("\r\n\r\n")):
        fields = dict(line.split(": ", 1) for line in block.split("\r\n"))
        number = int(fields["id"]) if "id" in fields else None
        if fields["event"] != "beat":
            events.append((fields["event"], number, json.loads(fields["data"])))
    return events


def test_a_new_tab_gets_the_whole_first_and_then_changes(feed: Feed, picture: Picture) -> None:
    """Snapshot under the newest id, then each change under the next."""
    seat = feed.join("a", -1)
    change(feed, picture, 2)

    (first, begin, whole), *changes = taken(seat)
    assert (first, whole) == ("snapshot", {"number": 0})
    assert begin is not None
    assert changes == [
        ("change", begin + 1, {"number": 1}),
        ("change", begin + 2, {"number": 2}),
    ]


def test_a_tab_that_comes_back_is_told_only_what_it_missed(feed: Feed, picture: Picture) -> None:
    """By its last id it gets the changes after it, and no snapshot."""
    watching = feed.join("a", -1)
    change(feed, picture, 3)
    last_id = taken(watching)[1][1]
    assert last_id is not None

    assert [event[2]["number"] for event in taken(feed.join("b", last_id))] == [2, 3]


@pytest.mark.parametrize("last_id", [0, 10**18])
def test_a_tab_with_an_id_of_another_process_begins_anew(
    feed: Feed, picture: Picture, last_id: int
) -> None:
    """An id that was never given here, older or newer, is answered with the whole."""
    feed.join("a", -1)
    change(feed, picture)

    assert [event[0] for event in taken(feed.join("b", last_id))] == ["snapshot"]


def test_what_happened_while_nobody_watched_is_in_the_replay(feed: Feed, picture: Picture) -> None:
    """The first tab to come back is told the change that nobody looked at."""
    seat = feed.join("a", -1)
    (_, last_id, _) = taken(seat)[0]
    feed.leave(seat)
    picture.number = 7
    assert last_id is not None

    assert [event[2] for event in taken(feed.join("a", last_id))] == [{"number": 7}]


def test_a_slow_tab_is_cut_with_a_reason_and_others_go_on(feed: Feed, picture: Picture) -> None:
    """A tab that takes nothing ends as SLOW and keeps nothing; its neighbour has everything."""
    slow, quick = feed.join("slow", -1), feed.join("quick", -1)
    seen = []
    for _ in range(feeds.WAITING + 5):
        change(feed, picture)
        seen += taken(quick)

    assert (slow.ended, len(slow.waiting)) == ("SLOW", 0)
    assert quick.ended == ""
    assert seen[-1][2] == {"number": feeds.WAITING + 5}


async def test_a_stream_that_ends_says_why(feed: Feed, picture: Picture) -> None:
    """The last frame names the reason, and the seat is free again."""
    seat = feed.join("a", -1)
    feed.close()

    frames = [frame async for frame in feed.frames(seat)]
    assert b'event: end\r\ndata: {"reason":"SHUTDOWN"}' in frames[-1]
    assert feed.tabs == 0
    with pytest.raises(Overloaded):
        feed.join("b", -1)


def test_one_stream_a_tab(feed: Feed) -> None:
    """A tab that comes again takes the place of its dead connection."""
    first = feed.join("a", -1)
    feed.join("a", -1)

    assert first.ended == "DISPLACED"
    assert feed.tabs == 1


def test_other_stations_are_told_whole_to_everybody(feed: Feed, picture: Picture) -> None:
    """A change that no difference can say is a new snapshot, from which replay goes on."""
    seat = feed.join("a", -1)
    change(feed, picture)
    (_, _, _), (_, before, _) = taken(seat)
    picture.anew = True
    feed.tell()
    assert before is not None

    assert [event[0] for event in taken(seat)] == ["snapshot"]
    assert [event[0] for event in taken(feed.join("b", before))] == ["snapshot"]


def test_silence_is_broken_by_beats(feed: Feed, clock: Clock) -> None:
    """Without a change the time of the picture is told every few seconds, and not more often."""
    seat = feed.join("a", -1)
    seat.waiting.clear()
    for _ in range(11):
        clock.now_s += 1.0
        feed.tell()

    assert len(seat.waiting) == 11 // feeds.BEAT_S
    assert all(b"event: beat" in frame for frame in seat.waiting)
