"""Bay sensors against a real broker."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiomqtt
import pytest

from pilewise.v1 import bench_service_pb2 as pb

DEADLINE_S = 60.0
PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


@dataclass
class Mosquitto:
    """A broker that can be stopped and started again on its port."""

    port: int
    process: asyncio.subprocess.Process | None = None
    heard: list[tuple[str, dict[str, object], bool]] = field(default_factory=list)

    async def start(self) -> None:
        program = shutil.which("mosquitto", path=PATH)
        assert program is not None
        self.process = await asyncio.create_subprocess_exec(
            program, "-p", str(self.port), stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(DEADLINE_S):
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
            self.process.terminate()
            await self.process.wait()
            self.process = None

    async def hear(self, topic: str, fits: Callable[[dict[str, object]], bool]) -> bool:
        """Waits for a payload that fits; gives whether the broker had retained it."""
        async with asyncio.timeout(DEADLINE_S), aiomqtt.Client("127.0.0.1", self.port) as client:
            await client.subscribe(topic, qos=1)
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                if fits(json.loads(message.payload)):
                    return bool(message.retain)
        raise AssertionError("the broker went away")


@pytest.fixture
async def broker() -> AsyncIterator[Mosquitto]:
    """A mosquitto of its own for each test."""
    if shutil.which("mosquitto", path=PATH) is None:
        pytest.skip("no mosquitto; install Debian's package mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mosquitto = Mosquitto(port)
    await mosquitto.start()
    yield mosquitto
    await mosquitto.stop()


def config(broker: Mosquitto, republish_s: float = 30.0) -> str:
    return (
        '[sim]\nmode = "stepped"\n[clock]\nepoch_at_ms = 1700000000000\nanchor_s = 0.0\n'
        f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\nrepublish_s = {republish_s}\n'
        '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "abb-terra-ac"\nbay_sensor = true\n'
        '[[pile]]\npile_id = "A-02"\nface = "modbus"\nmodel = "abb-terra-ac"\n'
    )


async def test_parked_car_is_retained_for_whoever_comes_later(
    simulate: Callable, broker: Mosquitto
) -> None:
    """Occupancy and queue change on the broker with the bay, and stay there."""
    sim = await simulate(config(broker))
    await broker.hear("pilewise/bay/A-01*1/occupancy", lambda seen: seen["occupied"] is False)

    await sim.bench.SetBay(pb.SetBayRequest(evse_id="A-01*1", occupied=True, queue_length=3))
    await broker.hear("pilewise/bay/A-01*1/occupancy", lambda seen: seen["occupied"] is True)

    retained = await broker.hear(
        "pilewise/bay/A-01*1/queue", lambda seen: seen == {"length": 3, "at_ms": 1700000000000}
    )
    assert retained


async def test_plugged_car_occupies_its_bay_by_the_piles_clock(
    simulate: Callable, broker: Mosquitto
) -> None:
    """A car at the plug stands in the bay; the reading carries domain time."""
    sim = await simulate(config(broker))
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=90))

    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", soc_pct=20))

    await broker.hear(
        "pilewise/bay/A-01*1/occupancy",
        lambda seen: seen == {"occupied": True, "at_ms": 1700000090000},
    )


async def test_pile_without_a_sensor_publishes_nothing(
    simulate: Callable, broker: Mosquitto
) -> None:
    """Only piles with bay_sensor = true have topics."""
    sim = await simulate(config(broker, republish_s=0.05))
    topics: set[str] = set()
    await sim.bench.SetBay(pb.SetBayRequest(evse_id="A-02*1", occupied=True))

    async with asyncio.timeout(DEADLINE_S), aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("#")
        seen = 0
        async for message in client.messages:
            topics.add(str(message.topic))
            seen += not message.retain
            if seen >= 4:
                break

    bays = {topic for topic in topics if "/sensors/" not in topic}
    assert bays == {"pilewise/bay/A-01*1/occupancy", "pilewise/bay/A-01*1/queue"}


@pytest.mark.slow
async def test_broker_that_comes_back_is_told_everything_again(
    simulate: Callable, broker: Mosquitto
) -> None:
    """After a restart that lost the retained readings they are there again."""
    sim = await simulate(config(broker, republish_s=0.1))
    await broker.hear("pilewise/bay/A-01*1/occupancy", lambda seen: seen["occupied"] is False)

    await broker.stop()
    await sim.bench.SetBay(pb.SetBayRequest(evse_id="A-01*1", occupied=True))
    await broker.start()

    await broker.hear("pilewise/bay/A-01*1/occupancy", lambda seen: seen["occupied"] is True)
