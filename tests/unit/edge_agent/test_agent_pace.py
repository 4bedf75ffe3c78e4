"""When the agent tries its coordinator again."""

from __future__ import annotations

import random

from structlog.testing import capture_logs

from edge_agent.core.clock import DomainClock
from edge_agent.uplink.channel import LinkSettings
from edge_agent.uplink.pace import PEACE_S, Pace


def pace() -> Pace:
    settings = LinkSettings("G1", "127.0.0.1:1", DomainClock(0, 0.0), backoff_cap_s=30.0)
    return Pace(settings, random.Random(1))


def test_rare_displacements_are_no_quarrel() -> None:
    """Three displacements spread over more than a minute change nothing."""
    link = pace()

    waits = [link.after_goodbye_s("DISPLACED", 1.0, at_s, 1.0) for at_s in (0.0, 40.0, 80.0)]

    assert max(waits) <= 3.0
    assert not link.contested


def test_other_goodbyes_are_no_quarrel() -> None:
    """A coordinator that restarts often is waited for as long as it asks."""
    link = pace()

    waits = [link.after_goodbye_s("SHUTDOWN", 1.0, float(at_s), 1.0) for at_s in range(6)]

    assert max(waits) <= 3.0


def test_quarrel_goes_on_at_the_cap_until_a_long_peace() -> None:
    """Displacements further apart keep the long wait and are not told again; peace ends it."""
    link = pace()
    with capture_logs() as logs:
        for at_s in (0.0, 2.0, 4.0):
            link.after_goodbye_s("DISPLACED", 1.0, at_s, 1.0)
        later = [link.after_goodbye_s("DISPLACED", 1.0, at_s, 45.0) for at_s in (90.0, 180.0)]
    after_peace = link.after_goodbye_s("DISPLACED", 1.0, 2000.0, PEACE_S + 1.0)

    assert min(later) >= 30.0
    assert [line["event"] for line in logs] == ["another gateway uses this agent id"]
    assert after_peace <= 3.0


def test_waits_grow_until_a_stream_was_sound() -> None:
    """Failure after failure waits longer; a stream that lived makes the next wait short."""
    link = pace()

    grown = max(link.after_failure_s(0.0) for _ in range(12))

    assert grown > 5.0
    assert link.after_failure_s(60.0) <= 0.5
