"""The doctor and the buffer command, beside a running agent and without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from durable_edge_service import DurableEdgeService
from local_agent import LocalAgent, command
from mosquitto_broker import HINT, MOSQUITTO, Broker, free_port
from wallbox import Wallbox


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[LocalAgent]:
    service = DurableEdgeService(tmp_path / "coordinator.db")
    await service.start()
    made = LocalAgent(tmp_path, service)
    yield made
    if made.process is not None:
        await made.stop()
    await service.crash()


async def examined(agent: LocalAgent, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code of the doctor and what it found."""
    code, out, err = await command("doctor", "-c", str(agent.config), "--json", *words)
    assert out, err
    told: dict[str, Any] = json.loads(out.splitlines()[-1])
    return code, told


def levels(told: dict[str, Any], check: str) -> list[tuple[str, str]]:
    return [(f["level"], f["text"]) for f in told["findings"] if f["check"] == check]


def modbus(port: int, uid: str) -> str:
    return f'[[pile]]\nuid = "{uid}"\nprofile = "abb-terra-ac"\nhost = "127.0.0.1"\nport = {port}\n'


@pytest.mark.slow
async def test_doctor_beside_a_running_agent_takes_its_word(agent: LocalAgent) -> None:
    """Ports of the running agent are no error; its uplink, counts and skew are told; it goes on.

    A pile that was never heard is an error with the URL to type into it as the hint.
    """
    ports = free_port(), free_port()
    agent.write()
    text = agent.config.read_text()
    text = text.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{ports[0]}"')
    text = text.replace('metrics = "127.0.0.1:0"', f'metrics = "127.0.0.1:{ports[1]}"')
    await agent.start_with(text)
    await agent.service.until(lambda: len(agent.service.rows()) >= 1)

    code, told = await examined(agent)

    assert code == 1
    assert [level for level, _ in levels(told, "ports")] == ["ok", "ok"]
    assert all("running agent" in said for _, said in levels(told, "ports"))
    assert levels(told, "coordinator")[0][0] == "ok"
    assert levels(told, "clock")[1] == ("ok", levels(told, "clock")[1][1])
    url = f"ws://127.0.0.1:{ports[0]}/A-01"
    assert any(url in said for _, said in levels(told, "url"))
    (pile,) = (f for f in told["findings"] if f["check"] == "pile")
    assert (pile["level"], pile["hint"]) == ("error", f"in the pile's menu set {url}")
    assert told["errors"] == 1
    assert agent.process is not None
    assert agent.process.returncode is None
    assert len(agent.service.hellos) == 1


@pytest.mark.slow
async def test_doctor_without_an_agent_asks_instead(agent: LocalAgent) -> None:
    """The coordinator is greeted, each Modbus pile is read once, and a taken port is an error."""
    wallbox = Wallbox()
    port, dead = await wallbox.start(), free_port()
    agent.more = modbus(port, "B-01") + modbus(dead, "B-02")
    agent.write()
    with_port = agent.config.read_text().replace(
        'metrics = "127.0.0.1:0"', f'metrics = "127.0.0.1:{port}"'
    )
    agent.config.write_text(with_port)

    code, told = await examined(agent)
    offline_code, offline = await examined(agent, "--offline")
    await wallbox.server.shutdown()

    assert code == 1
    piles = dict(zip(("B-01", "B-02"), levels(told, "pile"), strict=True))
    assert piles["B-01"][0] == "ok"
    assert "read within" in piles["B-01"][1]
    assert piles["B-02"][0] == "error"
    assert ("ok", f"127.0.0.1:{agent.service.port}, district D1, welcomes G1") in levels(
        told, "coordinator"
    )
    assert [level for level, _ in levels(told, "ports")] == ["error"]
    assert list(agent.service.hellos[0].piles) == []
    assert levels(offline, "pile") == levels(offline, "coordinator") == []
    assert offline_code == 1
    assert not agent.data.exists()


@pytest.mark.slow
async def test_doctor_without_faults_ends_well(agent: LocalAgent) -> None:
    """A sound gateway with a broker and a wallbox gives exit code 0 and no errors."""
    if MOSQUITTO is None:
        pytest.skip(HINT)
    broker = Broker(agent.folder, free_port())
    await broker.start()
    wallbox = Wallbox()
    agent.more = modbus(await wallbox.start(), "B-01")
    agent.more += f'[bay_sensors]\nmqtt = "mqtt://127.0.0.1:{broker.port}"\n'
    agent.write()

    code, told = await examined(agent)
    await broker.stop()
    without_code, without = await examined(agent)
    await wallbox.server.shutdown()

    assert (code, told["errors"], told["ok"]) == (0, 0, True)
    assert levels(told, "broker")[0][0] == "ok"
    assert (without_code, levels(without, "broker")[0][0]) == (1, "error")


@pytest.mark.slow
async def test_doctor_says_when_the_coordinator_is_away(agent: LocalAgent) -> None:
    """A coordinator that does not answer is an error that names it, with a hint."""
    agent.write()
    await agent.service.crash()

    code, told = await examined(agent)
    await agent.service.start()

    assert code == 1
    (finding,) = (f for f in told["findings"] if f["check"] == "coordinator")
    assert finding["level"] == "error"
    assert "UNAVAILABLE" in finding["text"]
    assert finding["hint"]


@pytest.mark.slow
async def test_K2_secret_that_others_may_read_is_refused_by_the_doctor(agent: LocalAgent) -> None:
    """A password file with mode 0644 ends with code 3, the line, and the command that mends it."""
    agent.more = '[bay_sensors]\nmqtt = "mqtt://127.0.0.1:1"\npassword_file = "secret"\n'
    agent.write()
    (agent.folder / "secret").write_text("s3cret")
    (agent.folder / "secret").chmod(0o644)

    code, out, err = await command("doctor", "-c", str(agent.config), "--json")

    assert (code, out) == (3, "")
    assert "error[CFG-013]: secret may be read by others" in err
    assert "hint: chmod 600 secret" in err


@pytest.mark.slow
async def test_buffer_shows_what_waits_and_flush_needs_an_agent(agent: LocalAgent) -> None:
    """show reads the spool beside the agent and after it; flush explains where none runs."""
    await agent.start()
    await agent.service.until(lambda: len(agent.service.rows()) >= 1)
    flushed = await command("buffer", "flush", "-c", str(agent.config), "--json")
    await agent.service.crash()
    async with asyncio.timeout(60):
        waiting: dict[str, Any] = {"records": 0}
        while waiting["records"] < 2:
            shown = await command("buffer", "show", "-c", str(agent.config), "--json")
            waiting = json.loads(shown[1])
    partial = await command("buffer", "flush", "-c", str(agent.config), "--wait-s", "0.2")
    await agent.stop()
    after = await command("buffer", "show", "-c", str(agent.config), "--json")
    alone = await command("buffer", "flush", "-c", str(agent.config))
    await agent.service.start()

    assert flushed[0] == 0
    assert json.loads(flushed[1])["left"] == 0
    assert waiting["kinds"].keys() == {"STATUS"}
    assert waiting["oldest_at_ms"] <= waiting["newest_at_ms"]
    assert partial[0] == 5
    assert "not connected" in partial[2]
    assert json.loads(after[1])["records"] >= waiting["records"]
    assert alone[0] == 4
    assert "stays on the disk" in alone[2]
