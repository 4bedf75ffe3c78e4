"""Which stretch of a feed, and which of its plugs, are replayed through everything.

How that is played is in `live.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from city_sim.replay.drivers import drivers
from city_sim.replay.feed import Feed, FeedInvalid, Plug, read_feed
from city_sim.replay.live import ROADS, Seen, Show, played
from city_sim.replay.network import Network, network
from city_sim.replay.timeline import OCCUPIED
from coordinator.core.geo import Places

AREA_KM = 5.0
MARGIN_S = 1_800.0  # of the feed after the stretch, in which who asked last arrives
DAY_S, AFTERNOON_S = 86_400.0, 16.0 * 3_600.0


def replayed_live(
    options: argparse.Namespace, plugs: Sequence[Plug], recommend: str
) -> tuple[Network, Feed, Seen, int]:
    """The network, the feed, what was seen, and how many drivers there were.

    Raises `FeedInvalid`.
    """
    whole = read_feed(options.intervals, plugs)
    begin_s = options.from_s if options.from_s is not None else _an_afternoon(whole)
    end_s = begin_s + 60.0 * options.for_min
    if not whole.from_s <= begin_s < end_s <= whole.to_s - MARGIN_S:
        raise FeedInvalid(
            options.intervals, "does not hold that stretch", "choose --from and --for-min within it"
        )
    span = _cut(whole, begin_s, end_s + MARGIN_S)
    chosen = around_the_busiest(plugs, _cut(whole, begin_s, end_s), options.piles)
    some = [plugs[row] for row in chosen]
    # At a simulated site every plug is a pile of its own, but a car still blocks a whole post.
    posts = network(some)
    net = replace(network([replace(one, post=one.connector_id) for one in some]), post=posts.post)
    feed = Feed(tuple(span.lines[row] for row in chosen), begin_s, end_s + MARGIN_S)
    asking = drivers(some, net, feed, ROADS, options.seed, (begin_s, end_s), options.requests)
    if not asking:
        raise FeedInvalid(
            options.intervals,
            "has nobody who took one of these plugs then",
            "choose another --from",
        )
    show = Show(some, net, feed, asking, begin_s, end_s, options.speed, recommend)
    return net, feed, asyncio.run(played(show, _say)), len(asking)


def around_the_busiest(plugs: Sequence[Plug], feed: Feed, count: int) -> list[int]:
    """So many plugs of the area in which most were taken, in their order: those first, then near
    ones."""
    places = Places(
        np.array([one.latitude_deg for one in plugs]),
        np.array([one.longitude_deg for one in plugs]),
    )
    points = np.array([(one.latitude_deg, one.longitude_deg) for one in plugs])
    taken = np.array([len(line.taken_at()) for line in feed.lines])
    middle = int((places.within(points, AREA_KM) @ taken).argmax())
    rows, km = places.nearest(points[middle, 0], points[middle, 1], len(plugs))
    order = np.lexsort((km, -taken[rows] * (km <= AREA_KM)))
    return sorted(rows[order[:count]].tolist())


def _cut(feed: Feed, from_s: float, to_s: float) -> Feed:
    return Feed(tuple(line.between(from_s, to_s) for line in feed.lines), from_s, to_s)


def _an_afternoon(feed: Feed) -> float:
    """Four o'clock of the day on which most plugs were taken."""
    taken = np.concatenate(
        [line.starts[line.states == OCCUPIED] for line in feed.lines if len(line.starts)]
    )
    days, counts = np.unique(taken // DAY_S, return_counts=True)
    whole = (days * DAY_S > feed.from_s) & ((days + 1) * DAY_S < feed.to_s)
    if not whole.any():
        return feed.from_s
    return float(days[whole][counts[whole].argmax()]) * DAY_S + AFTERNOON_S


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
