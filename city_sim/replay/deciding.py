"""Where each policy sends a driver, by what is known when the driver asks.

Whether the plug was free then is found out in `scoring.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from city_sim.replay.drivers import Driver
from city_sim.replay.network import Network
from city_sim.replay.telling import Told
from city_sim.replay.timeline import Floats, Index
from coordinator.core.pile import EvseStatus
from coordinator.core.ports import Approach, ArrivalModel
from coordinator.core.recommend.arrival import BROKEN, BUSY, KIND, UNKNOWN
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.pipeline import rank
from coordinator.core.vehicle import ChargingRequest, Vehicle

BATTERY_KWH = 40.0
AC_KW = 22.0
OURS, NEAREST_FREE, NEAREST, AS_NOW = "pilewise", "nearest-now-free", "nearest", "as-now"
POLICIES = (OURS, NEAREST_FREE, AS_NOW, NEAREST)


@dataclass(frozen=True, slots=True)
class Decision:
    """A plug, when the car gets there, the way, and what was thought of its chance (else NaN)."""

    plug: int
    arrives_s: float
    km: float
    p_success: float = float("nan")
    told: bool = True  # False: the policy named none, and the driver went to the nearest


class AsNow:
    """The arrival model of those who show the status of now: it stays as it is."""

    def chances(self, seen: Approach) -> tuple[Floats, Floats]:
        """Works if it is known to work now; free if it is free now."""
        kind = KIND[seen.status]
        works = ~np.isin(kind, (BROKEN, UNKNOWN))
        return works.astype(np.float64), (kind != BUSY).astype(np.float64)


class Desk:
    """Asks every policy for one driver after the other."""

    def __init__(self, told: Told, net: Network, models: Models, own_plug: bool = False) -> None:
        self._told, self._net, self._own_plug = told, net, own_plug
        as_now: ArrivalModel = AsNow()
        self._as_now = Models(models.ranker, as_now, models.travel)
        self._plug_of = {int(row): plug for plug, row in enumerate(told.rows.tolist())}

    async def decide(self, driver: Driver) -> dict[str, Decision]:
        """The choice of each policy; the coordinator must have been told what there is to know.

        Empty where there is no candidate.
        """
        told, request = self._told, request_of(driver)
        km = told.world.station_km(request)[told.district.station[told.rows]]
        left_out = () if self._own_plug else driver.own
        told.world.left_out = frozenset(told.rows[list(left_out)].tolist())
        fits = (self._net.standard == driver.standard) & (km <= told.world.farthest_km)
        fits[list(left_out)] = False
        near = np.flatnonzero(fits)
        near = near[km[near].argsort(kind="stable")]
        if not near.size:
            return {}
        nearest, free = int(near[0]), self._free(near)
        answer = await self._answered(request)
        shown = self._shown(request)
        made = {
            OURS: nearest if answer is None else answer[0],
            NEAREST_FREE: nearest if free is None else free,
            AS_NOW: nearest if shown is None else shown,
            NEAREST: nearest,
        }
        silent = {OURS: answer is None, AS_NOW: shown is None}
        speed_kmh = told.world.roads.speed_kmh(driver.asks_s / 3600.0 % 24.0)
        return {
            name: Decision(
                plug,
                driver.asks_s + float(km[plug]) / speed_kmh * 3600.0,
                float(km[plug]),
                answer[1] if answer is not None and name == OURS else float("nan"),
                not silent.get(name, False),
            )
            for name, plug in made.items()
        }

    async def _answered(self, request: ChargingRequest) -> tuple[int, float] | None:
        """The plug that `Recommend` names, and its chance to work and be free; None if none.

        What was held for the car is given back: the next driver is another story.
        """
        brain = self._told.brain
        answer = await brain.recommender.recommend(request)
        if not answer.judged:
            return None
        await brain.guidance.release(answer.recommendation_id)
        figures = answer.choice.figures
        row = self._told.district.row[answer.choice.evse_id]
        return self._plug_of[row], figures.p_working * figures.p_free

    def _shown(self, request: ChargingRequest) -> int | None:
        """The first in the order of the same pipeline, if every status stayed as it is."""
        told = self._told
        context = told.world.around(request)
        ranked = rank(told.district, request, context, self._as_now, told.clock.now_s())
        if ranked.columns is None:
            return None
        return self._plug_of[int(ranked.columns.candidates.evse[int(ranked.order[0])])]

    def _free(self, near: Index) -> int | None:
        """The nearest that is free now; else the nearest that is not known to be broken."""
        status = self._told.district.status[self._told.rows[near]]
        for wanted in (status == EvseStatus.AVAILABLE, KIND[status] != BROKEN):
            if wanted.any():
                return int(near[wanted.argmax()])
        return None


def request_of(driver: Driver) -> ChargingRequest:
    """What the driver asks: a plug that fits, 80 %, no destination, nobody known."""
    vehicle = Vehicle(BATTERY_KWH, connector_mask=1 << driver.standard, max_ac_power_kw=AC_KW)
    return ChargingRequest(
        f"replay-{driver.plug}-{driver.asks_s:.0f}",
        f"car-{driver.plug}-{driver.asks_s:.0f}",
        vehicle,
        driver.soc_pct,
        driver.latitude_deg,
        driver.longitude_deg,
    )
