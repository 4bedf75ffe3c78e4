"""A simulated charge point behind an agent process, and the operator's system behind the agent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from central_system import CentralSystem, Heard
from listening_proxy import ListeningProxy

from pilewise.rooms import RoomProcess
from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import bench_service_pb2_grpc as rpc

MUST_ARRIVE = ("StartTransaction", "MeterValues", "StopTransaction")
EVSE = "P-1*1"


class Site:
    """Pile, agent and operator's system, each of which can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.central = Numbering()
        self.proxy = ListeningProxy(f"ws://127.0.0.1:{self.port}")
        self.agent: RoomProcess | None = None
        self.sim: RoomProcess | None = None

    async def open(self) -> None:
        await self.central.open()
        await self.proxy.open()
        (self.folder / "agent.toml").write_text(
            '[agent]\nid = "G1"\ncoordinator = "127.0.0.1:9"\ndata_dir = "data"\n'
            f'[ocpp]\nlisten = "127.0.0.1:{self.port}"\n'
            f'upstream = "ws://127.0.0.1:{self.central.port}/"\n'
            "reconnect_base_s = 0.05\nreconnect_cap_s = 0.2\n"
            '[[pile]]\nuid = "P-1"\nprofile = "ocpp16"\n'
            '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 11\n'
        )
        (self.folder / "sim.toml").write_text(
            "[ocpp]\nsample_s = 0.05\nreconnect_base_s = 0.05\nreconnect_cap_s = 0.2\n"
            'free_token = "DRIVER"\n'
            f'[[pile]]\npile_id = "P-1"\nface = "ocpp16"\n'
            f'url = "ws://127.0.0.1:{self.proxy.port}/P-1"\n'
            "max_power_kw = 11.0\n"
        )
        await self.start_agent()
        self.sim = RoomProcess(
            "firmware_sim", ("-c", str(self.folder / "sim.toml")), self.folder / "sim.log"
        )
        await self.sim.start()
        self.channel = grpc.aio.insecure_channel(self.sim.ready["bench"])
        self.bench = rpc.BenchServiceStub(self.channel)

    async def start_agent(self) -> None:
        self.agent = RoomProcess(
            "edge_agent", ("-c", str(self.folder / "agent.toml")), self.folder / "agent.log"
        )
        await self.agent.start()

    async def kill_agent(self) -> None:
        assert self.agent is not None
        self.agent.kill()
        await self.agent.stop()

    async def close(self) -> None:
        await self.channel.close()
        for room in (self.sim, self.agent):
            if room is not None:
                await room.stop()
        await self.proxy.close()
        await self.central.close()

    def queued(self) -> int:
        """Messages that wait in the agent's data folder."""
        path = self.folder / "data" / "relay.db"
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as conn,
        ):
            row = conn.execute("SELECT count(*) FROM message WHERE payload IS NOT NULL").fetchone()
            return int(row[0])
        return 0

    def told(self) -> list[Heard]:
        """What the operator's system counts: each message id once, in the order of arrival."""
        found: dict[str, Heard] = {}
        for heard in self.central.heard:
            if heard.action in MUST_ARRIVE:
                found.setdefault(heard.message_id, heard)
        return list(found.values())

    def known_to_pile(self) -> list[tuple[str, dict[str, Any]]]:
        return [call for call in self.proxy.answered if call[0] in MUST_ARRIVE]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    await made.open()
    yield made
    await made.close()


async def until(met: Callable[[], bool], deadline_s: float = 120.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not met():
            await asyncio.sleep(0.05)


def without_number(payload: dict[str, Any]) -> str:
    """A payload as text; transaction ids differ between pile and operator by design."""
    return json.dumps({k: v for k, v in payload.items() if k != "transactionId"}, sort_keys=True)


async def drive(site: Site, enough: asyncio.Event) -> None:
    """One car after the other, each for a moment, the last one to its end."""
    while not enough.is_set():
        await site.bench.PlugIn(pb.PlugInRequest(evse_id=EVSE, soc_pct=20))
        await asyncio.sleep(0.3)
        await site.bench.Unplug(pb.UnplugRequest(evse_id=EVSE))
        await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.flow
@pytest.mark.timeout(600)
async def test_E11_sessions_reach_the_operator_through_kills_of_both(site: Site) -> None:
    """Operator's system gone, agent killed thrice: what the pile was told is safe arrives once."""
    port = site.central.port
    await site.central.wait_for_status(1, "Available")
    enough = asyncio.Event()
    cars = asyncio.create_task(drive(site, enough), name="test:cars")
    await until(lambda: len(site.told()) > 6)

    await site.central.close()
    await until(lambda: site.queued() > 10)
    await site.kill_agent()
    await site.start_agent()
    before = site.queued()
    await until(lambda: site.queued() > before + 10)
    known = len(site.told())
    await site.central.open(port)
    await until(lambda: len(site.told()) > known + 5)
    await site.kill_agent()
    await site.start_agent()
    known = len(site.told())
    await until(lambda: len(site.told()) > known + 20)
    await site.kill_agent()
    await site.start_agent()
    enough.set()
    await cars
    calls = site.known_to_pile
    await until(lambda: bool(calls()) and calls()[-1][0] == "StopTransaction")
    await until(lambda: site.queued() == 0)

    told = site.told()
    texts = [without_number(heard.payload) for heard in told]
    safe = [without_number(payload) for _, payload in site.known_to_pile()]
    assert len(set(texts)) == len(texts)
    assert [text for text in texts if text in set(safe)] == list(dict.fromkeys(safe))
    assert {heard.action for heard in told} == set(MUST_ARRIVE)
    assert site.central.actions().count("BootNotification") >= 2
    open_numbers: set[int] = set()
    for heard in told:
        if heard.action == "StartTransaction":
            open_numbers = site.central.given[heard.message_id]
        else:
            assert heard.payload["transactionId"] in open_numbers


class Numbering(CentralSystem):
    """Remembers under which transaction ids it answered each start."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, set[int]] = {}

    async def _take(self, socket: Any, frame: list[Any], number: int) -> None:
        if frame[0] == 2 and frame[2] == "StartTransaction":
            self.given.setdefault(frame[1], set()).add(self.next_transaction + 1)
        await super()._take(socket, frame, number)
