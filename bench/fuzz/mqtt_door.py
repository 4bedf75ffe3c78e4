"""The door of sensors: payloads through a real mosquitto to the agent.

A sensor gets no answer. After each burst the agent's own count of messages says that all of them
were taken in; who does not count hangs.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
import socket
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt

from bench.fuzz.input import Input, Kind, Outcome
from bench.fuzz.kinds import kinds
from bench.fuzz.text import mutated_json, mutated_text
from bench.fuzz.wire import noise

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
HINT = "hint: apt-get install mosquitto"
HEARD = re.compile(rb"^pilewise_agent_sensor_messages_total (\S+)", re.MULTILINE)
COUNTED_S = 20.0
LOOK_EVERY_S = 0.05
START_S = 10.0
WORDS: dict[str, Any] = {
    "bay/O-1*1/occupancy": {"occupied": True, "at_ms": 1_795_000_000_000},
    "bay/O-7*2/occupancy": {"occupied": False, "battery_pct": 81},
    "bay/O-2*1/queue": {"length": 2},
    "pile/O-1/camera": {"people": 4, "vehicles": 1},
    "pile/O-8/ambient": {"temperature_c": 31.5},
    "pile/O-3/position": {"latitude_deg": 22.54, "longitude_deg": 114.05},
    "bay/unknown*1/occupancy": {"occupied": True},
    "bay/O-1*1/nonsense": {"a": 1},
}


class Broker:
    """A private mosquitto on a free port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    async def start(self) -> None:
        """Starts it and returns once it listens."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        config = self._folder / "mosquitto.conf"
        # Else mosquitto, started by root, becomes a user who may not read this folder.
        config.write_text(
            f"listener {self.port} 127.0.0.1\nuser root\nallow_anonymous true\n"
            "max_queued_messages 100000\nmax_inflight_messages 0\n"
        )
        assert MOSQUITTO is not None
        self._process = await asyncio.create_subprocess_exec(
            MOSQUITTO, "-c", str(config),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(START_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return

    async def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()


class MqttDoor:
    """All topics that the agent listens to, and some besides."""

    name = "mqtt"
    lanes = 16

    def __init__(self, port: Callable[[], int], metrics: Callable[[], str]) -> None:
        self._port = port
        self._metrics = metrics
        self._client: aiomqtt.Client | None = None
        self._sent = 0
        self._base = 0.0
        self._waiting: asyncio.Lock = asyncio.Lock()

    async def open(self) -> None:
        """Connects, and reads how much the agent has heard so far."""
        self._client = aiomqtt.Client("127.0.0.1", self._port())
        await self._client.__aenter__()
        self._sent, self._base = 0, await self._heard()

    async def close(self) -> None:
        """Hangs up."""
        if self._client is not None:
            await self._client.__aexit__(None, None, None)

    def inputs(self, rng: random.Random, count: int) -> Iterator[Input]:
        """So many payloads."""
        topics = list(WORDS)
        for kind in kinds(rng, count):
            topic = rng.choice(topics)
            yield Input(self.name, topic, kind, (_payload(rng, WORDS[topic], kind),))

    async def send(self, item: Input) -> Outcome:
        """Publishes; every now and then waits until the agent has counted everything."""
        assert self._client is not None
        await self._client.publish(f"pilewise/{item.target}", item.frames[0], qos=1)
        self._sent += "nonsense" not in item.target
        if self._sent % 100 and len(item.frames[0]) != 0:
            return Outcome("published")
        async with self._waiting:
            return await self._counted()

    async def _counted(self) -> Outcome:
        sent = self._sent
        try:
            async with asyncio.timeout(COUNTED_S):
                while True:
                    if await self._heard() - self._base >= sent:
                        break
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            return Outcome("not taken in", "hang", f"{sent} were published")
        return Outcome("taken in")

    async def _heard(self) -> float:
        url = f"http://{self._metrics()}/metrics"
        page = await asyncio.to_thread(_read, url)
        found = HEARD.search(page)
        return float(found[1]) if found else 0.0


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        page: bytes = answer.read()
    return page


def _payload(rng: random.Random, word: Any, kind: Kind) -> bytes:
    if kind == "random":
        return noise(rng)
    if kind == "valid":
        return json.dumps(word).encode()
    if kind == "hostile" or rng.random() < 0.4:
        return mutated_json(rng, word)
    return mutated_text(rng, json.dumps(word).encode())
