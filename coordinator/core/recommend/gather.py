"""What one district knows of each candidate for each request, on arrival: facts, in columns.

Nothing is compared or ordered here: candidates of several districts can be put side by side and
sorted as those of one (patent claims 4-5). Sorting is in `sorting.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core import charging, outages
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.ports import ArrivalModel
from coordinator.core.recommend import (
    arrival,
    arrivals,
    eta,
    parking,
    preference,
    price,
    traffic,
    waiting,
)
from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.eta import Drive
from coordinator.core.recommend.found import Candidates, only
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.rules import PRINTED
from coordinator.core.recommend.waiting import Wait

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

_AVAILABLE, _RESERVED = int(EvseStatus.AVAILABLE), int(EvseStatus.RESERVED)
LEAST_STAY_S = 60.0  # an EVSE is kept for so long even if the car misses nothing


@dataclass(frozen=True, slots=True)
class Gathered:
    """Facts of candidates, columns of shape (r, n); in each row the candidates come first.

    Source: US 12,393,974 B2, steps 330, 510.
    """

    found: Candidates
    drive: Drive
    wait: Wait
    charge_s: Floats
    power_kw: Floats  # average over the session
    energy_kwh: Floats
    p_working: Floats
    p_free: Floats
    p_breaks_off: Floats  # during the charge, if it works on arrival
    price: Floats  # of this session, NaN where unknown
    preference: Floats
    visit_share: Floats
    served: Floats  # cars served and promised today
    class_served: Floats  # mean of the same over its power class
    traffic_grade: Floats | float
    parking: Mask  # whether there is room to stand
    dc: Mask
    status_age_s: Floats
    queue_length: NDArray[np.int16]
    station_free_share: Floats
    station_evse_count: NDArray[np.int32]
    exposure_days: Floats
    expected_arrivals: Floats | float  # neighbours' summed P(S1); 0 for all where there are none
    people_flow_per_h: Floats | float  # around the pile; NaN where nobody has told
    road_facility_score: Floats | float  # the same, 0-100
    missing: tuple[str, ...] = ()  # codes of what rules had to stand in for

    @property
    def valid(self) -> Mask:
        """Which entries are candidates."""
        return self.found.valid

    def narrowed(self, keep: Mask) -> Gathered:
        """The candidates that are kept, at the front of each row, in their order."""
        if (keep == self.found.valid).all():
            return self
        # Rows become as short as the longest that is left: what comes after costs by width.
        width, left = keep.shape[1], max(int(keep.sum(axis=1).max(initial=1)), 1)
        front = (~keep).argsort(axis=1, kind="stable")[:, :left]
        flat = front + np.arange(0, keep.size, width)[:, None]
        return replace(self, found=only(self.found, keep)).take(flat)

    def take(self, flat: Index) -> Gathered:
        """The same entries in another order; `flat` (r, n) indexes the raveled table."""
        columns: list[Any] = [_taken(getattr(self, name), flat) for name in COLUMNS]
        columns.append(self.missing)
        return Gathered(
            self.found.take(flat),
            Drive(*[getattr(self.drive, name).take(flat) for name in _DRIVE]),
            Wait(*[getattr(self.wait, name).take(flat) for name in _WAIT]),
            *columns,
        )


_DRIVE = tuple(column.name for column in fields(Drive))
_WAIT = tuple(column.name for column in fields(Wait))
COLUMNS = tuple(column.name for column in fields(Gathered))[3:-1]  # what is no table of its own


def _taken(column: Any, flat: Index) -> Any:
    return column if isinstance(column, float) else column.take(flat)


def gather(
    district: District, asked: Asked, found: Candidates, model: ArrivalModel | None = None
) -> Gathered:
    """The facts of candidates that are in service when the car would be there.

    Source: US 12,393,974 B2, steps 330 (time and queuing information), 340, 510 (first basic
    information); paper 2.3.2.
    """
    now_s = asked.now_s
    drive = eta.drive(layout_of(district), found, asked)
    charge = _charge(district, asked, found, drive)
    charge_s, power_kw, energy_kwh = charge
    evse = found.evse
    # 340, 420: will it work, and be free, on arrival?
    status = _apart_from_ours(district, found)
    horizon_s, ahead_s = drive.drive_s, asked.contexts[0].ahead_s
    if ahead_s:
        horizon_s = horizon_s + ahead_s
    works, free, why = arrival.chances(model, district, found, status, asked, horizon_s)
    free = waiting.planned_free(district, found, drive.drive_s, now_s, free)
    # Paper 2.1: neighbours that are about to charge may be there before
    awaited: Floats | float = 0.0
    coming = district.expected_arrivals[evse]
    if coming.any():
        awaited = coming.astype(np.float64)
        free = arrivals.still_free(free, awaited, drive.drive_s)
    # 330: queuing information, on arrival and not now
    wait = waiting.wait(district, found, asked, drive.distance_km, drive.drive_s, free)
    # Paper 2.3.2.2-3: price of this session, preference, load
    during = price.stay(asked, drive, wait.p50_s, charge_s, energy_kwh)
    paid = price.session_price(district, found, during)
    liked, visit_share = preference.columns(found, asked, drive.distance_km)
    served, class_served = traffic.use(district, found, now_s)
    breaks_off = 1.0 - arrival.p_lasts(district.failure_rate[evse].astype(np.float64), charge_s)
    made = Gathered(
        found, drive, wait, charge_s, power_kw, energy_kwh, works, free, breaks_off, paid, liked,
        visit_share, served, class_served, traffic.grade(found, asked),
        parking.room(district, found, drive.distance_km, wait.ahead, now_s), district.dc[evse],
        np.maximum(now_s - district.observed_at_s[evse], 0.0), district.queue_length[evse],
        found.of_station(found.near.free_share), district.station_size[district.station[evse]],
        district.exposure_days[evse], awaited, *_around_piles(asked, found),
        (why,) if why else (),
    )  # fmt: skip
    if district.outages or district.windows:
        made = made.narrowed(_in_service(district, asked, made))
    return made


def _apart_from_ours(district: District, found: Candidates) -> NDArray[np.int8]:
    """Statuses; an EVSE that is reserved for a car of ours is free apart from that car's claim."""
    reserved = found.status == _RESERVED
    if not reserved.any():
        return found.status
    ours = reserved & (district.claim_count[found.evse] > 0)
    return np.where(ours, np.int8(_AVAILABLE), found.status)


