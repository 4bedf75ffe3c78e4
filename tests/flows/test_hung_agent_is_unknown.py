"""A gateway that hangs: its piles are UNKNOWN at the coordinator, and return with it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Awaitable, Callable

import pytest
from small_district import SmallDistrict, eventually, pile

from city_sim.configs import HEARTBEAT_S
from pilewise.v1 import types_pb2 as nouns

pytestmark = [pytest.mark.flow, pytest.mark.slow]
Make = Callable[..., Awaitable[SmallDistrict]]
LATE_S = 3.0  # for a busy machine


async def test_E15_stopped_agent_is_unknown_at_the_coordinator(make_district: Make) -> None:
    """After SIGSTOP its words turn stale and nothing is told as free; SIGCONT brings them back."""
    district = await make_district([pile(1), pile(2, station_id="S-B")])

    async def unknown() -> bool:
        return set((await district.status()).values()) == {nouns.EVSE_STATUS_UNKNOWN}

    os.kill(district.agent.pid, signal.SIGSTOP)
    stopped_at = time.monotonic()
    try:
        await eventually("its piles are unknown", unknown)
        took_s = time.monotonic() - stopped_at
        answer = await district.charging.Recommend(district.request("EV-1"), timeout=10)
    finally:
        os.kill(district.agent.pid, signal.SIGCONT)
    await eventually("its piles are free again", district.all_free)

    assert took_s <= 4 * HEARTBEAT_S + LATE_S
    # UNKNOWN is never told as free: the answer says what it does not know.
    assert answer.promise.choice.data_quality == "UNKNOWN"
