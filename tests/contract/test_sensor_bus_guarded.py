"""The sensor bus behind passwords and the shipped access list, with a real broker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from mosquitto_broker import EVSE, HINT, MOSQUITTO, PILE, Broker, Heard, free_port, password_line

from edge_agent.sensors.mqtt import BaySensors

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
AGENT, WORD = "pilewise-agent", "a-long-password"
SENSOR, OTHER = EVSE, "A-02*1"

pytestmark = pytest.mark.slow


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker as it is shipped, on a free port and with files of its own."""
    if MOSQUITTO is None:
        pytest.skip(HINT)
    passwords = tmp_path / "passwords"
    passwords.write_text("".join(password_line(u, WORD) for u in (AGENT, SENSOR, OTHER, PILE)))
    passwords.chmod(0o600)
    rules = tmp_path / "acl"
    rules.write_text((DEPLOY / "mosquitto.acl").read_text())
    rules.chmod(0o600)
    shipped = (DEPLOY / "mosquitto-secured.conf").read_text()
    lines = [line for line in shipped.splitlines() if not line.startswith("listener")]
    more = "\n".join(lines).replace("/etc/mosquitto/pilewise.passwd", str(passwords))
    made = Broker(
        tmp_path, free_port(), more.replace("/etc/mosquitto/pilewise.acl", str(rules)) + "\n"
    )
    await made.start()
    yield made
    await made.stop()


def client(broker: Broker, user: str) -> aiomqtt.Client:
    """A connection of this user."""
    return aiomqtt.Client("127.0.0.1", broker.port, username=user, password=WORD, timeout=10)


async def test_everybody_says_and_hears_what_is_theirs(broker: Broker) -> None:
    """A sensor speaks for its own bay, the agent hears and says nothing, nobody else hears."""
    heard = Heard()
    sensors = BaySensors(
        f"mqtt://127.0.0.1:{broker.port}", "pilewise", heard, random.Random(1), AGENT, WORD
    )
    task = asyncio.create_task(sensors.run(), name="test:sensors")
    await asyncio.wait_for(sensors.connected.wait(), 60)
    async with client(broker, OTHER) as other, client(broker, AGENT) as agent:
        await other.subscribe("pilewise/#", qos=1)
        await agent.subscribe("#", qos=1)
        # None of these may be heard: another's bay, the agent's own voice.
        await other.publish(f"pilewise/bay/{SENSOR}/queue", '{"length": 666}', qos=1)
        await agent.publish(f"pilewise/bay/{SENSOR}/queue", '{"length": 667}', qos=1)
        await agent.publish("elsewhere", "x", qos=1)
    async with client(broker, SENSOR) as sensor:
        await sensor.publish(f"pilewise/bay/{SENSOR}/queue", '{"length": 3}', qos=1)
    await heard.next(1)
    async with client(broker, PILE) as camera:
        await camera.publish(f"pilewise/pile/{PILE}/camera", '{"people": 2}', qos=1)
    await heard.next(2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert [word[0] for word in heard.words] == ["queue", "surroundings"]
    assert heard.words[0] == ("queue", EVSE, 3, None)


async def test_sensor_hears_nothing_of_others(broker: Broker) -> None:
    """What one sensor says reaches the agent's user and no other sensor."""
    async with client(broker, OTHER) as other, client(broker, AGENT) as agent:
        await other.subscribe("pilewise/#", qos=1)
        await agent.subscribe("pilewise/bay/+/queue", qos=1)
        async with client(broker, SENSOR) as sensor:
            await sensor.publish(f"pilewise/bay/{SENSOR}/queue", '{"length": 1}', qos=1)
        async with asyncio.timeout(60):
            message = await anext(aiter(agent.messages))
        assert message.payload == b'{"length": 1}'
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(aiter(other.messages))


async def test_wrong_password_is_told(broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    """The log names the user and the settings to look at; without a login nobody comes in."""
    url = f"mqtt://127.0.0.1:{broker.port}"
    wrong = BaySensors(url, "pilewise", Heard(), random.Random(1), AGENT, "a-wrong-password")
    task = asyncio.create_task(wrong.run(), name="test:sensors")
    told = ""
    async with asyncio.timeout(60):
        while "refused the login" not in told:
            told += capsys.readouterr().out
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", broker.port, timeout=10):
            pass

    assert AGENT in told
    assert "password_file" in told
    assert "a-wrong-password" not in told
    assert wrong.connections == 0
