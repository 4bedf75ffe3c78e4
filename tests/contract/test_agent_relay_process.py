"""A relaying agent as a process: killed while messages wait, and what its figures say."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from central_system import CentralSystem
from durable_edge_service import DurableEdgeService
from local_agent import LocalAgent, command
from mosquitto_broker import free_port
from raw_pile import RawPile

pytestmark = pytest.mark.slow
AT = "2026-11-22T10:00:00Z"
SETTERS = ("ChangeConfiguration", "SetVariables")


class Scene:
    """An agent process, a pile before it, and an operator's system that is not there yet."""

    def __init__(self, folder: Path, version: str) -> None:
        self.version = version
        self.service = DurableEdgeService(folder / "coordinator.db")
        self.agent = LocalAgent(folder, self.service)
        self.central = CentralSystem(subprotocol=version)
        self.pile = RawPile(version)
        self.ready: dict[str, Any] = {}
        self._port = free_port()

    async def start_agent(self) -> None:
        """Starts it; after a kill once more."""
        profile = {"ocpp1.6": "ocpp16", "ocpp2.0.1": "ocpp201"}[self.version]
        self.ready = await self.agent.start_with(
            f'[agent]\nid = "G1"\ncoordinator = "127.0.0.1:{self.service.port}"\n'
            'data_dir = "data"\nmetrics = "127.0.0.1:0"\n'
            '[ocpp]\nlisten = "127.0.0.1:0"\noffline_authorize = "accept"\n'
            f'upstream = "ws://127.0.0.1:{self._port}/"\n'
            "reconnect_base_s = 0.05\nreconnect_cap_s = 0.2\n"
            f'[[pile]]\nuid = "A-01"\nprofile = "{profile}"\n'
            '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 11\n'
        )

    async def kill_agent(self) -> None:
        """As the kernel does when memory ends."""
        assert self.agent.process is not None
        self.agent.process.kill()
        await self.agent.process.wait()

    async def open_central(self) -> None:
        """The operator's system is there."""
        await self.central.open(self._port)

    async def dial(self) -> None:
        """The pile connects and boots."""
        await self.pile.dial(f"{self.ready['ocpp']}A-01")
        if self.version == "ocpp1.6":
            boot: dict[str, Any] = {"chargePointVendor": "Acme", "chargePointModel": "V"}
        else:
            station = {"vendorName": "Acme", "model": "V"}
            boot = {"reason": "PowerUp", "chargingStation": station}
        await self.pile.call("BootNotification", boot)

    async def charge(self) -> list[str]:
        """A whole transaction, answered; the actions."""
        if self.version == "ocpp1.6":
            begun = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": AT}
            told = await self.pile.call("StartTransaction", begun)
            ended = {"transactionId": told["transactionId"], "meterStop": 9, "timestamp": AT}
            await self.pile.call("StopTransaction", ended)
            return ["StartTransaction", "StopTransaction"]
        for number, (kind, why) in enumerate((("Started", "Authorized"), ("Ended", "Local"))):
            trigger = {"Local": "StopAuthorized"}.get(why, why)
            told = {"eventType": kind, "timestamp": AT, "triggerReason": trigger, "seqNo": number}
            more = {"transactionInfo": {"transactionId": "t1"}, "evse": {"id": 1}}
            await self.pile.call("TransactionEvent", {**told, **more})
        return ["TransactionEvent", "TransactionEvent"]

    async def figures(self) -> dict[str, float]:
        """The relay's figures on the metrics page, without labels of the pile."""
        url = f"http://{self.ready['metrics']}/metrics"
        page = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read())
        found = re.findall(r'^pilewise_agent_relay_(\w+)\{pile="A-01"\} (\S+)', page.decode(), re.M)
        return {name: float(value) for name, value in found}

    async def doctor(self, check: str) -> list[str]:
        """What the doctor finds of one thing, level and text."""
        _, _, said = await command("doctor", "-c", str(self.agent.config))
        return [line for line in said.splitlines() if line.split()[1:2] == [check]]


@pytest.fixture(params=["ocpp1.6", "ocpp2.0.1"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path, request.param)
    await made.service.start()
    await made.start_agent()
    yield made
    await made.pile.hang_up()
    await made.agent.stop()
    await made.central.close()
    await made.service.crash()


async def test_E1_what_a_pile_was_answered_outlives_a_kill(scene: Scene) -> None:
    """Killed right after the answer to a stop, with the operator away: it arrives all the same.

    Metrics and doctor say what waits meanwhile; no setting of the pile is touched.
    """
    await scene.dial()
    expected = await scene.charge()
    before = await scene.figures()
    beside = await scene.doctor("relay")
    await scene.kill_agent()
    without = await scene.doctor("relay")
    upstream = await scene.doctor("upstream")
    await scene.start_agent()
    await scene.open_central()
    await scene.central.wait_for(expected[-1], lambda h: h.payload.get("seqNo") != 0)

    heard = [action for action in scene.central.actions() if "Transaction" in action]
    assert heard == expected
    assert (before["connected"], before["queue_messages"]) == (0.0, 2.0)
    assert before["queue_bytes"] > 100
    assert before["queue_oldest_age_seconds"] > 0
    assert beside[0].startswith("warning")
    assert "is away: " in beside[0]
    assert "2 messages wait" in beside[0]
    assert without == ["ok       relay        A-01: 2 messages wait for the operator's system"]
    assert upstream[0].startswith("error")
    assert not [action for action, _ in scene.pile.asked if action in SETTERS]


async def test_figures_follow_the_operators_return(scene: Scene) -> None:
    """With the operator there, nothing waits; what it refuses is counted by kind and reason."""
    scene.central.answers["SecurityEventNotification"] = "NotSupported"
    await scene.open_central()
    await scene.dial()
    await scene.charge()
    await scene.pile.call("SecurityEventNotification", {"type": "Tampered", "timestamp": AT})

    await scene.central.wait_for("SecurityEventNotification")
    async with asyncio.timeout(60):
        while (figures := await scene.figures())["queue_messages"]:
            await asyncio.sleep(0.05)
    found = await scene.doctor("relay")
    assert figures["connected"] == 1.0
    assert figures["queue_oldest_age_seconds"] == 0.0
    assert "answers; 0 messages wait" in found[0]
    assert "1 x notice refused" in found[1]
