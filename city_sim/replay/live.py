"""Replays a stretch of a feed through everything: simulated piles, agents, a coordinator, sockets.

A hand at each pile plugs in and out and breaks what the feed says, at its time; drivers ask over
gRPC. The core alone, which is told the feed, is in `fast.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np

from city_sim.clock import SimClock
from city_sim.replay.deciding import AC_KW, BATTERY_KWH, NEAREST, NEAREST_FREE, OURS, Decision
from city_sim.replay.drivers import Driver
from city_sim.replay.fast import FARTHEST_KM, Made
from city_sim.replay.feed import Feed, Plug
from city_sim.replay.hands import Hands
from city_sim.replay.network import STATUS, Network
from city_sim.replay.timeline import NOBODY_KNOWS, Floats
from city_sim.stage import Stage
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.arrival import BROKEN, KIND
from coordinator.core.roads import EstimatedRoads
from pilewise.client import VehicleClient
from pilewise.v1 import charging_service_pb2 as pb

SET_UP_S = 25.0  # wall time that the parts may take to stand
LISTED = 10  # alternatives that an answer lists
ROADS = EstimatedRoads()


@dataclass(frozen=True, slots=True)
class Show:
    """What is replayed: a stretch of a feed of some plugs, each a pile of its own."""

    plugs: Sequence[Plug]
    net: Network
    feed: Feed
    asking: Sequence[Driver]
    begin_s: float
    end_s: float
    speed: float
    recommend: str  # the section of the coordinator's configuration


@dataclass(frozen=True, slots=True)
class Seen:
    """Decisions, and the share of statuses in which the live picture agreed with the feed."""

    made: Made
    piles_talking: int
    picture_agreement: float


async def played(show: Show, say: Callable[[str], None]) -> Seen:
    """Sets everything up, plays, and takes it down again."""
    folder = Path(tempfile.mkdtemp(prefix="pilewise-replay-"))
    clock = SimClock.starting_at(show.begin_s - SET_UP_S * show.speed, show.speed)
    stage = Stage(folder, clock, show.net.stations, say, agent_count=2, extra=show.recommend)
    try:
        await stage.open([], [])
        talking = await stage.wait_until_talking()
        say(f"{talking} piles talk; {len(show.asking)} drivers will ask")
        return await _play(show, stage, clock, talking)
    finally:
        await stage.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _play(show: Show, stage: Stage, clock: SimClock, talking: int) -> Seen:
    hands = Hands(show.feed, show.net, stage.benches, clock)
    await hands.begin()
    await clock.until(show.begin_s)
    moving = asyncio.create_task(hands.run(show.end_s), name="replay:hands")
    channel = grpc.aio.insecure_channel(stage.target)
    made: Made = []
    agreed: list[float] = []
    try:
        for driver in show.asking:
            await clock.until(driver.asks_s)
            status = await _picture(show.net, stage)
            agreed.append(_agreement(show.feed, status, clock.now_s()))
            choices = await _decide(show, stage, channel, driver, status)
            if choices:
                made.append((driver, choices))
    finally:
        moving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await moving
        await channel.close()
    return Seen(made, talking, round(float(np.mean(agreed)), 4) if agreed else float("nan"))


async def _picture(net: Network, stage: Stage) -> Floats:
    """What the coordinator believes of each plug."""
    known = {live.evse.evse_id: int(live.status) for live in await stage.live()}
    return np.array([known.get(name, int(EvseStatus.UNKNOWN)) for name in net.evse_ids])


def _agreement(feed: Feed, status: Floats, at_s: float) -> float:
    states = np.array([line.state(at_s) for line in feed.lines])
    known = states != NOBODY_KNOWS
    return float((STATUS[states[known]] == status[known]).mean()) if known.any() else 1.0


async def _decide(
    show: Show, stage: Stage, channel: grpc.aio.Channel, driver: Driver, status: Floats
) -> dict[str, Decision]:
    """The plug that the coordinator names first among those near, and those of the others."""
    here = driver.latitude_deg, driver.longitude_deg
    km = np.array([ROADS.between_km(here, (p.latitude_deg, p.longitude_deg)) for p in show.plugs])
    fits = (show.net.standard == driver.standard) & (km <= FARTHEST_KM)
    fits[list(driver.own)] = False
    near = np.flatnonzero(fits)
    near = near[km[near].argsort(kind="stable")]
    if not near.size:
        return {}
    named = await _named(show, stage, channel, driver, frozenset(near.tolist()))
    open_now = near[status[near] == EvseStatus.AVAILABLE]
    in_order = near[KIND[status[near].astype(int)] != BROKEN]
    free = next((int(rows[0]) for rows in (open_now, in_order) if rows.size), int(near[0]))
    ours = int(near[0]) if named is None else named[0]
    speed_kmh = ROADS.speed_kmh(driver.asks_s / 3600.0 % 24.0)
    return {
        name: Decision(
            plug,
            driver.asks_s + float(km[plug]) / speed_kmh * 3600.0,
            float(km[plug]),
            named[1] if named is not None and name == OURS else float("nan"),
            named is not None or name != OURS,
        )
        for name, plug in ((OURS, ours), (NEAREST_FREE, free), (NEAREST, int(near[0])))
    }


async def _named(
    show: Show,
    stage: Stage,
    channel: grpc.aio.Channel,
    driver: Driver,
    near: frozenset[int],
) -> tuple[int, float] | None:
    """The first plug of the answer that is a candidate, and its chance; what was held is given
    back."""
    profile = pb.VehicleProfile(battery_kwh=BATTERY_KWH, max_ac_power_kw=AC_KW)
    profile.connectors.append(driver.standard)  # type: ignore[arg-type]
    name = f"car-{driver.plug}-{driver.asks_s:.0f}"
    async with VehicleClient(stage.target, name, profile, channel=channel) as client:
        request = client.request(driver.soc_pct, driver.latitude_deg, driver.longitude_deg)
        request.alternative_count = LISTED
        answer = await client.recommend(request)
        if not answer.HasField("promise"):
            return None
        promise = answer.promise
        await client.release(promise.recommendation_id, "replayed")
    number = {evse_id: plug for plug, evse_id in enumerate(show.net.evse_ids)}
    for one in (promise.choice, *promise.alternatives):
        plug = number.get(one.evse.evse_id, -1)
        if plug in near:
            return plug, one.p_working * one.p_free
    return None
