"""Bad habits of the site's sensors, through a real broker, as the agent's reader takes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import grpc
import msgspec
import pytest
from mosquitto_broker import HINT, MOSQUITTO, Broker, free_port

from edge_agent.sensors.payloads import Camera, Occupancy, Queue, parse
from pilewise.v1 import bench_service_pb2 as pb

DEADLINE_S = 60.0
NOW_MS = 1_700_000_000_000
OCCUPANCY, QUEUE = "site/bay/A-01*1/occupancy", "site/bay/A-01*1/queue"
CAMERA, STATE = "site/pile/A-01/camera", "site/sensors/bench/state"


class Listener:
    """Hears everything from the moment it subscribed; what was retained is marked."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.news = asyncio.Condition()
        self._client = client

    async def listen(self) -> None:
        async for message in self._client.messages:
            assert isinstance(message.payload, bytes)
            async with self.news:
                self.heard.append((str(message.topic), message.payload, bool(message.retain)))
                self.news.notify_all()

    async def next(
        self, topic: str, fits: Callable[[bytes], bool] = lambda _: True, since: int = 0
    ) -> bytes:
        """The first payload on a topic that fits, from the n-th message on."""
        async with asyncio.timeout(DEADLINE_S), self.news:
            while True:
                for where, payload, _ in self.heard[since:]:
                    if where == topic and fits(payload):
                        return payload
                await self.news.wait()

    def on(self, topic: str, since: int = 0) -> list[bytes]:
        """All payloads on a topic."""
        return [payload for where, payload, _ in self.heard[since:] if where == topic]


class Site:
    """A simulated pile with sensors, its broker, and somebody who listens."""

    def __init__(self, sim: Any, broker: Broker, ear: Listener) -> None:
        self.sim = sim
        self.broker = broker
        self.ear = ear

    async def inject(self, fault: str) -> int:
        """Switches a habit on; gives how much had been heard before."""
        before = len(self.ear.heard)
        await self.sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="A-01*1", fault=fault))
        return before

    async def set_bay(self, occupied: bool, queue: int = 0) -> None:
        """Something stands in the bay, or not."""
        request = pb.SetBayRequest(evse_id="A-01*1", occupied=occupied, queue_length=queue)
        await self.sim.bench.SetBay(request)


@pytest.fixture
async def site(simulate: Callable, tmp_path: Path) -> AsyncIterator[Site]:
    """A site whose readings have been heard once."""
    if MOSQUITTO is None:
        pytest.skip(HINT)
    broker = Broker(tmp_path, free_port())
    await broker.start()
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("site/#", qos=1)
        ear = Listener(client)
        task = asyncio.create_task(ear.listen(), name="test:listener")
        sim = await simulate(
            f'[sim]\nmode = "stepped"\n[clock]\nepoch_at_ms = {NOW_MS}\nanchor_s = 0.0\n'
            f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\nprefix = "site"\n'
            'republish_s = 30\nclient_id = "bench"\n'
            '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "abb-terra-ac"\n'
            "bay_sensor = true\ncamera = true\n"
        )
        await ear.next(CAMERA)
        yield Site(sim, broker, ear)
        task.cancel()
    await broker.stop()


async def test_every_reading_is_one_that_the_agent_takes(site: Site) -> None:
    """Bay, queue and camera say what the agent's reader understands, and what is there."""
    before = len(site.ear.heard)
    await site.set_bay(True, 2)

    bay = parse("occupancy", await site.ear.next(OCCUPANCY, since=before))
    queue = parse("queue", await site.ear.next(QUEUE, since=before))
    camera = parse("camera", await site.ear.next(CAMERA, since=before))

    assert bay == Occupancy(True, NOW_MS)
    assert queue == Queue(2, NOW_MS)
    assert camera == Camera(people=2, vehicles=3, at_ms=NOW_MS)


@pytest.mark.slow
async def test_last_will_tells_that_the_sensors_are_gone(site: Site) -> None:
    """While they are there the state says so; when the line is cut the broker says not."""
    there = await site.ear.next(STATE)
    cut = await site.inject("mqtt:offline")

    gone = await site.ear.next(STATE, since=cut)
    await site.sim.bench.ClearFault(pb.ClearFaultRequest(evse_id="A-01*1"))
    back = await site.ear.next(STATE, lambda payload: payload != gone, since=cut)

    assert json.loads(there) == json.loads(back) == {"online": True}
    assert json.loads(gone) == {"online": False}


async def test_sensor_says_everything_twice(site: Site) -> None:
    """Two equal messages for one change."""
    before = await site.inject("mqtt:duplicate")
    await site.set_bay(True)
    await site.ear.next(OCCUPANCY, lambda p: json.loads(p)["occupied"] is True, since=before)
    later = len(site.ear.heard)
    await site.set_bay(False)
    await site.ear.next(CAMERA, since=later)

    told = [p for p in site.ear.on(OCCUPANCY, since=before) if json.loads(p)["occupied"]]
    assert len(told) == 2


async def test_older_word_comes_after_the_newer_one(site: Site) -> None:
    """Of two readings the first arrives last; its instant shows it."""
    before = await site.inject("mqtt:out_of_order")
    stamps: list[int] = []
    occupied = False
    async with asyncio.timeout(DEADLINE_S):
        # Changes that follow faster than the sensor looks are one to it.
        while stamps == sorted(stamps):
            occupied = not occupied
            await site.sim.bench.Advance(pb.AdvanceRequest(duration_s=1))
            await site.set_bay(occupied)
            await asyncio.sleep(0.05)
            stamps = [json.loads(p)["at_ms"] for p in site.ear.on(OCCUPANCY, since=before)]

    assert stamps != sorted(stamps)


