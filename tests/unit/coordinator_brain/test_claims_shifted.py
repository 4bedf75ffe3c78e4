"""When the clock is set, what is under way goes with it: windows in the future must make room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from claim_engines import ENGINES
from claim_wishes import check_exclusion, wish

from coordinator.core.areas.ledger import Claim, Moment, Refused, Step
from coordinator.usecases.ledger import ClaimStore

NOW = Moment(1_000_000.0, 500.0)
HOUR_S = 3_600.0


@pytest.fixture(params=sorted(ENGINES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ClaimStore]:
    """An empty store of each engine."""
    store = ENGINES[request.param](tmp_path, NOW)
    yield store
    await store.close()


async def kept(store: ClaimStore, asked: Claim) -> Claim:
    """A confirmed claim."""
    assert isinstance(await store.claim(asked, NOW), Step)
    step = await store.confirm(asked.claim_id, asked.to_s + 900.0, NOW)
    assert not isinstance(step, Refused)
    assert step.claim is not None
    return step.claim


@pytest.mark.parametrize("by_s", [-1_800.0, 900.0, 3_300.0, 3_600.0, 5_400.0, 9_000.0])
async def test_a_window_makes_room_for_everybody_who_is_under_way(
    store: ClaimStore, by_s: float
) -> None:
    """Whoever charges and whoever comes next may both run into it; nobody meets anybody."""
    await kept(store, wish("c1", "E1", "car-1", NOW, length_s=800.0))
    charging = await store.occupy("c1", NOW.now_s + 800.0, NOW)
    await kept(store, wish("c2", "E1", "car-2", NOW, 2_400.0, 600.0))
    await kept(store, wish("w1", "E1", "car-3", NOW, HOUR_S, 2_100.0, future=True))
    await kept(store, wish("w2", "E1", "car-4", NOW, 3 * HOUR_S, 600.0, future=True))
    assert isinstance(charging, Step)

    step = await store.shift(by_s, Moment(NOW.now_s + by_s, NOW.link_s))

    assert isinstance(step, Step)
    check_exclusion(store.table)
    found = {claim.claim_id: claim for claim in store.table.on_evse("E1")}
    assert set(found) == {"c1", "c2", "w1", "w2"}
    assert found["c1"].from_s == NOW.now_s + by_s
    assert found["w1"].from_s >= NOW.now_s + HOUR_S
    assert [claim.to_s - claim.from_s for claim in found.values() if claim.future] == [2_100, 600]
