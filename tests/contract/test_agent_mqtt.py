"""Bay sensors and queue counters against a real mosquitto."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest
from structlog.testing import capture_logs

from edge_agent.sensors.mqtt import BaySensors

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
EVSE = "A-01*1"


@dataclass
class Broker:
    """A private mosquitto on one port that can be stopped and started again."""

    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        config = self.folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        assert MOSQUITTO is not None
        self.process = await asyncio.create_subprocess_exec(
            MOSQUITTO,
            "-c",
            str(config),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(5):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return

    async def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            self.process = None

    async def publish(self, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
        async with aiomqtt.Client("127.0.0.1", self.port) as client:
            await client.publish(topic, payload, qos=1, retain=retain)


@dataclass
class Heard:
    """A sink that remembers."""

    words: list[tuple[object, ...]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __contains__(self, evse_id: object) -> bool:
        return evse_id == EVSE

    def bay(self, evse_id: str, occupied: bool, at_ms: int | None) -> None:
        self.words.append(("bay", evse_id, occupied, at_ms))
        self.news.set()

    def queue(self, evse_id: str, length: int, at_ms: int | None) -> None:
        self.words.append(("queue", evse_id, length, at_ms))
        self.news.set()

    async def next(self, count: int) -> None:
        async with asyncio.timeout(15):
            while len(self.words) < count:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Broker(tmp_path, port)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def listening(broker: Broker) -> AsyncIterator[tuple[BaySensors, Heard]]:
    heard = Heard()
    sensors = BaySensors(f"mqtt://127.0.0.1:{broker.port}", "site/7", heard, random.Random(1))
    task = asyncio.create_task(sensors.run(), name="test:sensors")
    await asyncio.wait_for(sensors.connected.wait(), 5)
    yield sensors, heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_sensor_words_arrive(broker: Broker, listening: tuple[BaySensors, Heard]) -> None:
    """Occupancy and queue length of a known EVSE reach the picture, with their instants."""
    _, heard = listening

    await broker.publish(f"site/7/bay/{EVSE}/occupancy", '{"occupied": true, "at_ms": 5}')
    await broker.publish(f"site/7/bay/{EVSE}/queue", '{"length": 3}')
    await heard.next(2)

    assert heard.words == [("bay", EVSE, True, 5), ("queue", EVSE, 3, None)]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (f"site/7/bay/{EVSE}/occupancy", "yes"),
        (f"site/7/bay/{EVSE}/occupancy", '{"occupied": 1}'),
        (f"site/7/bay/{EVSE}/occupancy", '{"occupied": true, "pad": "' + "x" * 2000 + '"}'),
        (f"site/7/bay/{EVSE}/queue", '{"length": -1}'),
    ],
)
async def test_unreadable_words_are_counted_and_passed_over(
    broker: Broker, listening: tuple[BaySensors, Heard], topic: str, payload: str
) -> None:
    """A word that is broken or too large changes nothing and stops nothing."""
    sensors, heard = listening

    await broker.publish(topic, payload)
    await broker.publish(f"site/7/bay/{EVSE}/occupancy", '{"occupied": false}')
    await heard.next(1)

    assert heard.words == [("bay", EVSE, False, None)]
    assert (sensors.refused, sensors.foreign) == (1, 0)


@pytest.mark.parametrize("payload", ['{"occupied": true}', "what another maker writes"])
async def test_foreign_bays_are_counted_apart_without_complaint(
    broker: Broker, listening: tuple[BaySensors, Heard], payload: str
) -> None:
    """A bay of another agent on a shared broker is passed over, and no warning is logged."""
    sensors, heard = listening

    with capture_logs() as logs:
        await broker.publish("site/7/bay/OTHER*1/occupancy", payload)
        await broker.publish(f"site/7/bay/{EVSE}/occupancy", '{"occupied": false}')
        await heard.next(1)

    assert heard.words == [("bay", EVSE, False, None)]
    assert (sensors.heard, sensors.foreign, sensors.refused) == (2, 1, 0)
    assert [line["log_level"] for line in logs] == ["debug"]


@pytest.mark.slow
async def test_E12_broker_restart_is_survived(
    broker: Broker, listening: tuple[BaySensors, Heard]
) -> None:
    """After the broker was killed and started again, the subscriptions are there again."""
    sensors, heard = listening
    await broker.stop()
    async with asyncio.timeout(5):
        while sensors.connected.is_set():
            await asyncio.sleep(0.01)

    await broker.start()
    await asyncio.wait_for(sensors.connected.wait(), 20)
    await broker.publish(f"site/7/bay/{EVSE}/occupancy", json.dumps({"occupied": True}))
    await heard.next(1)

    assert heard.words == [("bay", EVSE, True, None)]


async def test_retained_word_is_read_on_connecting(broker: Broker) -> None:
    """A retained word is heard by an agent that starts later, with the instant it was made."""
    await broker.publish(
        f"site/7/bay/{EVSE}/occupancy", '{"occupied": true, "at_ms": 9}', retain=True
    )
    heard = Heard()
    sensors = BaySensors(f"mqtt://127.0.0.1:{broker.port}", "site/7", heard, random.Random(1))
    task = asyncio.create_task(sensors.run(), name="test:sensors")

    await heard.next(1)

    assert heard.words == [("bay", EVSE, True, 9)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
