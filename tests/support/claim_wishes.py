"""Claims as cars ask for them, and the rules that must hold of all live claims."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import OFFER_S, Claim, ClaimState, Moment
from coordinator.core.vehicle import WarningLevel


def wish(
    claim_id: str,
    evse_id: str,
    car: str,
    moment: Moment,
    begin_s: float = 0.0,
    length_s: float = 600.0,
    level: WarningLevel = WarningLevel.LOW,
    future: bool = False,
) -> Claim:
    """An offer for a car from so many seconds after the moment."""
    from_s = moment.now_s + begin_s
    return Claim(
        claim_id,
        evse_id,
        car,
        from_s,
        from_s + length_s,
        level,
        ClaimState.OFFERED,
        moment.link_s + OFFER_S,
        recommendation_id=f"rec-{claim_id}",
        future=future,
    )


def check_exclusion(table: ClaimTable) -> None:
    """At most one claim for an EVSE and instant; one for a car, two only while it moves.

    Beside them a car has at most one window in the future.
    """
    live = list(table.live())
    for one, other in combinations(live, 2):
        if one.evse_id == other.evse_id:
            assert not one.overlaps(other.from_s, other.to_s), (one, other)
    cars = Counter(claim.vehicle_id for claim in live if claim.vehicle_id and not claim.future)
    for car, count in cars.items():
        moving = [claim for claim in live if claim.vehicle_id == car and claim.moving]
        assert count <= 1 + len(moving), (car, live)
        assert len(moving) <= 1, (car, live)
    windows = Counter(claim.vehicle_id for claim in live if claim.future)
    assert not windows or max(windows.values()) == 1, windows
    for claim in live:
        assert claim in table.on_evse(claim.evse_id)
        assert table.get(claim.claim_id) == claim
        of_car = table.windows_of_car if claim.future else table.of_car
        assert not claim.vehicle_id or claim in of_car(claim.vehicle_id)