@pytest.mark.parametrize(
    ("fault", "at_ms"),
    [
        ("mqtt:clock:-3600", NOW_MS - 3_600_000),
        ("mqtt:stale:7200", NOW_MS - 7_200_000),
        ("mqtt:no_clock", None),
    ],
)
async def test_instant_is_wrong_or_missing(site: Site, fault: str, at_ms: int | None) -> None:
    """A wrong clock, a word of two hours ago, a sensor without a clock."""
    before = await site.inject(fault)

    word = parse("occupancy", await site.ear.next(OCCUPANCY, since=before))

    assert word.at_ms == at_ms


async def test_stale_word_is_there_for_whoever_comes_later(site: Site) -> None:
    """The broker keeps the old word and gives it out as if it were new."""
    before = await site.inject("mqtt:stale:7200")
    await site.ear.next(OCCUPANCY, since=before)

    async with aiomqtt.Client("127.0.0.1", site.broker.port) as late, asyncio.timeout(DEADLINE_S):
        await late.subscribe(OCCUPANCY, qos=1)
        message = await anext(aiter(late.messages))

    assert message.retain
    assert json.loads(bytes(message.payload))["at_ms"] == NOW_MS - 7_200_000


@pytest.mark.parametrize("fault", ["mqtt:junk", "mqtt:wrong_type", "mqtt:oversized"])
async def test_junk_is_what_the_agent_refuses(site: Site, fault: str) -> None:
    """No JSON, wrong types, too much of it: the agent's reader raises for each."""
    before = await site.inject(fault)

    payload = await site.ear.next(OCCUPANCY, since=before)

    with pytest.raises((ValueError, msgspec.MsgspecError)):
        parse("occupancy", payload)


async def test_sensor_is_silent_stuck_or_inverted(site: Site) -> None:
    """Nothing of a change is heard; the old word is repeated; the opposite is said."""
    before = await site.inject("mqtt:silent")
    await site.set_bay(True)
    after = await site.inject("mqtt:stuck")
    silent = site.ear.on(OCCUPANCY, since=before)
    await site.sim.bench.ClearFault(pb.ClearFaultRequest(evse_id="A-01*1", fault="mqtt:silent"))
    stuck = json.loads(await site.ear.next(OCCUPANCY, since=after))
    await site.sim.bench.ClearFault(pb.ClearFaultRequest(evse_id="A-01*1"))
    later = await site.inject("mqtt:inverted")
    inverted = await site.ear.next(
        OCCUPANCY, lambda p: json.loads(p)["occupied"] is False, since=later
    )

    assert silent == []
    assert stuck["occupied"] is False
    assert json.loads(inverted)["occupied"] is False


async def test_sensor_flaps_until_it_is_mended(site: Site) -> None:
    """The word turns around by itself; mended, it says what is there."""
    before = await site.inject("mqtt:flapping:0.05")

    async with asyncio.timeout(DEADLINE_S):
        while len(set(site.ear.on(OCCUPANCY, since=before))) < 2:
            await asyncio.sleep(0.02)
    after = len(site.ear.heard)
    await site.sim.bench.ClearFault(pb.ClearFaultRequest(evse_id="A-01*1"))
    await site.set_bay(True)

    await site.ear.next(OCCUPANCY, lambda p: json.loads(p)["occupied"] is True, since=after)


async def test_word_that_is_not_retained_is_gone_for_who_comes_later(site: Site) -> None:
    """Whoever listens now hears it; the broker keeps the one before."""
    before = await site.inject("mqtt:not_retained")
    await site.set_bay(True)
    await site.ear.next(OCCUPANCY, lambda p: json.loads(p)["occupied"] is True, since=before)

    async with aiomqtt.Client("127.0.0.1", site.broker.port) as late, asyncio.timeout(DEADLINE_S):
        await late.subscribe(OCCUPANCY, qos=1)
        message = await anext(aiter(late.messages))

    assert json.loads(bytes(message.payload))["occupied"] is False


@pytest.mark.slow
async def test_broker_that_was_lost_hears_all_again(site: Site) -> None:
    """After a restart without memory the state and every reading are there again."""
    await site.broker.stop()
    await site.set_bay(True, 1)
    await site.broker.start()

    async with asyncio.timeout(60):
        while True:
            try:
                async with aiomqtt.Client("127.0.0.1", site.broker.port) as late:
                    await late.subscribe("site/#", qos=1)
                    heard: dict[str, Any] = {}
                    async for message in late.messages:
                        heard[str(message.topic)] = json.loads(bytes(message.payload))
                        if {OCCUPANCY, QUEUE, CAMERA, STATE} <= heard.keys():
                            break
                break
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)

    assert heard[OCCUPANCY]["occupied"] is True
    assert heard[STATE] == {"online": True}


async def test_unknown_habit_is_refused_with_the_known_ones(site: Site) -> None:
    """A name that is none, and a value that is missing or too much."""
    for fault, word in (
        ("mqtt:nonsense", "flapping"),
        ("mqtt:flapping", "wants a value"),
        ("mqtt:silent:3", "takes no value"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await site.inject(fault)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert word in (refused.value.details() or "")
