"""E1 on a whole agent: process, piles, spool, stream and coordinator, killed again and again.

PILEWISE_LONG=1 makes 300 kills of the short form's five.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from spool_ledger import SpoolLedger, stored_rows

from pilewise.rooms import RoomProcess
from pilewise.v1 import bench_service_pb2 as bench
from pilewise.v1 import bench_service_pb2_grpc as bench_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc

LONG = os.environ.get("PILEWISE_LONG") == "1"
pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(0 if LONG else 240)]
KILLS = 300 if LONG else 5
# The coordinator dies in every fifth life of the agent.
COORDINATOR_EVERY = 5
PILES = 12
READY_S = 60.0
DEADLINE_S = 60.0


@dataclass
class Gateway:
    """Simulated Modbus piles, an agent that reads them, and the coordinator that it reports to."""

    folder: Path
    coordinator: CoordinatorProcess
    piles: RoomProcess
    agent: asyncio.subprocess.Process | None = None
    occupied: set[str] = field(default_factory=set)
    ledger: SpoolLedger = field(default_factory=SpoolLedger)

    @classmethod
    async def open(cls, folder: Path) -> Gateway:
        """Starts all but the agent."""
        coordinator = CoordinatorProcess(folder, agent_open=True)
        await coordinator.start()
        # The same port after a restart.
        text = coordinator.config.read_text()
        coordinator.config.write_text(f'{text}listen = "{coordinator.address}"\n')
        sim = folder / "sim.toml"
        sim.write_text(
            "[sim]\ntick_s = 0.05\nseed = 3\n"
            + "".join(
                f'[[pile]]\npile_id = "A-{n}"\nface = "modbus"\nmodel = "abb-terra-ac"\n'
                "max_power_kw = 11.0\n"
                for n in range(PILES)
            )
        )
        piles = RoomProcess("firmware_sim", ("-c", str(sim)), folder / "sim.log")
        await piles.start()
        lines = [
            f'[agent]\nid = "G1"\ncoordinator = "{coordinator.address}"\ndata_dir = "agent"\n'
            "period_s = 0.2\nheartbeat_s = 0.2\n"
            "[uplink]\nbatch_linger_s = 0.3\nbackoff_base_s = 0.05\nbackoff_cap_s = 0.3\n"
        ]
        for pile in piles.ready["piles"]:
            host, _, port = pile["address"].rpartition(":")
            lines.append(
                f'[[pile]]\nuid = "{pile["pile_id"]}"\nprofile = "abb-terra-ac"\n'
                f'host = "{host}"\nport = {port}\nlatitude_deg = 22.5\nlongitude_deg = 114.0\n'
            )
        (folder / "agent.toml").write_text("".join(lines))
        return cls(folder, coordinator, piles)

    async def start_agent(self) -> None:
        """Starts the agent's process and does not wait for anything."""
        command = ("-m", "edge_agent", "-c", str(self.folder / "agent.toml"))
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = await asyncio.create_subprocess_exec(
                sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=log
            )

    async def agent_is_ready(self) -> None:
        """Returns once the agent has said so."""
        assert self.agent is not None
        assert self.agent.stdout is not None
        line = await asyncio.wait_for(self.agent.stdout.readline(), READY_S)
        assert line, (self.folder / "agent.log").read_text()[-2000:]
        assert json.loads(line)["event"] == "ready"

    async def end_agent(self, how: signal.Signals) -> None:
        """Ends the agent and reads what it leaves."""
        assert self.agent is not None
        assert self.agent.returncode is None, "the agent ended by itself"
        self.agent.send_signal(how)
        await asyncio.wait_for(self.agent.wait(), 60)
        if (self.folder / "agent" / "spool.db").exists():
            self.ledger.look(self.folder / "agent")

    async def plug(self, pile: int) -> None:
        """A car comes or leaves, so that there is more to tell than confirmations."""
        evse_id = f"A-{pile}*1"
        async with grpc.aio.insecure_channel(str(self.piles.ready["bench"])) as channel:
            stub = bench_rpc.BenchServiceStub(channel)
            if evse_id in self.occupied:
                await stub.Unplug(bench.UnplugRequest(evse_id=evse_id), timeout=10)
            else:
                plug = bench.PlugInRequest(evse_id=evse_id, soc_pct=20, battery_kwh=60)
                await stub.PlugIn(plug, timeout=10)
        self.occupied ^= {evse_id}

    async def stored(self) -> dict[str, op.StoredSpool]:
        """What the coordinator counts of each spool in its store."""
        async with grpc.aio.insecure_channel(self.coordinator.address) as channel:
            stub = op_rpc.OperatorServiceStub(channel)
            agents = (await stub.ListAgents(op.ListAgentsRequest(), timeout=10)).agents
        return {spool.spool_id: spool for agent in agents for spool in agent.spools}

    async def drain(self) -> None:
        """Lets the agent live until nothing waits, then ends it as an operator would."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                await self.start_agent()
                await self.agent_is_ready()
                before = sum(s.record_count for s in (await self.stored()).values())
                while sum(s.record_count for s in (await self.stored()).values()) < before + 10:
                    await asyncio.sleep(0.1)
                await self.end_agent(signal.SIGTERM)
                if self.ledger.waiting == 0:
                    return

    async def close(self) -> None:
        """Ends what still runs."""
        if self.agent is not None and self.agent.returncode is None:
            self.agent.kill()
            await self.agent.wait()
        await self.piles.stop()
        await self.coordinator.stop()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    opened = await Gateway.open(tmp_path)
    yield opened
    await opened.close()


async def live_and_die(gateway: Gateway, turn: int, rng: random.Random) -> None:
    """One life of the agent: killed while it starts, or some moment after it was ready."""
    await gateway.start_agent()
    if turn % 4 != 3:
        await gateway.agent_is_ready()
        await gateway.plug(rng.randrange(PILES))
    if turn % COORDINATOR_EVERY == COORDINATOR_EVERY - 2:
        await asyncio.sleep(rng.uniform(0.0, 0.3))
        await gateway.coordinator.kill()
        # Some lives pass without a coordinator, some see it return.
        if rng.random() < 0.5:
            await gateway.coordinator.start()
    await asyncio.sleep(rng.uniform(0.0, 1.2))
    await gateway.end_agent(signal.SIGKILL)
    if not gateway.coordinator.running:
        await gateway.coordinator.start()


async def test_E1_killed_agent_process_loses_nothing_and_doubles_nothing(
    gateway: Gateway,
) -> None:
    """Every number that a killed agent had written down is in the store once, as it was written."""
    rng = random.Random(17)
    found_waiting = 0
    for turn in range(KILLS):
        await live_and_die(gateway, turn, rng)
        found_waiting += gateway.ledger.waiting > 0
    await gateway.drain()
    rows = await asyncio.to_thread(stored_rows, gateway.coordinator.data_dir / "telemetry.db")

    ledger, stored = gateway.ledger, dict(rows)
    print(
        f"kills {KILLS} coordinator {gateway.coordinator.kills} stored {len(rows)}"
        f" seen waiting {len(ledger.rows)} in {found_waiting} kills"
    )
    assert found_waiting > 0, "every kill found an empty spool: nothing was tried"
    assert gateway.coordinator.kills > 0
    assert [name for name, count in Counter(name for name, _ in rows).items() if count > 1] == []
    assert list(stored) == [
        (spool_id, n)
        for spool_id, last in sorted(ledger.given_out.items())
        for n in range(1, last + 1)
    ]
    assert {name: stored[name] for name in ledger.rows} == ledger.rows
    assert len(ledger.given_out) == 1
    assert ledger.gaps == 0
    in_order = [(row[0], row[2]) for _, row in rows]
    for evse_id in {evse_id for evse_id, _ in in_order}:
        stamps = [at_ms for name, at_ms in in_order if name == evse_id]
        assert stamps == sorted(stamps)
    for spool in (await gateway.stored()).values():
        assert (spool.gap_count, spool.rejected_count) == (0, 0)
        assert spool.stored.acked_through == spool.record_count == len(rows)
