"""From nothing to a trusted agent and out again, with the commands that an operator types."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from small_wallbox import SmallWallbox

from pilewise.rooms import RoomProcess
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1.operator_service_pb2_grpc import OperatorServiceStub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
RUN = "from pilewise.cli import main; main()"


async def pilewise(folder: Path, *words: object, code: int = 0) -> dict[str, Any]:
    """What a command says as JSON; its exit code must be as told."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *map(str, words), "--json",
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == code, err.decode()
    told: dict[str, Any] = json.loads(out.splitlines()[-1]) if out else {}
    return told


def free_port() -> int:
    """A port that was free a moment ago: agent and coordinator are told of each other's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """An operator's folder, a gateway's folder, and what both write into them."""

    def __init__(self, folder: Path, wallbox: SmallWallbox) -> None:
        self.operator, self.gateway = folder / "operator", folder / "gateway"
        for made in (self.operator, self.gateway):
            made.mkdir()
        self.cars, self.agents = free_port(), free_port()
        self.target = f"127.0.0.1:{self.cars}"
        self.wallbox = wallbox

    def write_coordinator(self) -> None:
        """coordinator.toml and the operators' tokens."""
        token, here = secrets.token_hex(16), self.operator
        for name, text in (("operators", f"anna {token} admin\n"), ("anna.token", f"{token}\n")):
            (self.operator / name).write_text(text)
            (self.operator / name).chmod(0o600)
        (self.operator / "coordinator.toml").write_text(
            f'[coordinator]\ndistrict = "west"\ndata_dir = "{here}/data"\n'
            f'listen = "{self.target}"\n'
            f'[tls]\ncert_file = "{here}/ca/server.pem"\nclient_ca_file = "{here}/ca/trust.pem"\n'
            f'agents_listen = "127.0.0.1:{self.agents}"\n[enrolment]\nca_dir = "{here}/ca"\n'
            f'[identity]\ntoken_file = "{here}/operators"\n'
        )

    def write_agent(self, ca_hash: str) -> None:
        """agent.toml with one pile on a device."""
        (self.gateway / "agent.toml").write_text(
            f'[agent]\nid = "gw-7"\ncoordinator = "127.0.0.1:{self.agents}"\ndata_dir = "data"\n'
            f'period_s = 0.2\nheartbeat_s = 0.5\n[uplink]\nenrol_at = "{self.target}"\n'
            f'ca_hash = "{ca_hash}"\nbackoff_base_s = 0.05\nbackoff_cap_s = 0.5\n'
            '[[pile]]\nuid = "P-1"\nprofile = "abb-terra-ac"\nhost = "127.0.0.1"\n'
            f"port = {self.wallbox.port}\ndevice_id = 1\n"
            "latitude_deg = 22.5\nlongitude_deg = 114.0\n"
        )

    async def agents_do(self, *words: object) -> dict[str, Any]:
        """What a command of the operator says."""
        named = ("--target", self.target, "--ca", "ca/trust.pem", "--token-file", "anna.token")
        return await pilewise(self.operator, "coordinator", "agents", *words, *named)

    async def agent(self) -> op.AgentInfo:
        """The agent as the coordinator lists it; an empty one where it does not."""
        secret = (self.operator / "anna.token").read_text().strip()
        trust = (self.operator / "ca" / "trust.pem").read_bytes()
        credentials = grpc.ssl_channel_credentials(trust)
        async with grpc.aio.secure_channel(self.target, credentials) as channel:
            answer = await OperatorServiceStub(channel).ListAgents(
                op.ListAgentsRequest(),
                timeout=10,
                metadata=(("authorization", f"Bearer {secret}"),),
            )
        found = [one for one in answer.agents if one.agent_id == "gw-7"]
        return found[0] if found else op.AgentInfo()


async def test_operator_lets_an_agent_in_and_shuts_it_out(tmp_path: Path) -> None:
    """An authority, a token, an agent that reports, its revocation, and its way back."""
    wallbox = SmallWallbox()
    await wallbox.start()
    site = Site(tmp_path, wallbox)
    ca = await pilewise(site.operator, "coordinator", "ca", "init", "--district", "west")
    await pilewise(site.operator, "coordinator", "ca", "issue-server", "--host", "127.0.0.1")
    site.write_coordinator()
    site.write_agent(ca["sha256"])
    told = str(site.operator / "coordinator.toml")
    coordinator = RoomProcess("coordinator", ("-c", told), tmp_path / "coordinator.log")
    told = str(site.gateway / "agent.toml")
    agent = RoomProcess("edge_agent", ("-c", told), tmp_path / "agent.log")
    await coordinator.start()
    try:
        token_file = site.gateway / "gw-7.token"
        made = await site.agents_do("token", "gw-7", "--pile", "P-1", "--out", token_file)
        enrolled = await pilewise(site.gateway, "agent", "enroll", "--token-file", token_file)
        again = await pilewise(site.gateway, "agent", "enroll", code=1)
        await agent.start()
        seen = await wait_for(site, lambda one: one.connected)
        await site.agents_do("revoke", "gw-7", "--reason", "cabinet broken open")
        revoked = await wait_for(site, lambda one: one.revoked and not one.connected)
        await site.agents_do("readmit", "gw-7")
        await agent.stop()
        await agent.start()
        back = await wait_for(site, lambda one: one.connected)
        listed = (await site.agents_do("list"))["agents"]
    finally:
        for room in (agent, coordinator):
            if room.running:
                await room.stop()
        await wallbox.stop()

    assert made["piles"] == ["P-1"]
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert (enrolled["agent_id"], again) == ("gw-7", {})
    assert (list(seen.pile_ids), seen.certificate_issuer) == (["P-1"], ca["sha256"])
    assert revoked.revoked_reason == "cabinet broken open"
    assert "REVOKED" in (tmp_path / "agent.log").read_text()
    assert back.connected
    assert [(a["agent_id"], a["revoked"], a["piles"]) for a in listed] == [("gw-7", False, ["P-1"])]


async def wait_for(site: Site, met: Callable[[op.AgentInfo], bool]) -> op.AgentInfo:
    """The agent as the coordinator lists it, once it is so."""
    end_s = time.monotonic() + 60
    while not met(one := await site.agent()):
        assert time.monotonic() < end_s, f"not within 60 s: {one}"
        await asyncio.sleep(0.1)
    return one
