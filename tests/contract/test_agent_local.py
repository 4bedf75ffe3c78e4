"""The running agent and those who stand beside it: systemd, metrics, commands on its machine."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from durable_edge_service import DurableEdgeService
from hears_keys import hearing_keys
from local_agent import LocalAgent, command
from notify_socket import Systemd

from edge_agent.commands.running import NotRunning, ask
from edge_agent.control_protocol import NAME
from pilewise.v1 import edge_service_pb2 as edge

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[LocalAgent]:
    service = DurableEdgeService(tmp_path / "coordinator.db")
    await service.start()
    made = LocalAgent(tmp_path, service)
    yield made
    if made.process is not None:
        await made.stop()
    await service.crash()


def is_stopped(pid: int) -> bool:
    return "State:\tT" in Path(f"/proc/{pid}/status").read_text()


async def page(address: str) -> str:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    text = (await asyncio.wait_for(reader.read(), 60)).decode()
    writer.close()
    return text


@pytest.mark.slow
async def test_E15_stopped_process_feeds_no_watchdog(agent: LocalAgent, tmp_path: Path) -> None:
    """systemd hears READY and signs of life, nothing while the process is stopped, then STOPPING.

    A unit with WatchdogSec then restarts it.
    """
    address = str(tmp_path / "notify.sock")
    systemd = Systemd(address)
    await agent.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="300000")
    assert "STATUS=" in await systemd.next("READY=1")
    await systemd.next("WATCHDOG=1")
    assert agent.process is not None

    agent.process.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(60):
        while not is_stopped(agent.process.pid):
            await asyncio.sleep(0.01)
    systemd.heard()
    with pytest.raises(TimeoutError):
        await systemd.next("WATCHDOG=1", within_s=0.8)
    agent.process.send_signal(signal.SIGCONT)
    await systemd.next("WATCHDOG=1")

    assert await agent.stop() == 0
    assert await systemd.next("STOPPING=1") == "STOPPING=1\nSTATUS=stopping"
    systemd.close()


@pytest.mark.slow
async def test_start_in_place_is_a_reload_for_systemd(agent: LocalAgent, tmp_path: Path) -> None:
    """A configuration from the coordinator starts the same process anew: RELOADING, then READY.

    STOPPING would make systemd kill it when the stop deadline ends.
    """
    address = str(tmp_path / "notify.sock")
    systemd = Systemd(address)
    await agent.start(NOTIFY_SOCKET=address)
    await systemd.next("READY=1")
    await agent.service.until(lambda: bool(agent.service.hellos))
    systemd.heard()
    toml = agent.config.read_text().replace("heartbeat_s = 0.3", "heartbeat_s = 0.4")
    configure = edge.Directive(directive_id="d1", configure=edge.Configure(toml=toml))

    agent.service.down.put_nowait(edge.ConnectResponse(directive=configure))
    said = await systemd.next("", within_s=30)
    again = await systemd.next("READY=1", within_s=30)

    assert said == "RELOADING=1\nSTATUS=starting anew"
    assert again
    assert agent.process is not None
    assert agent.process.returncode is None
    systemd.close()


@pytest.mark.slow
async def test_records_are_shown_and_followed_as_lines(agent: LocalAgent) -> None:
    """tail prints the newest records and goes on with those that are made meanwhile."""
    await agent.start()
    await agent.service.until(lambda: len(agent.service.rows()) >= 1)
    process = await asyncio.create_subprocess_exec(
        *hearing_keys("edge_agent", "tail", "-c", str(agent.config), "-f", "--pile", "A-01"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines: list[bytes] = []
    async with asyncio.timeout(60):
        while len(lines) < 3:
            line = await process.stdout.readline()
            assert line, "tail has ended by itself"
            if b" STATUS " in line:  # what happens to the pile besides is told between
                lines.append(line)
    process.send_signal(signal.SIGINT)
    code = await asyncio.wait_for(process.wait(), 60)
    newest = ("-n", "1", "--pile", "A-01", "--json")
    as_json = await command("tail", "-c", str(agent.config), *newest)
    unknown = await command("tail", "-c", str(agent.config), "--pile", "A-99")

    assert code == 0
    for one in lines:
        assert re.match(r"^20\d\d-\d\d-\d\d .* A-01\*1 +STATUS +UNKNOWN +TIMEOUT", one.decode())
    assert json.loads(as_json[1])["evse_id"] == "A-01*1"
    assert unknown[0] == 1
    assert "known piles: A-01" in unknown[2]


@pytest.mark.slow
async def test_flush_hurries_a_reconnect_that_backs_off(agent: LocalAgent) -> None:
    """An agent that would try again in many minutes dials while somebody waits for a flush."""
    port = agent.service.port
    await agent.service.crash()
    agent.write()
    patient = "backoff_base_s = 100000\nbackoff_cap_s = 100000\n"
    text = agent.config.read_text()
    hasty = "backoff_base_s = 0.05\nbackoff_cap_s = 0.2\n"
    assert hasty in text
    await agent.start_with(text.replace(hasty, patient))
    async with asyncio.timeout(60):
        while not (await asyncio.to_thread(ask, agent.data, {"command": "status"}))["spool"][
            "records"
        ]:
            await asyncio.sleep(0.05)
    refused = await asyncio.to_thread(ask, agent.data, {"command": "flush", "wait_s": 1}, 30)
    await agent.service.start(port)

    sent = await asyncio.to_thread(ask, agent.data, {"command": "flush", "wait_s": 20}, 30)

    assert refused["ok"] is False
    assert (sent["ok"], sent["left"]) == (True, 0)
    assert agent.service.rows()


@pytest.mark.slow
async def test_flush_sends_what_waits_or_says_why_not(agent: LocalAgent) -> None:
    """flush waits until the coordinator has stored all; without one it explains, deleting nothing.

    The control socket belongs to the agent's user alone.
    """
    await agent.start()
    await agent.service.until(lambda: len(agent.service.rows()) >= 1)
    mode = stat.S_IMODE((agent.data / NAME).stat().st_mode)
    sent = await asyncio.to_thread(ask, agent.data, {"command": "flush", "wait_s": 20}, 30)
    port = agent.service.port
    await agent.service.crash()
    async with asyncio.timeout(60):
        while True:
            status = await asyncio.to_thread(ask, agent.data, {"command": "status"})
            if not status["connected"] and status["spool"]["records"]:
                break
            await asyncio.sleep(0.05)
    refused = await asyncio.to_thread(ask, agent.data, {"command": "flush", "wait_s": 0.3}, 30)
    await agent.service.start(port)
    later = await asyncio.to_thread(ask, agent.data, {"command": "flush", "wait_s": 20}, 30)

    assert mode == 0o600
    assert (sent["ok"], sent["left"]) == (True, 0)
    assert refused["ok"] is False
    assert refused["left"] > 0
    assert "not connected" in refused["why"]
    assert (later["ok"], later["left"]) == (True, 0)
    assert await agent.stop() == 0
    with pytest.raises(NotRunning):
        ask(agent.data, {"command": "status"})


@pytest.mark.slow
async def test_metrics_page_tells_piles_spool_and_link(agent: LocalAgent) -> None:
    """Per-pile counters, the spool, the link, the loop and memory are on the page, none of people.

    A hung loop would make the scrape fail; here it answers.
    """
    told = await agent.start()
    await agent.service.until(lambda: len(agent.service.rows()) >= 2)

    text = await page(told["metrics"])

    figures = dict(re.findall(r"^(pilewise_agent_\S+) (\S+)$", text, re.MULTILINE))
    assert figures["pilewise_agent_connected"] == "1.0"
    assert figures["pilewise_agent_connections_total"] == "1.0"
    assert float(figures["pilewise_agent_acks_total"]) >= 1
    assert figures['pilewise_agent_pile_readings_total{pile="A-01"}'] == "0.0"
    assert figures["pilewise_agent_ocpp_connections"] == "0.0"
    assert 10e6 < float(figures["pilewise_agent_resident_memory_bytes"]) < 200e6
    assert float(figures["pilewise_agent_spool_bytes"]) > 0
    assert 0 <= float(figures["pilewise_agent_loop_lag_seconds"]) < 5


@pytest.mark.slow
async def test_strange_requests_are_answered_not_obeyed(agent: LocalAgent) -> None:
    """Unknown commands, broken JSON and endless lines cost the caller, not the agent."""
    await agent.start()
    begun = time.monotonic()
    unknown = await asyncio.to_thread(ask, agent.data, {"command": "reboot"})
    odd = await asyncio.to_thread(ask, agent.data, {"command": "flush", "wait_s": "long"})
    with pytest.raises(NotRunning):
        await asyncio.to_thread(ask, agent.data, {"command": "status", "pad": "x" * 100_000})
    status = await asyncio.to_thread(ask, agent.data, {"command": "status"})

    assert unknown == {"ok": False, "why": "unknown command; known are status, flush, tail"}
    assert odd["ok"] is False
    assert (status["ok"], status["agent_id"]) == (True, "G1")
    assert status["piles"]["A-01"]["evses"]["A-01*1"]["status"] == "UNKNOWN"
    assert time.monotonic() - begun < 15
