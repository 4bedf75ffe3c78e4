"""A spool that two agents begin while both wait for their groups."""

from __future__ import annotations

import asyncio

import pytest
from wire_agent import batch, pile
from wired_ingest import WiredIngest

from coordinator.rpc.batch_codec import WireCodec
from coordinator.usecases.links import Link


async def test_a_spool_begun_in_an_earlier_group_closes_the_second_stream_only(
    ingest: WiredIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first agent has it; the second one's stream is closed, and everybody else goes on."""
    monkeypatch.setattr("coordinator.usecases.ingest.GROUP_LIMIT", 1)
    await ingest.introduce("agent-1", pile("P1"))
    await ingest.introduce("agent-2", pile("P2"))
    codec, links = WireCodec(), (Link("agent-1"), Link("agent-2"))
    for link, evse_id in zip(links, ("P1*1", "P2*1"), strict=True):
        payload = batch("spool-1", 1, [evse_id]).SerializeToString()
        await ingest.ingest.offer(link, codec.read(payload))
    async with asyncio.timeout(60):
        await links[1].wake.wait()
        await ingest.report(batch("spool-2", 1, ["P2*1"]), agent_id="agent-2")

    assert ingest.spool("spool-1").agent_id == "agent-1"
    assert (links[0].closing, links[1].closing) == ("", "FOREIGN_SPOOL")
    assert ingest.spool("spool-2", "agent-2").settled.acked_through == 1
