"""From a charging request to an ordered list of EVSEs: the patent's steps in order. Read me first.

Pure: the district, the world and the models come in, columns go out. Who is promised what is
decided afterwards, by the ledger (`core/areas/ledger.py`), in the order found here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core import charging, energy
from coordinator.core.areas.cost import Cost, cost
from coordinator.core.district import District
from coordinator.core.recommend import (
    arrival,
    candidates,
    chain,
    eta,
    merge,
    preference,
    price,
    traffic,
    travel,
    waiting,
    warning,
)
from coordinator.core.recommend import order as ordering
from coordinator.core.recommend.candidates import Candidates
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.eta import Drive
from coordinator.core.recommend.features import FeatureInputs, assemble
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.rules_ranker import scores_or_rules, shares
from coordinator.core.recommend.waiting import Wait
from coordinator.core.vehicle import ChargingRequest, WarningLevel

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Columns:
    """Everything judged about the candidates, each of shape (n,), in candidate order."""

    candidates: Candidates
    drive: Drive
    wait: Wait
    charge_s: Floats
    power_kw: Floats
    energy_kwh: Floats
    p_working: Floats
    p_free: Floats
    price: Floats  # NaN where unknown
    preference: Floats
    equilibrium: Floats
    traffic_grade: Floats | float
    features: NDArray[np.float32]  # (n, len(FEATURES))
    share: Floats  # of the ranker, sums to 1
    first: Floats | None  # None without a destination
    second: Floats
    failure_weight: Floats
    merged: Floats
    cost: Cost


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer of the pipeline. `order` leads into the columns, best first; empty means none."""

    level: WarningLevel
    level_reason: str
    reach_km: float
    columns: Columns | None
    order: NDArray[np.intp]
    wanted: int | None = None  # candidate that would be first if nothing were promised to others
    conflict: bool = False  # whether that one is promised to another car
    relaxed: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()

    @property
    def rows(self) -> NDArray[np.intp]:
        """Rows of the district, best first."""
        if self.columns is None:
            return np.zeros(0, dtype=np.intp)
        return self.columns.candidates.evse[self.order]


def rank(
    district: District, request: ChargingRequest, context: Context, models: Models, now_s: float
) -> Ranked:
    """Candidates in the order in which the car should have them.

    Source: US 12,393,974 B2, steps 310-340, 410-420, 510-530, 610-630; paper 2.2, 2.3.
    """
    hour = context.hour_of(now_s)
    speed_kmh = eta.speed_kmh(request, context, hour)
    # 310: a request with the remaining power and the position; how far does the power carry?
    kwh_per_km = energy.consumption_kwh_per_km(request.vehicle, _conditions(request, context))
    reach_km = energy.range_km(request.vehicle, request.soc_pct, kwh_per_km)
    # 320: candidates within remaining power x safety factor, with a plug that fits
    found = candidates.find(district, request, context, reach_km)
    # Paper 2.2: the warning level
    level, reason = _level(district, request, context, found, reach_km, speed_kmh, now_s)
    if not len(found):
        return Ranked(level, reason, reach_km, None, np.zeros(0, dtype=np.intp))
    # 330: time information, and the charge that follows it
    drive = eta.drive(layout_of(district), found, request, context, kwh_per_km, speed_kmh)
    charge_s, power_kw, energy_kwh = _charge(district, request, found, drive)
    # Paper 2.3.2: the chain of filters of this level
    keep, relaxed = chain.level_two(level, drive.distance_km, reach_km, power_kw, context.rules)
    if keep is not None:
        passed = keep.nonzero()[0]
        found, drive = found.take(passed), drive.take(passed)
        charge_s, power_kw, energy_kwh = charge_s[passed], power_kw[passed], energy_kwh[passed]
    charge = charge_s, power_kw, energy_kwh
    columns, degraded = judge(
        district, request, context, models, level, found, drive, charge, now_s
    )
    # 530: the object pile is the first of the order
    order = ordering.order(request.select_by, columns)
    wanted = ordering.first_without_promises(request.select_by, columns, order)
    conflict = bool(columns.wait.held[wanted])
    return Ranked(
        level, reason, reach_km, columns, order, wanted, conflict, relaxed, degraded
    )  # fmt: skip