def _around_piles(asked: Asked, found: Candidates) -> tuple[Floats | float, Floats | float]:
    """Flow of people and road facilities where the piles stand; looked up for who travels there.

    Source: US 12,393,974 B2, step 610 (environmental information).
    """
    around = asked.contexts[0].stations
    if around is None or not around.any_travel or not asked.has_destination.any():
        return float("nan"), float("nan")
    at = found.near.stations
    return (
        found.of_station(around.people_flow_per_h[at]),
        found.of_station(around.road_facility_score[at]),
    )


def _charge(
    district: District, asked: Asked, found: Candidates, drive: Drive
) -> tuple[Floats, Floats, Floats]:
    """Seconds, average kW and kWh of the charge at each candidate, to the target by default.

    As printed (paper Eq. 7) the charge goes from what is left now to full, at the pile's power.
    """
    if asked.rules.waiting == PRINTED:
        rated_kw = np.maximum(district.max_power_kw[found.evse], charging.LEAST_KW).astype("f8")
        full_kwh = np.broadcast_to(asked.battery_kwh, rated_kw.shape)
        left_kwh = full_kwh * (asked.soc_pct / 100.0)
        hours = waiting.charging_time_h(full_kwh, left_kwh, rated_kw)
        return hours * 3600.0, rated_kw, full_kwh - left_kwh
    arrival_pct = drive.arrival_soc_pct
    missing_pct = np.maximum(asked.target_soc_pct - arrival_pct, 0.0)
    soc_pct = arrival_pct[..., None] + missing_pct[..., None] * charging.MIDPOINTS
    curve_kw = charging.usual_power_kw(soc_pct, asked.dc_kw[..., None])
    for number, request in enumerate(asked.requests):
        if request.vehicle.charging_curve:
            curve_kw[number] = charging.curve_power_kw(request.vehicle, soc_pct[number])
    direct = district.dc[found.evse][..., None]
    car_kw = np.where(direct, curve_kw, asked.ac_kw[..., None])
    pile_kw = district.max_power_kw[found.evse].astype(np.float64)
    return charging.integrate(missing_pct, car_kw, pile_kw, asked.battery_kwh)


def _in_service(district: District, asked: Asked, known: Gathered) -> Mask:
    """The candidates that are not out of service, or kept for another car, before it is charged.

    The stay is that of its claim, so that what is promised stands when promises are looked at.
    """
    arrives_s = asked.now_s + known.drive.drive_s
    begins_s = np.maximum(arrives_s, asked.now_s + known.wait.free_in_s)
    stay_s = np.array([[request.vehicle.setup_s] for request in asked.requests]) + known.charge_s
    to_s = begins_s + np.maximum(stay_s, LEAST_STAY_S)
    evse = known.found.evse
    met = outages.meets(district, evse, arrives_s, to_s, asked.now_s)
    if district.windows:
        met |= to_s > district.reserved_from_s[evse]
    return known.valid & ~met
