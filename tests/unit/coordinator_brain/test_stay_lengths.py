"""How long cars stay is learnt from those that leave, and the wait behind a stranger follows."""

import asyncio

import numpy as np

from coordinator.clock import Clock
from coordinator.core.areas.ledger import Moment
from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, EvseStatus, Pile, PowerType, Station
from coordinator.core.recommend.queue_evidence import standing
from coordinator.core.usual_stay import MEAN_SESSION_DC_S
from coordinator.store.claims import MemoryClaims
from coordinator.usecases.stay_lengths import StayLengths


class SetClock(Clock):
    """A clock that shows what it is told."""

    at_s = 0.0

    def now_s(self) -> float:
        return self.at_s


def one_plug() -> District:
    plug = Connector("1", 33, PowerType.DC, 60.0)
    pile = Pile("P", "S", (Evse("P*1", (plug,)),))
    district = District([Station("S", "S", 0.0, 0.0, (pile,))])
    district.status[:] = EvseStatus.AVAILABLE
    return district


def strangers(district: District, count: int, stay_s: float, after: EvseStatus) -> None:
    """Lets this many walk-ins charge for so long, one after the other."""
    claims, clock = MemoryClaims(), SetClock()
    claims.watchers.append(StayLengths(district, claims.table, clock).on_claims)

    async def come_and_go() -> None:
        for number in range(count):
            begin_s = number * 10_000.0
            object.__setattr__(clock, "at_s", begin_s)
            district.status[0] = EvseStatus.CHARGING
            moment = Moment(begin_s, begin_s)
            await claims.walk_in(f"w{number}", "P*1", begin_s + 1920.0, moment)
            object.__setattr__(clock, "at_s", begin_s + stay_s)
            district.status[0] = after
            await claims.finish(f"w{number}", Moment(begin_s + stay_s, begin_s + stay_s))

    asyncio.run(come_and_go())


def left_s(district: District, elapsed_s: float) -> float:
    district.status[0], district.changed_at_s[0] = EvseStatus.CHARGING, 0.0
    rows = np.array([0])
    there = standing(district, rows, district.status[rows], np.full(1, np.inf), elapsed_s)
    return float(there.occupant_s[0])


def test_wait_behind_a_stranger_follows_the_stays_seen_here() -> None:
    """Cars that stay 55 min teach that half an hour is left after 25 min, which 32 min were not."""
    fresh, taught = one_plug(), one_plug()
    strangers(taught, 60, 55 * 60.0, EvseStatus.AVAILABLE)

    assert left_s(fresh, 1500.0) == MEAN_SESSION_DC_S * 0.35
    assert 1500.0 < left_s(taught, 1500.0) < 1800.0
    assert taught.usual_stay.mean_s[1] > 3000.0


def test_stay_that_a_fault_ended_teaches_nothing() -> None:
    """A car that was thrown out would have stayed longer."""
    district = one_plug()
    strangers(district, 60, 300.0, EvseStatus.OUTOFORDER)

    assert district.usual_stay.mean_s[1] == MEAN_SESSION_DC_S
