"""A system clock that jumps under a running agent."""

from __future__ import annotations

import asyncio
from pathlib import Path

from edge_agent.core.facts import PileFacts
from edge_agent.core.occupancy import FusionRules
from edge_agent.core.picture import LivePicture
from edge_agent.core.reading import Record, RecordKind
from edge_agent.host_clock import HostClock
from edge_agent.uplink.spool import Spool
from edge_agent.watch import Watch


class JumpyClock(HostClock):
    """The host's clocks, with a system clock that is `ahead_ms` wrong."""

    ahead_ms = 0

    def utc_ms(self) -> int:
        return super().utc_ms() + self.ahead_ms


async def test_T1_clock_jump_is_told_and_order_stays(tmp_path: Path) -> None:
    """A clock set back by an hour makes one event, and numbers go on rising."""
    clock = JumpyClock()
    spool = Spool(tmp_path, lambda: "one")
    await spool.start()
    rules = {"A*1": FusionRules()}
    picture = LivePicture(rules, heartbeat_s=60.0, new_id=lambda: "s")
    facts: list[PileFacts] = []
    watch = Watch(picture, rules, facts, spool, clock)
    seen: list[Record] = []
    told = asyncio.Event()

    def note(records: object) -> None:
        seen.extend(records)  # type: ignore[arg-type]
        told.set()

    watch.on_records = note
    running = asyncio.create_task(watch.run())
    await asyncio.sleep(0)

    clock.ahead_ms = -3_600_000
    await asyncio.wait_for(told.wait(), 60)
    running.cancel()
    await spool.commit([])

    events = [record for record in seen if record.kind is RecordKind.EVENT]
    assert [event.detail.reason for event in events if event.detail] == ["CLOCK_JUMP"]
    run = await spool.call(lambda file: file.read_run(0, 1 << 62, 10, 1 << 20))
    assert run is not None
    assert run.first_record_seq == 1
    await spool.close()
