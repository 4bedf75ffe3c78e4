"""What a former agent still had to tell is as old after a restart as it was before."""

from __future__ import annotations

import time

from wire_agent import batch, pile
from wired_ingest import WiredIngest

from coordinator.core.pile import EvseStatus
from pilewise.v1 import types_pb2 as nouns

CHARGING, OUTOFORDER = nouns.EVSE_STATUS_CHARGING, nouns.EVSE_STATUS_OUTOFORDER


def status(ingest: WiredIngest) -> EvseStatus:
    """What is believed of the only EVSE."""
    return EvseStatus(int(ingest.district.status[ingest.district.row["P1*1"]]))


async def test_backlog_of_a_former_agent_is_old_after_a_restart(ingest: WiredIngest) -> None:
    """Its numbers are new, its pile is another's by now: the new agent's word stands."""
    now_ms = int(time.time() * 1000)
    await ingest.introduce("old", pile("P1"))
    await ingest.inventory.assign({"P1": "new"}, now_ms / 1000 - 30.0)
    await ingest.report(
        batch("spool-new", 1, ["P1*1"], [CHARGING], at_ms=now_ms - 10_000), agent_id="new"
    )
    await ingest.believed()
    await ingest.checkpoint()
    await ingest.report(
        batch("spool-old", 1, ["P1*1"], [OUTOFORDER], at_ms=now_ms - 60_000), agent_id="old"
    )
    await ingest.believed()
    before = status(ingest)
    await ingest.stop()
    await ingest.start()

    assert ingest.spool("spool-old", "old").settled.acked_through == 1
    assert before is EvseStatus.CHARGING
    assert status(ingest) is EvseStatus.CHARGING


async def test_backlog_of_an_agent_that_has_its_pile_is_new_after_a_restart(
    ingest: WiredIngest,
) -> None:
    """A clock that was set back does not make its later word the older one."""
    now_ms = int(time.time() * 1000)
    await ingest.introduce("old", pile("P1"))
    await ingest.inventory.assign({"P1": "new"}, now_ms / 1000 - 300.0)
    await ingest.report(
        batch("spool-new", 1, ["P1*1"], [CHARGING], at_ms=now_ms - 10_000), agent_id="new"
    )
    await ingest.believed()
    await ingest.checkpoint()
    await ingest.report(
        batch("spool-new", 2, ["P1*1"], [OUTOFORDER], at_ms=now_ms - 60_000), agent_id="new"
    )
    await ingest.believed()
    before = status(ingest)
    await ingest.stop()
    await ingest.start()

    assert before is EvseStatus.OUTOFORDER
    assert status(ingest) is EvseStatus.OUTOFORDER
