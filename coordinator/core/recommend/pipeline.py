"""From a charging request to an ordered list of EVSEs: the patent's steps in order. Read me first.

Pure: the district, the world and the models come in, columns go out. Who is promised what is
decided afterwards, by the ledger (`core/areas/ledger.py`), in the order found here. Requests that
arrive together are judged side by side; none influences another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core import charging, outages
from coordinator.core.areas.cost import cost
from coordinator.core.district import District
from coordinator.core.recommend import (
    arrival,
    candidates,
    chain,
    eta,
    merge,
    order,
    preference,
    price,
    reminder,
    traffic,
    travel,
    waiting,
    warning,
)
from coordinator.core.recommend.asked import Asked, ask
from coordinator.core.recommend.columns import Batch, Columns, Ranked, rearrange
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.eta import Drive
from coordinator.core.recommend.features import FeatureInputs, assemble
from coordinator.core.recommend.found import Candidates, only
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.reminder import Reminder
from coordinator.core.recommend.rules_ranker import scores_or_rules, shares
from coordinator.core.vehicle import ChargingRequest, WarningLevel

__all__ = ["Columns", "Ranked", "level_of", "rank", "rank_each"]

Floats = NDArray[np.float64]
Charge = tuple[Floats, Floats, Floats]  # seconds, average kW, kWh


def rank(
    district: District, request: ChargingRequest, context: Context, models: Models, now_s: float
) -> Ranked:
    """Candidates in the order in which the car should have them.

    Source: US 12,393,974 B2, steps 310-340, 410-420, 510-530, 610-630; paper 2.2, 2.3.
    """
    return rank_each(district, [request], [context], models, now_s)[0]


def level_of(
    district: District, request: ChargingRequest, context: Context, now_s: float
) -> tuple[WarningLevel, str, Reminder | None]:
    """The warning level of a car where it is now, the code of its reason, and what it is reminded
    of. Source: paper 2.2."""
    asked = ask([request], [context], now_s)
    found = candidates.find(district, asked)
    return *_levels(district, asked, found)[0], reminder.each(district, asked, found)[0]


def rank_each(
    district: District,
    requests: Sequence[ChargingRequest],
    contexts: Sequence[Context],
    models: Models,
    now_s: float,
) -> list[Ranked]:
    """The same for several requests; roads and rules are those of the first context."""
    # 310: requests with remaining power and position; how far does the power carry?
    asked = ask(requests, contexts, now_s)
    # 320: candidates within remaining power x safety factor, with a plug that fits
    found = candidates.find(district, asked)
    # Paper 2.2: warning levels
    levels = _levels(district, asked, found)
    reminders = reminder.each(district, asked, found)
    reach_km = asked.reach_km[:, 0].tolist()
    if not found.valid.any():
        return order.without_candidates(levels, reach_km, reminders)
    # 330: time information, and the charge that follows it
    drive = eta.drive(layout_of(district), found, asked)
    charge = _charge(district, asked, found, drive)
    # What will be out of service on purpose meanwhile is no candidate
    if district.outages:
        found, drive, charge = _in_service(district, asked, found, drive, charge)
    # Paper 2.3.2: the chain of filters of each level
    found, drive, charge, relaxed = _chain(asked, levels, found, drive, charge)
    # 330-340, 420, 510-520, 610-630: queue, failure, sorting model, sub-recommendations, one cost
    columns, degraded = _judge(district, asked, models, levels, found, drive, charge)
    # 530: the object pile is the first of the order
    by_cost = columns.cost.total.argsort(axis=1, kind="stable")
    batch = Batch(columns, by_cost, found.valid.sum(axis=1).tolist())
    return order.ranked(batch, requests, levels, reach_km, reminders, relaxed, degraded)


def _judge(
    district: District,
    asked: Asked,
    models: Models,
    levels: Sequence[tuple[WarningLevel, str]],
    found: Candidates,
    drive: Drive,
    charge: Charge,
) -> tuple[Columns, tuple[str, ...]]:
    """All columns of the candidates, and the codes of what was missing."""
    evse, (charge_s, power_kw, energy_kwh) = found.evse, charge
    level = np.array([[int(level)] for level, _ in levels])
    # 340, 420: will it work, and be free, on arrival?
    works = arrival.p_working(found.status, district.failure_rate[evse], drive.drive_s)
    unusable = 1.0 - works
    free = arrival.p_free(found.status, drive.drive_s)
    # 330: queuing information, on arrival and not now
    wait = waiting.wait(district, found, asked, drive.drive_s, free)
    # Paper 2.3.2.2-3: price of this session, preference, load
    paid = price.session_price(district, found, energy_kwh, charge_s, asked.now_s)
    liked, visit_share = preference.columns(found, asked, drive.distance_km)
    used, grade = traffic.equilibrium(district, found, asked.now_s), traffic.grade(found, asked)
    # 510-520: features, and the sorting model
    inputs = FeatureInputs(
        wait_s=wait.expected_s, price=paid, p_unusable=unusable, preference=liked,
        visit_share=visit_share, equilibrium=used, traffic_grade=grade, charge_s=charge_s,
        power_kw=power_kw, level=level, **_facts(district, asked, found, drive),
    )  # fmt: skip
    features = assemble(inputs, found.valid)
    utilities, why = scores_or_rules(models.ranker, features, found.valid)
    known_user = np.array([[bool(request.user_id)] for request in asked.requests])
    # Of nobody it cannot be said what they like: equal shares.
    share = shares(np.where(known_user, utilities, np.float32(0.0)), found.valid)
    # 610-630: first and second sub-recommendation, merged
    first = travel.travel_scores(asked, drive, wait.expected_s, charge_s)
    second = merge.second_score(unusable)
    weight = merge.failure_weight(district.exposure_days[evse], asked.rules)
    score = merge.merged(first, second, weight)
    # One cost in seconds over all of it
    low = level == int(WarningLevel.LOW)
    seconds = cost(
        low, drive.drive_s, wait.expected_s, paid, unusable, used, grade, score, share,
        asked.rules, found.valid,
    )  # fmt: skip
    columns = Columns(
        found, drive, wait, charge_s, power_kw, energy_kwh, works, free, paid, liked, used, grade,
        features, share, first, second, weight, score, seconds,
    )  # fmt: skip
    return columns, ((why,) if why else ())


def _facts(
    district: District, asked: Asked, found: Candidates, drive: Drive
) -> dict[str, NDArray[np.generic]]:
    """Feature inputs that are facts of car, hour, pile, station and way."""
    evse = found.evse
    return {
        "soc_pct": asked.soc_pct,
        "hour": asked.hour,
        "drive_s": drive.drive_s,
        "distance_km": drive.distance_km,
        "detour_km": drive.detour_km,
        "destination_km": drive.destination_km,
        "arrival_soc_pct": drive.arrival_soc_pct,
        "dc": district.dc[evse],
        "status": found.status,
        "status_age_s": np.maximum(asked.now_s - district.observed_at_s[evse], 0.0),
        "queue_length": district.queue_length[evse],
        "station_free_share": found.of_station(found.near.free_share),
        "station_evse_count": district.station_size[district.station[evse]],
    }


def _levels(district: District, asked: Asked, found: Candidates) -> list[tuple[WarningLevel, str]]:
    """The warning level of each car among what it can reach."""
    levels = []
    nearest_km = found.of_station(found.near.station_km)[:, :1]
    left_min = ((asked.reach_km - nearest_km) / asked.speed_kmh * 60.0).ravel().tolist()
    known = found.valid[:, :1].ravel().tolist()
    counts = zip(found.fitting_in_reach.tolist(), found.around_count.tolist(), strict=True)
    for number, (in_reach, around) in enumerate(counts):
        request, context = asked.requests[number], asked.contexts[number]
        user = district.users.get(request.user_id) if request.user_id else None
        time_left_min = left_min[number] if known and known[number] else float("inf")
        seen = warning.Situation(
            request.soc_pct, in_reach, around, time_left_min, context.cars_around, user
        )
        levels.append(warning.level(seen, asked.now_s, asked.rules))
    return levels


def _charge(district: District, asked: Asked, found: Candidates, drive: Drive) -> Charge:
    """Seconds, average kW and kWh of the charge at each candidate."""
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


def _chain(
    asked: Asked,
    levels: Sequence[tuple[WarningLevel, str]],
    found: Candidates,
    drive: Drive,
    charge: Charge,
) -> tuple[Candidates, Drive, Charge, list[tuple[str, ...]]]:
    """The candidates that pass the filters of each request's level, at the front of its row."""
    high = np.array([[level is WarningLevel.HIGH] for level, _ in levels])
    keep, relaxed = chain.level_two(
        high, found.valid, drive.distance_km, asked.reach_km, charge[1], asked.rules
    )
    return *_narrowed(keep, found, drive, charge), relaxed


def _in_service(
    district: District, asked: Asked, found: Candidates, drive: Drive, charge: Charge
) -> tuple[Candidates, Drive, Charge]:
    """The candidates whose EVSE is not taken out of service before the car would be charged."""
    from_s = asked.now_s + drive.drive_s
    stay_s = np.array([[request.vehicle.setup_s] for request in asked.requests]) + charge[0]
    out = outages.meets(district, found.evse, from_s, from_s + stay_s, asked.now_s)
    return _narrowed(found.valid & ~out, found, drive, charge)


def _narrowed(
    keep: NDArray[np.bool_], found: Candidates, drive: Drive, charge: Charge
) -> tuple[Candidates, Drive, Charge]:
    """The candidates that are kept, at the front of each row."""
    if (keep == found.valid).all():
        return found, drive, charge
    width = keep.shape[1]
    flat = (~keep).argsort(axis=1, kind="stable") + np.arange(0, keep.size, width)[:, None]
    found = only(found, keep).take(flat)
    charge_s, power_kw, energy_kwh = charge
    moved = charge_s.take(flat), power_kw.take(flat), energy_kwh.take(flat)
    return found, rearrange(drive, flat), moved
