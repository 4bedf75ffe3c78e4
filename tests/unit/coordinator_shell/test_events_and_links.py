"""Events for watchers, links to agents, fences, counters, clocks."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from coordinator.clock import Clock
from coordinator.errors import AgentOffline, DirectiveUnanswered
from coordinator.usecases.counters import Counters
from coordinator.usecases.directives import Directive, DirectiveResult, Outcome, PollNow
from coordinator.usecases.events import Event, Events
from coordinator.usecases.fences import Fences
from coordinator.usecases.links import AgentLinks, Link

TIMEOUT_S = 5.0


def ring(limit: int = 10_000) -> Events:
    return Events(lambda: 1.0, lambda: 1_795_000_000.0, limit)


async def take(
    events: Events, count: int, after_id: int, kinds: tuple[str, ...] = ()
) -> list[Event]:
    """The next events of a watch."""
    found: list[Event] = []
    async with asyncio.timeout(TIMEOUT_S):
        watch = events.watch(after_id, kinds)
        async with contextlib.aclosing(watch):  # type: ignore[type-var]
            async for event in watch:
                found.append(event)
                if len(found) == count:
                    break
    return found


async def test_a_watch_resumes_after_an_id() -> None:
    """All later events come, in order, with ids that rise by one."""
    events = ring()
    first = events.add("STATUS", "one")
    events.add("AGENT", "two")
    events.add("STATUS", "three")

    after = await take(events, 2, first.event_id)
    chosen = await take(events, 1, first.event_id, ("STATUS",))

    assert [event.text for event in after] == ["two", "three"]
    assert [event.event_id - first.event_id for event in after] == [1, 2]
    assert [event.text for event in chosen] == ["three"]


async def test_a_watch_waits_for_what_comes() -> None:
    """Without an id only later events come, as soon as they happen."""
    events = ring()
    events.add("STATUS", "before")
    watching = asyncio.create_task(take(events, 1, 0))
    await asyncio.sleep(0)
    events.add("STATUS", "after")

    assert [event.text for event in await watching] == ["after"]


async def test_what_was_dropped_is_said() -> None:
    """A watcher that is too far behind gets MISSED, then what is still kept."""
    events = ring(limit=2)
    first = events.add("STATUS", "0")
    for number in range(1, 5):
        events.add("STATUS", str(number))

    found = await take(events, 3, first.event_id)

    assert [(event.kind, event.text) for event in found][1:] == [("STATUS", "3"), ("STATUS", "4")]
    assert found[0].kind == "MISSED"


async def test_closing_ends_watches() -> None:
    """When the process goes down, watches end by themselves."""
    events = ring()
    watching = asyncio.create_task(take(events, 1, 0))
    await asyncio.sleep(0)
    events.close()

    assert await watching == []


async def test_only_the_asked_agent_may_answer() -> None:
    """An answer of another agent is ignored; the right one is returned."""
    links = AgentLinks(lambda evse_id: "agent-1")
    link = Link("agent-1")
    links.admit(link)
    directive = Directive("P1*1", PollNow())
    asking = asyncio.create_task(links.send("P1*1", directive))
    async with asyncio.timeout(TIMEOUT_S):
        await link.wake.wait()
    links.answered("agent-2", DirectiveResult(directive.directive_id, Outcome.REFUSED))
    links.answered("agent-1", DirectiveResult(directive.directive_id, Outcome.DONE))

    assert (await asking).outcome is Outcome.DONE
    assert link.directives == [directive]


async def test_silence_and_absence_are_told_apart() -> None:
    """No stream is AgentOffline; a stream without an answer is DirectiveUnanswered."""
    links = AgentLinks(lambda evse_id: "agent-1")
    with pytest.raises(AgentOffline, match="agent-1"):
        await links.send("P1*1", Directive("P1*1", PollNow()))
    links.admit(Link("agent-1"))
    with pytest.raises(DirectiveUnanswered):
        await links.send("P1*1", Directive("P1*1", PollNow()), timeout_s=0.01)


async def test_a_displaced_link_does_not_take_the_new_one_with_it() -> None:
    """When the old stream ends, the agent is still there by its new one."""
    links = AgentLinks(lambda evse_id: "agent-1")
    old, new = Link("agent-1"), Link("agent-1")

    assert links.admit(old) is False
    assert links.admit(new) is True
    assert old.closing == "DISPLACED"
    assert links.dismiss(old) is False
    assert links.open["agent-1"] is new
    assert links.dismiss(new) is True


def test_fences_only_rise() -> None:
    """Drawn after a restart or heard from an agent, a fence is above all before it."""
    fences = Fences()
    first = fences.draw("P1*1", 1_000.0)
    fences.hear("P1*1", first + 500)
    second = fences.draw("P1*1", 1_000.0)

    assert first == 1_000_000
    assert second == first + 501
    assert Fences().draw("P1*1", 1_001.0) > second
    assert fences.floor("P2*1") == 0


def test_counters_and_gauges_are_read_together() -> None:
    """Counts add up; gauges are read when asked."""
    counters = Counters()
    counters.add("reroutes")
    counters.add("reroutes", 2)
    queue = [1, 2]
    counters.gauge("waiting", lambda: len(queue))
    queue.append(3)

    assert counters.values() == {"reroutes": 3, "waiting": 3}


@pytest.mark.parametrize(
    ("other", "agree"),
    [
        (Clock(5_000, 10.0, 10.0), True),
        (Clock(5_000, 10.0, 9.0), False),
        (Clock(9_000, 10.0, 10.0), False),
        (Clock(5_000, 11.0, 10.0), False),
        (Clock(), False),
    ],
)
def test_clocks_agree_only_on_the_same_time(other: Clock, agree: bool) -> None:
    """Epoch, anchor and speed must all be the same."""
    assert Clock(5_000, 10.0, 10.0).agrees_with(other) is agree


def test_at_speed_one_everybody_follows_utc() -> None:
    """Epoch and anchor mean nothing at speed 1."""
    assert Clock(5_000, 10.0, 1.0).agrees_with(Clock())
