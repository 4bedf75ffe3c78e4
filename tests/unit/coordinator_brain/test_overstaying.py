"""Who is still there at the end of a window is found without a look at everybody who charges."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from claim_wishes import wish

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Claim, ClaimState, Moment

NOW_S = 1_000_000.0


@pytest.mark.parametrize("seed", range(20))
def test_the_same_are_found_as_by_looking_at_all(seed: int) -> None:
    """Whatever is put in, lengthened, shortened, ended or taken out, however often is asked."""
    rng, table, now_s = random.Random(seed), ClaimTable(), NOW_S
    claims: dict[str, Claim] = {}
    for turn in range(300):
        name = f"c{rng.randrange(12)}"
        known = claims.get(name)
        if known is None:
            made = wish(name, f"E{name}", f"car-{name}", Moment(now_s, 0.0), rng.uniform(-900, 900))
            state = rng.choice([ClaimState.OCCUPIED, ClaimState.OCCUPIED, ClaimState.CONFIRMED])
            claims[name] = replace(made, state=state, lease_until_s=now_s)
            table.put(claims[name])
        elif rng.random() < 0.3:
            table.remove(claims.pop(name))
        else:
            changed = replace(known, to_s=now_s + rng.uniform(-600.0, 600.0))
            claims[name] = replace(changed, state=rng.choice([known.state, ClaimState.OCCUPIED]))
            table.put(claims[name])
        now_s += rng.choice([0.0, 60.0, -30.0])
        found = table.overstaying(now_s)

        over = {
            claim.claim_id
            for claim in table.live()
            if claim.state is ClaimState.OCCUPIED and claim.to_s <= now_s
        }
        assert sorted(claim.claim_id for claim in found) == sorted(over), turn