def judge(
    district: District,
    request: ChargingRequest,
    context: Context,
    models: Models,
    level: WarningLevel,
    found: Candidates,
    drive: Drive,
    charge: tuple[Floats, Floats, Floats],
    now_s: float,
) -> tuple[Columns, tuple[str, ...]]:
    """All columns of these candidates, and the codes of what was missing."""
    rules, evse, status = context.rules, found.evse, found.status
    charge_s, power_kw, energy_kwh = charge
    # 340, 420: will it work, and be free, on arrival?
    works = arrival.p_working(status, district.failure_rate[evse], drive.drive_s)
    unusable = 1.0 - works
    free = arrival.p_free(status, drive.drive_s)
    # 330: queuing information, on arrival and not now
    wait = waiting.wait(district, found, context, drive.drive_s, free, now_s)
    # Paper 2.3.2.2-3: price of this session, preference, load
    paid = price.session_price(district, found, energy_kwh, charge_s, now_s)
    liked, visit_share = preference.columns(found, context, drive.distance_km)
    used = traffic.equilibrium(district, found, now_s)
    grade = _grade(request, context, found, now_s)
    # 510-520: features, and the sorting model
    features = assemble(
        FeatureInputs(
            wait_s=wait.expected_s,
            price=paid,
            p_unusable=unusable,
            preference=liked,
            visit_share=visit_share,
            equilibrium=used,
            traffic_grade=grade,
            charge_s=charge_s,
            power_kw=power_kw,
            level=level,
            soc_pct=request.soc_pct,
            hour=context.hour_of(now_s),
            **_facts(district, found, drive, now_s),
        )
    )
    utilities, why = scores_or_rules(models.ranker, features)
    share = shares(utilities)
    # 610-630: first and second sub-recommendation, merged
    first = travel.travel_scores(request, drive, wait.expected_s, charge_s, now_s, rules)
    second = merge.second_score(unusable)
    weight = merge.failure_weight(district.exposure_days[evse], rules)
    score = merge.merged(first, second, weight)
    # One cost in seconds over all of it
    seconds = cost(
        level, drive.drive_s, wait.expected_s, paid, unusable, used, grade, score, share, rules
    )  # fmt: skip
    columns = Columns(
        found, drive, wait, charge_s, power_kw, energy_kwh, works, free, paid, liked, used, grade,
        features, share, first, second, weight, score, seconds,
    )  # fmt: skip
    return columns, ((why,) if why else ())


def _grade(
    request: ChargingRequest, context: Context, found: Candidates, now_s: float
) -> Floats | float:
    """Traffic grade of the way to each candidate, or one for all."""
    here = request.latitude_deg, request.longitude_deg
    grade = context.roads.grades(*here, found.stations, context.hour_of(now_s))
    return grade if isinstance(grade, float) else grade[found.place]


def _facts(
    district: District, found: Candidates, drive: Drive, now_s: float
) -> dict[str, NDArray[np.generic]]:
    """Feature inputs that are facts of pile, station and way."""
    evse, place = found.evse, found.place
    return {
        "drive_s": drive.drive_s,
        "distance_km": drive.distance_km,
        "detour_km": drive.detour_km,
        "destination_km": drive.destination_km,
        "arrival_soc_pct": drive.arrival_soc_pct,
        "dc": district.dc[evse],
        "status": found.status,
        "status_age_s": np.maximum(now_s - district.observed_at_s[evse], 0.0),
        "queue_length": district.queue_length[evse],
        "station_free_share": found.free_share[place],
        "station_evse_count": layout_of(district).station_size[found.stations][place],
    }


def _conditions(request: ChargingRequest, context: Context) -> energy.Conditions:
    return energy.Conditions(
        temperature_c=context.temperature_c,
        air_conditioning=request.air_conditioning,
        climb_m_per_km=context.climb_m_per_km,
    )


def _level(
    district: District,
    request: ChargingRequest,
    context: Context,
    found: Candidates,
    reach_km: float,
    speed_kmh: float,
    now_s: float,
) -> tuple[WarningLevel, str]:
    """The warning level of the car among what it can reach."""
    time_left_min = float("inf")
    if len(found):
        nearest_km = float(found.station_km[found.place[0]])
        time_left_min = (reach_km - nearest_km) / speed_kmh * 60.0
    user = district.users.get(request.user_id) if request.user_id else None
    seen = warning.Situation(
        request.soc_pct,
        found.fitting_in_reach,
        found.around_count,
        time_left_min,
        context.cars_around,
        user,
    )
    return warning.level(seen, now_s, context.rules)


def _charge(
    district: District, request: ChargingRequest, found: Candidates, drive: Drive
) -> tuple[Floats, Floats, Floats]:
    """Seconds, average kW and kWh of the charge at each candidate."""
    evse = found.evse
    return charging.session(
        request.vehicle,
        drive.arrival_soc_pct,
        request.target_soc_pct,
        district.max_power_kw[evse].astype(np.float64),
        district.dc[evse],
    )
