"""L2 and L3 with packets that the kernel drops and slows: a network of its own, nftables, tbf."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from coordinator_process import CoordinatorProcess
from own_network import OwnNetwork, own_network
from spool_ledger import stored_rows

from edge_agent.core.reading import RecordKind
from edge_agent.uplink.spool_view import opened_read_only

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(420)]
ROOT = Path(__file__).parents[2]
HISTORY = 60_000
NOTICED_S = 25.0
WINDOW_S = 30.0


@dataclass
class Pair:
    """An agent's uplink and its coordinator, both in the network."""

    network: OwnNetwork
    folder: Path
    coordinator: CoordinatorProcess
    agent: asyncio.subprocess.Process

    @property
    def port(self) -> str:
        return self.coordinator.address.rpartition(":")[2]

    async def says(self, word: str, within_s: float) -> float:
        """Seconds until the agent says this."""
        assert self.agent.stdout is not None
        since_s = time.monotonic()
        async with asyncio.timeout(within_s):
            while (line := await self.agent.stdout.readline()).decode().strip() != word:
                assert line, "the agent ended"
        return time.monotonic() - since_s

    def rows(self) -> list[tuple[tuple[str, int], tuple[str, int, int]]]:
        """What the coordinator has stored."""
        return stored_rows(self.coordinator.data_dir / "telemetry.db")

    async def drained(self) -> None:
        """Returns when everything that the agent wrote down by now is stored, each once."""
        last = await asyncio.to_thread(given_out, self.folder / "agent")
        async with asyncio.timeout(120):
            while True:
                numbers = Counter(name[1] for name, _ in await asyncio.to_thread(self.rows))
                if all(numbers[n] for n in range(1, last + 1)):
                    break
                await asyncio.sleep(0.5)
        assert max(numbers.values()) == 1


def given_out(data: Path) -> int:
    """Numbers that the spool has given out so far."""
    with opened_read_only(data / "spool.db") as db:
        return int(db.execute("SELECT sum(next_record_seq - 1) FROM spool").fetchone()[0])


@contextlib.asynccontextmanager
async def pair(folder: Path, history: int = 0) -> AsyncIterator[Pair]:
    """Both running, the stream stands."""
    with own_network() as network:
        coordinator = CoordinatorProcess(folder, agent_open=True)
        coordinator.prefix = network.prefix
        coordinator.log = folder / "coordinator.log"
        await coordinator.start()
        script = str(ROOT / "tests/support/feeding_agent.py")
        words = (script, str(folder / "agent"), coordinator.address, str(history))
        with (folder / "agent.log").open("wb") as log:
            agent = await asyncio.create_subprocess_exec(
                *(*network.prefix, sys.executable, *words),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support'}"},
            )
        try:
            yield Pair(network, folder, coordinator, agent)
        finally:
            agent.send_signal(signal.SIGKILL)
            await agent.wait()
            await coordinator.stop()


@pytest.mark.parametrize("way", ["dport", "sport"])
async def test_L2_packets_of_one_direction_vanish_in_the_kernel(tmp_path: Path, way: str) -> None:
    """What goes up, or what comes down, is dropped: noticed in 25 s, then stored once."""
    async with pair(tmp_path) as link:
        await link.says("connected", 60)
        link.network.lose(f"tcp {way} {link.port}")
        took_s = await link.says("disconnected", 60)
        link.network.lose()
        await link.says("connected", 60)
        await link.drained()

    print(f"noticed after {took_s:.1f} s")
    assert took_s <= NOTICED_S + 1.0


async def test_L3_lossy_narrow_link_makes_progress_with_the_present_in_front(
    tmp_path: Path,
) -> None:
    """A fifth of all packets lost at 64 kbit/s: more arrives all the time, the newest first."""
    async with pair(tmp_path, HISTORY) as link:
        link.network.slow("64kbit")
        link.network.lose(
            f"tcp dport {link.port} numgen random mod 100 < 20",
            f"tcp sport {link.port} numgen random mod 100 < 20",
        )
        await link.says("connected", 90)
        counts, ages_s = [len(await asyncio.to_thread(link.rows))], []
        for _ in range(3):
            await asyncio.sleep(WINDOW_S)
            rows = await asyncio.to_thread(link.rows)
            counts.append(len(rows))
            newest = max((r[2] for _, r in rows if r[1] == RecordKind.STATUS), default=0)
            ages_s.append(time.time() - newest / 1000)
        link.network.lose()
        link.network.full_speed()
        await link.drained()

    print(f"stored {counts}, the newest status {[round(age, 1) for age in ages_s]} s old")
    assert sorted(set(counts)) == counts
    assert counts[1] < HISTORY, "no history was left that the present could overtake"
    assert max(ages_s[1:]) <= WINDOW_S
