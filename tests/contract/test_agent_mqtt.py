"""Bay sensors and queue counters against a real mosquitto."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from certificates import authority
from mosquitto_broker import EVSE, HINT, MOSQUITTO, PILE, Broker, Heard, free_port, password_line
from structlog.testing import capture_logs

from edge_agent.core.reading import Surroundings
from edge_agent.sensors.mqtt import BaySensors


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip(HINT)
    made = Broker(tmp_path, free_port())
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def listening(broker: Broker) -> AsyncIterator[tuple[BaySensors, Heard]]:
    heard = Heard()
    sensors = BaySensors(f"mqtt://127.0.0.1:{broker.port}", "site/7", heard, random.Random(1))
    task = asyncio.create_task(sensors.run(), name="test:sensors")
    await asyncio.wait_for(sensors.connected.wait(), 60)
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
        (f"site/7/bay/{EVSE}/queue", b"\xff\xd8\xff\xe0 a picture"),
        (f"site/7/pile/{PILE}/camera", b"\xff\xd8\xff\xe0" + bytes(200_000)),
        (f"site/7/pile/{PILE}/camera", "{}"),
        (f"site/7/pile/{PILE}/ambient", '{"temperature_c": NaN}'),
        (f"site/7/pile/{PILE}/position", '{"latitude_deg": 91, "longitude_deg": 0}'),
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
async def test_E12_broker_restart_is_survived_and_retained_words_come_again(
    broker: Broker, listening: tuple[BaySensors, Heard]
) -> None:
    """After the broker was killed and started again, retained and fresh words are heard."""
    sensors, heard = listening
    await broker.stop()
    async with asyncio.timeout(60):
        while sensors.connected.is_set():
            await asyncio.sleep(0.01)

    await broker.start()
    await broker.publish(f"site/7/bay/{EVSE}/queue", '{"length": 1}', retain=True)
    await asyncio.wait_for(sensors.connected.wait(), 60)
    await broker.publish(f"site/7/bay/{EVSE}/occupancy", json.dumps({"occupied": True}))
    await heard.next(2)

    assert set(heard.words) == {("queue", EVSE, 1, None), ("bay", EVSE, True, None)}
    assert sensors.connections == 2


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


async def test_counts_temperature_and_position_arrive(
    broker: Broker, listening: tuple[BaySensors, Heard]
) -> None:
    """What a camera counted, a thermometer measured and a receiver fixed reach the picture."""
    _, heard = listening
    words = {
        "camera": '{"people": 4, "vehicles": 1, "at_ms": 5, "model": "cam-9"}',
        "ambient": '{"temperature_c": 31.5}',
        "position": '{"latitude_deg": 22.5, "longitude_deg": 114.0}',
    }

    for kind, payload in words.items():
        await broker.publish(f"site/7/pile/{PILE}/{kind}", payload)
    await heard.next(3)

    assert heard.words == [
        ("surroundings", PILE, Surroundings(4, 1), 5),
        ("surroundings", PILE, Surroundings(ambient_temperature_c=31.5), None),
        ("fix", PILE, 22.5, 114.0, None),
    ]


@pytest.mark.slow
async def test_broker_with_tls_and_password_is_listened_to(tmp_path: Path) -> None:
    """Over TLS with the site's own CA and with a login, words arrive; a wrong login hears none."""
    if MOSQUITTO is None:
        pytest.skip(HINT)
    site = authority(tmp_path / "site")
    host = site.issue("localhost", alt="DNS:localhost,IP:127.0.0.1")
    (tmp_path / "passwords").write_text(password_line("agent", "s3cret"))
    (tmp_path / "passwords").chmod(0o600)
    made = Broker(
        tmp_path,
        free_port(),
        f"allow_anonymous false\npassword_file {tmp_path / 'passwords'}\n"
        f"cafile {site.own.cert}\ncertfile {host.cert}\nkeyfile {host.key}\n",
    )
    await made.start()
    url = f"mqtts://localhost:{made.port}"
    heard = Heard()
    login = ("agent", "s3cret", site.own.cert)
    sensors = BaySensors(url, "s", heard, random.Random(1), *login)
    stranger = BaySensors(url, "s", Heard(), random.Random(1), "agent", "wrong", site.own.cert)
    tasks = [asyncio.create_task(s.run(), name="test:sensors") for s in (sensors, stranger)]
    await asyncio.wait_for(sensors.connected.wait(), 60)

    secure = ssl.create_default_context(cafile=site.own.cert)
    async with aiomqtt.Client(
        "localhost", made.port, username="agent", password="s3cret", tls_context=secure
    ) as client:
        await client.publish(f"s/bay/{EVSE}/queue", '{"length": 2}', qos=1)
    await heard.next(1)

    assert heard.words == [("queue", EVSE, 2, None)]
    assert stranger.connections == 0
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await made.stop()
