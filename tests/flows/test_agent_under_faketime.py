"""T1 and T2 on a real agent process, whose system clock Debian's libfaketime turns.

The monotonic clock is left alone, as a real clock change leaves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from durable_edge_service import DurableEdgeService
from spool_ledger import stored_rows
from wallbox import Wallbox

from edge_agent.core.reading import RecordKind
from edge_agent.uplink.spool_view import view_spool
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = [pytest.mark.flow, pytest.mark.slow]
FAKETIME = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
DEADLINE_S = 60.0
HOUR_S, DAY_S = 3_600, 86_400
# The clock of the test and that of the agent differ by no more than this when both are right.
NEAR_MS = 5_000


@dataclass
class Gateway:
    """An agent process with a clock of its own, before a wallbox; its coordinator comes later."""

    folder: Path
    library: Path
    coordinator: CoordinatorProcess
    address: str
    agent: asyncio.subprocess.Process | None = None

    @property
    def data(self) -> Path:
        return self.folder / "agent"

    def turn_clock(self, offset_s: int) -> None:
        """Makes the agent's system clock so much wrong."""
        fresh = self.folder / "clock.new"
        fresh.write_text(f"{offset_s:+d}\n")
        fresh.rename(self.folder / "clock")

    async def start(self, modbus_port: int) -> None:
        """Returns when the agent is ready."""
        config = self.folder / "agent.toml"
        config.write_text(
            f'[agent]\nid = "G1"\ncoordinator = "{self.address}"\ndata_dir = "agent"\n'
            "period_s = 0.2\nheartbeat_s = 0.3\n"
            "[uplink]\nbackoff_base_s = 0.05\nbackoff_cap_s = 0.3\n"
            '[[pile]]\nuid = "A-01"\nprofile = "abb-terra-ac"\nhost = "127.0.0.1"\n'
            f"port = {modbus_port}\nlatitude_deg = 22.5\nlongitude_deg = 114.0\n"
        )
        environment = {
            **os.environ,
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.folder / "clock"),
            "FAKETIME_NO_CACHE": "1",
            # Each of these is what some version listens to.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "edge_agent", "-c", str(config)),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environment,
            )
        assert self.agent.stdout is not None
        line = await asyncio.wait_for(self.agent.stdout.readline(), DEADLINE_S)
        assert json.loads(line)["event"] == "ready"

    async def made(self, count: int) -> int:
        """Returns once so many records were made from now on; numbers given out by then."""
        first = await asyncio.to_thread(given_out, self.data)
        async with asyncio.timeout(DEADLINE_S):
            while (now := await asyncio.to_thread(given_out, self.data)) < first + count:
                await asyncio.sleep(0.1)
        return now

    async def delivered(self, number: int) -> None:
        """Returns once the coordinator has stored as many records."""
        kept = self.coordinator.data_dir / "telemetry.db"
        async with asyncio.timeout(DEADLINE_S):
            while len(await asyncio.to_thread(stored_rows, kept)) < number:
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Ends the agent; every record is then stored far away or still waits in its spool."""
        assert self.agent is not None
        self.agent.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.agent.wait(), 60) == 0
        far = {number for (_, number), _ in stored_rows(self.coordinator.data_dir / "telemetry.db")}
        # The newest wait here; of those, some may be there as well, their acknowledgement missed.
        given, depth = given_out(self.data), view_spool(self.data).depth
        assert far | set(range(given - depth + 1, given + 1)) == set(range(1, given + 1))


def given_out(data: Path) -> int:
    """Numbers that the spool has given out so far."""
    address = f"file:{data / 'spool.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=10)) as db:
        return int(db.execute("SELECT sum(next_record_seq - 1) FROM spool").fetchone()[0])


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    if not FAKETIME:
        pytest.skip("hint: apt-get install faketime")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    coordinator = CoordinatorProcess(tmp_path, agent_open=True, listen=address)
    opened = Gateway(tmp_path, FAKETIME[0], coordinator, address)
    yield opened
    if opened.agent is not None and opened.agent.returncode is None:
        opened.agent.kill()
        await opened.agent.wait()
    await coordinator.stop()


@pytest.fixture
def wallbox() -> Wallbox:
    return Wallbox()


@pytest.fixture
async def modbus_port(wallbox: Wallbox) -> AsyncIterator[int]:
    port = await wallbox.start()
    yield port
    await wallbox.server.shutdown()


async def test_T2_gateway_that_boots_in_1970_tells_true_times_once_its_clock_is_set(
    gateway: Gateway, modbus_port: int
) -> None:
    """What was stamped in 1970 reaches the coordinator with the time at which it really was."""
    begun_ms = int(time.time() * 1000)
    gateway.turn_clock(60 - int(time.time()))
    await gateway.start(modbus_port)
    in_1970 = await gateway.made(8)
    oldest_ms = view_spool(gateway.data).oldest_at_ms
    gateway.turn_clock(0)
    await gateway.made(4)
    await gateway.coordinator.start()
    await gateway.delivered(await gateway.made(4))
    await gateway.stop()

    rows = stored_rows(gateway.coordinator.data_dir / "telemetry.db")
    numbers = [number for (_, number), _ in rows]
    stamps = [at_ms for _, (_, _, at_ms) in rows]
    assert oldest_ms < HOUR_S * 1000
    assert numbers == list(range(1, len(rows) + 1))
    assert len(rows) > in_1970
    assert begun_ms - NEAR_MS < min(stamps)
    assert max(stamps) < time.time() * 1000 + NEAR_MS
    assert all(later > before - NEAR_MS for before, later in pairwise(stamps))


async def test_T1_clock_that_jumps_under_a_running_agent_loses_nothing(
    gateway: Gateway, modbus_port: int
) -> None:
    """400 days ahead, an hour back, right again: the stream stands, each jump is an event."""
    await gateway.coordinator.start()
    gateway.turn_clock(0)
    await gateway.start(modbus_port)
    made = await gateway.made(4)
    for offset_s in (400 * DAY_S, -HOUR_S, 0):
        gateway.turn_clock(offset_s)
        made = await gateway.made(6)
    await gateway.delivered(made)
    await gateway.stop()

    rows = stored_rows(gateway.coordinator.data_dir / "telemetry.db")
    log = (gateway.folder / "agent.log").read_text()
    assert [number for (_, number), _ in rows] == list(range(1, len(rows) + 1))
    assert len([row for _, row in rows if row[1] == RecordKind.EVENT]) == 3
    assert log.count("event='connected'") == 1


async def test_T1_picture_follows_a_pile_whose_gateway_lost_an_hour(
    gateway: Gateway, wallbox: Wallbox, modbus_port: int
) -> None:
    """A car that unplugs, and one that plugs in, show at once after the clock was set back."""
    await gateway.coordinator.start()
    gateway.turn_clock(0)
    await gateway.start(modbus_port)

    async with grpc.aio.insecure_channel(gateway.coordinator.address) as channel:
        stub = op_rpc.OperatorServiceStub(channel)

        async def shown(status: nouns.EvseStatus) -> float:
            """Returns, once the picture says so, how old it says this is, seconds."""
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    answer = await stub.ListPiles(op.OperatorServiceListPilesRequest(), timeout=20)
                    for live in answer.evses:
                        if live.status == status:
                            return live.age_s
                    await asyncio.sleep(0.1)

        await shown(nouns.EVSE_STATUS_CHARGING)
        gateway.turn_clock(-HOUR_S)
        await gateway.made(4)
        wallbox.put(0x400C, 0)
        free_age_s = await shown(nouns.EVSE_STATUS_AVAILABLE)
        wallbox.put(0x400C, 4 << 8)
        busy_age_s = await shown(nouns.EVSE_STATUS_CHARGING)

    assert max(free_age_s, busy_age_s) < HOUR_S / 2


async def test_T1_hold_does_not_end_because_the_clock_jumps(
    gateway: Gateway, modbus_port: int
) -> None:
    """An EVSE that is kept for ten minutes is still kept when the clock is 400 days ahead."""
    service = DurableEdgeService(gateway.folder / "far.db")
    host, _, port = gateway.address.rpartition(":")
    assert host == "127.0.0.1"
    await service.start(int(port))
    gateway.turn_clock(0)
    await gateway.start(modbus_port)
    await service.until(lambda: bool(service.rows()), DEADLINE_S)

    async def ask(name: str, **action: edge.Reserve | edge.Extend) -> int:
        directive = edge.Directive(directive_id=name, evse_id="A-01*1", fence=1, **action)
        service.down.put_nowait(edge.ConnectResponse(directive=directive))
        await service.until(lambda: any(r.directive_id == name for r in service.results), 20)
        return next(r.outcome for r in service.results if r.directive_id == name)

    try:
        kept = await ask("d1", reserve=edge.Reserve(claim_id="c1", duration_s=600))
        gateway.turn_clock(400 * DAY_S)
        await service.until(lambda: bool(service.rows("reason='CLOCK_JUMP'")), 20)
        longer = await ask("d2", extend=edge.Extend(claim_id="c1", duration_s=600))
    finally:
        await service.crash()

    assert kept == longer == edge.DIRECTIVE_OUTCOME_DONE_SOFTLY
