"""Which promises a planned outage concerns, as time passes."""

from __future__ import annotations

import pytest
from served_brain import asking, serve_brain, station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import PlannedOutage
from coordinator.usecases.outage_watch import OutageWatch


@pytest.mark.parametrize(
    ("begins_after_end_s", "late_s", "concerned"),
    [(60.0, 0.0, False), (-60.0, 0.0, True), (60.0, 120.0, True)],
)
async def test_outage_concerns_a_car_by_the_end_of_its_claim(
    begins_after_end_s: float, late_s: float, concerned: bool
) -> None:
    """One before the end of the stay does, one after it only once the car is late."""
    async with serve_brain([station("A", 1.0), station("B", 2.0)]) as served:
        promise = (await served.client.Recommend(asking("car"))).promise
        brain = served.brain
        claims, (claim,) = brain.claims, brain.claims.table.of_evse("A-1*1")
        begins_s = claim.to_s + begins_after_end_s
        served.district.put_outages([PlannedOutage(begins_s, begins_s + 3600.0, "A-1*1")])
        moment = brain.rerouter.moment()
        await claims.confirm(claim.claim_id, moment.now_s + 3600.0, moment)
        await claims.renew(claim.claim_id, moment.now_s + 3600.0, claim.to_s + late_s, moment)
        watch = OutageWatch(served.district, claims, brain.promises, brain.rerouter)

        found = [one.recommendation_id for one in watch.affected(moment.now_s)]

        assert found == ([promise.recommendation_id] if concerned else [])
        assert claims.table.of_evse("A-1*1")[0].state is ClaimState.CONFIRMED


async def test_outage_that_is_over_on_arrival_concerns_nobody() -> None:
    """The EVSE is back in service before the car is there."""
    async with serve_brain([station("A", 5.0), station("B", 9.0)]) as served:
        await served.client.Recommend(asking("car"))
        brain = served.brain
        now_s = brain.rerouter.moment().now_s
        served.district.put_outages([PlannedOutage(now_s - 60.0, now_s + 30.0, station_id="A")])
        watch = OutageWatch(served.district, brain.claims, brain.promises, brain.rerouter)

        assert not watch.affected(now_s)
