"""A sensor bus that floods: the agent keeps its memory and its pace."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from mosquitto_broker import EVSE, HINT, MOSQUITTO, PILE, Broker, Heard, free_port

from edge_agent.sensors.mqtt import BaySensors

# 10,000 words in about a second on five topics, among them pictures of a megabyte.
FLOOD = """
import sys, time
import paho.mqtt.client as mqtt
port, evse, pile = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.max_queued_messages_set(0)
client.connect("127.0.0.1", port)
client.loop_start()
picture = b"\\xff\\xd8\\xff\\xe0" + bytes(1 << 20)
for number in range(10_000):
    if number % 2000 == 0:
        client.publish(f"s/pile/{pile}/camera", picture, qos=0)
        client.publish(f"s/bay/stranger/occupancy", picture, qos=0)
    client.publish(f"s/bay/{evse}/occupancy", '{"occupied": %s}' % str(number % 2 == 0).lower())
    if number % 100 == 0:
        time.sleep(0.005)
client.publish(f"s/bay/{evse}/occupancy", '{"occupied": true}', qos=1).wait_for_publish(60)
last = client.publish(f"s/bay/{evse}/queue", '{"length": 7}', qos=1)
last.wait_for_publish(60)
client.disconnect()
client.loop_stop()
"""


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip(HINT)
    made = Broker(tmp_path, free_port(), "allow_anonymous true\nmax_queued_messages 0\n")
    await made.start()
    yield made
    await made.stop()


@pytest.mark.slow
async def test_E13_flood_is_bounded_counted_and_does_not_stop_the_loop(broker: Broker) -> None:
    """10,000 words a second and pictures of 1 MB: newest word wins, losses are counted, RSS flat.

    What runs beside it on the event loop keeps its pace.
    """
    heard = Heard()
    sensors = BaySensors(f"mqtt://127.0.0.1:{broker.port}", "s", heard, random.Random(1))
    task = asyncio.create_task(sensors.run(), name="test:sensors")
    await asyncio.wait_for(sensors.connected.wait(), 60)
    ticks: list[float] = []
    ticker = asyncio.create_task(tick(ticks), name="test:ticker")
    rss_before = psutil.Process().memory_info().rss

    words = (str(broker.port), EVSE, PILE)
    flood = await asyncio.create_subprocess_exec(sys.executable, "-c", FLOOD, *words)
    waiting = 0
    async with asyncio.timeout(90):
        while not any(word[0] == "queue" for word in heard.words):
            waiting = max(waiting, len(sensors.inbox))
            await asyncio.sleep(0.01)
        await heard.until(lambda: heard.words[-1][0] == "bay" or heard.words[-2][0] == "bay")
    assert await asyncio.wait_for(flood.wait(), 60) == 0

    rss_after = psutil.Process().memory_info().rss
    bays = [word for word in heard.words if word[0] == "bay"]
    assert sensors.heard >= 10_000
    assert waiting <= 2
    assert len(bays) < sensors.heard / 10
    assert sensors.inbox.superseded >= sensors.heard - len(bays) - 20
    assert sensors.refused == 5
    assert sensors.foreign == 5
    assert rss_after - rss_before < 24 << 20
    # Twenty times a second something else runs; a blocked loop would show as a long pause.
    assert max(ticks) < 0.5
    for one in (task, ticker):
        one.cancel()
    await asyncio.gather(task, ticker, return_exceptions=True)


async def tick(late_s: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        before_s = loop.time()
        await asyncio.sleep(0.05)
        late_s.append(loop.time() - before_s - 0.05)
