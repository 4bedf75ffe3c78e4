"""A charge that breaks off has failed, too: piles that often fail are left to those in a hurry."""

from __future__ import annotations

import pytest
from hand_brain import HandBrain
from served_brain import station

from coordinator.core.recommend.arrival import p_lasts
from coordinator.core.recommend.rules import DEFAULT_RULES


async def test_of_two_piles_alike_the_one_that_rarely_fails_is_chosen() -> None:
    """Both work on arrival; one of them, whichever it is, is likely to stop in between."""
    chosen = {}
    for flapping in ("A-1*1", "A-2*1"):
        hand = HandBrain([station("A", 1.0, evse_count=2)])
        hand.district.failure_rate[:] = 0.02
        hand.district.failure_rate[hand.district.row[flapping]] = 0.9
        chosen[flapping] = (await hand.ask("car-1")).choice.evse_id

    assert chosen == {"A-1*1": "A-2*1", "A-2*1": "A-1*1"}


@pytest.mark.parametrize(("further_km", "chosen"), [(0.05, "F-1*1"), (2.0, "N-1*1")])
async def test_a_steadier_pile_is_worth_a_short_way(further_km: float, chosen: str) -> None:
    """What may be lost is weighed in seconds against the way: it is no reason to cross the town."""
    hand = HandBrain([station("N", 1.0), station("F", 1.0 + further_km)])
    hand.district.failure_rate[:] = 0.02
    hand.district.failure_rate[hand.district.row["N-1*1"]] = 0.95

    answer = await hand.ask("car-1")

    assert answer.choice.evse_id == chosen


async def test_the_longer_the_charge_the_more_it_counts() -> None:
    """The term is the chance of an outage within the charge, times what a try costs."""
    hand = HandBrain([station("A", 1.0)])
    hand.district.failure_rate[:] = 0.6
    told = {}
    for number, soc_pct in enumerate((20.0, 60.0)):
        told[soc_pct] = (await hand.ask("car-1", number, soc_pct=soc_pct)).choice.figures

    lost_s = {
        soc_pct: (1.0 - f.p_working * p_lasts(f.failure_rate, f.charge_s)) * DEFAULT_RULES.retry_s
        for soc_pct, f in told.items()
    }
    assert told[20.0].charge_s > told[60.0].charge_s
    assert lost_s[20.0] > lost_s[60.0] > 0.0
