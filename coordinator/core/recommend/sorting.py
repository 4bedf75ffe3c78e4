"""Sorts gathered candidates, of one district or of several: chain, ranker, scores, one cost.

Needs no district: what is known of each candidate comes in by `gather.py`. Source: US 12,393,974
B2, steps 330, 510-530, 610-630 and claims 4-5 (sorting by the main management platform).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core.areas.cost import cost
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend import chain, merge, order, traffic, travel
from coordinator.core.recommend.asked import Asked, charges_there
from coordinator.core.recommend.columns import Batch, Columns, Ranked
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.features import FeatureInputs, assemble
from coordinator.core.recommend.gather import Gathered
from coordinator.core.recommend.reminder import Reminder
from coordinator.core.recommend.rules import PRINTED, SUM
from coordinator.core.recommend.rules_ranker import scores_or_rules, shares
from coordinator.core.vehicle import WarningLevel

Floats = NDArray[np.float64]
Levels = Sequence[tuple[WarningLevel, str]]
LevelColumn = NDArray[np.int64]
Mask = NDArray[np.bool_]
_UNKNOWN = int(EvseStatus.UNKNOWN)


def sort(
    asked: Asked,
    levels: Levels,
    gathered: Gathered,
    models: Models,
    reminders: Sequence[Reminder | None],
) -> list[Ranked]:
    """The candidates of each request, best first.

    Source: US 12,393,974 B2, step 520; paper 2.3.2.
    """
    reach_km = asked.reach_km[:, 0].tolist()
    if not gathered.valid.any():
        return order.without_candidates(levels, reach_km, reminders)
    level = np.array([[int(level)] for level, _ in levels])
    # Paper 2.3.2: the chain of filters of each level
    filtered = _chain(asked, level, gathered)
    places, gathered = gathered.found.place, gathered.narrowed(filtered.keep)
    # 510-520, 610-630: sorting model, sub-recommendations, one cost
    columns, degraded = _judge(asked, models, level, gathered)
    degraded = (*gathered.missing, *degraded)
    # 530: the object pile is the first of the order
    by_cost = columns.cost.total.argsort(axis=1, kind="stable")
    batch = Batch(columns, by_cost, gathered.valid.sum(axis=1).tolist())
    batch.filtered = filtered, places
    batch.travel_learned = models.travel is not None and travel.UNAVAILABLE not in degraded
    return order.ranked(batch, asked, levels, reach_km, reminders, filtered.relaxed, degraded)


def _charged(asked: Asked) -> Mask:
    """The requests (r, 1) of cars that have what they want: no rate of charging matters to them.

    What the drive takes from a full battery is put back at the end of the curve, where the average
    power says nothing of the pile.
    """
    full_pct = 100.0 if asked.rules.waiting == PRINTED else asked.target_soc_pct
    return np.asarray(asked.soc_pct >= full_pct)


def _chain(asked: Asked, level: LevelColumn, known: Gathered) -> chain.Filtered:
    """Which candidates pass the filters of each request's level."""
    rules, valid = asked.rules, known.valid
    used = traffic.equilibrium(known.served, known.class_served)
    missing = ~_charged(asked) & (known.energy_kwh > 0.0)
    sooner_s = known.drive.drive_s + known.wait.expected_s
    passing = (
        chain.heard(known.found.status == _UNKNOWN, sooner_s, valid, rules),
        chain.working(known.p_working, rules),
        chain.occupancy(known.wait.ahead, rules),
        known.parking,
        chain.distance_band(known.drive.distance_km, asked.reach_km, rules),
        chain.charge_rate(known.power_kw, valid, missing, rules),
        chain.waiting(known.wait.p50_s, rules),
        chain.price(known.price, valid, rules),
        chain.traffic(known.traffic_grade, rules),
        chain.equilibrium(used, known.served, rules),
    )
    return chain.apply(level, valid, passing)


def _judge(
    asked: Asked, models: Models, level: LevelColumn, known: Gathered
) -> tuple[Columns, tuple[str, ...]]:
    """All columns of the candidates, and the codes of what was missing."""
    rules, valid, drive = asked.rules, known.valid, known.drive
    expected_s, grade = known.wait.expected_s, known.traffic_grade
    unusable = 1.0 - known.p_working
    used = traffic.equilibrium(known.served, known.class_served)
    # 510-520: features, and the sorting model
    features = _features(asked, level, known, used)
    utilities, why = scores_or_rules(models.ranker, features, valid)
    known_user = np.array([[bool(request.user_id)] for request in asked.requests])
    # Of nobody it cannot be said what they like: equal shares.
    share = shares(np.where(known_user, utilities, np.float32(0.0)), valid)
    # 610-630: first and second sub-recommendation, merged
    first, why_rule = travel.travel_scores(asked, known, models.travel)
    second = merge.second_score(unusable)
    weight = merge.second_weight(known.exposure_days, asked.contexts[0].iterations, rules)
    score = merge.combined(first, second, weight, rules)
    out_of_100 = merge.percent(score, first, weight) if rules.weights_by == SUM else score
    # One cost in seconds over all of it
    again = unusable + known.p_working * known.p_breaks_off
    if rules.taken_retry_s:
        again = again + known.p_working * (1.0 - known.p_free) * (
            rules.taken_retry_s / rules.retry_s
        )
    seconds = cost(
        level, drive.drive_s, expected_s, known.price, again, used, grade, out_of_100, share,
        rules, valid, known.found.of_station(known.found.near.crowd_s),
    )  # fmt: skip
    columns = Columns(
        known.found, drive, known.wait, known.charge_s, known.power_kw, known.energy_kwh,
        known.p_working, known.p_free, known.price, known.preference, used, grade, features, share,
        first, second, weight, score, seconds,
    )  # fmt: skip
    return columns, tuple(reason for reason in (why, why_rule) if reason)


def _features(
    asked: Asked, level: LevelColumn, known: Gathered, used: Floats
) -> NDArray[np.float32]:
    """What the sorting model sees: a factor that the level does not look at is neutral."""
    valid, drive = known.valid, known.drive
    paid, charge_s, power_kw = known.price, known.charge_s, known.power_kw
    awaited = known.expected_arrivals
    liked, visit_share, grade = known.preference, known.visit_share, known.traffic_grade
    high = level == int(WarningLevel.HIGH)
    rateless = high | _charged(asked)
    if rateless.any():
        charge_s, power_kw = (chain.neutral(c, valid, rateless) for c in (charge_s, power_kw))
    if high.any():
        paid, liked, visit_share = (np.where(high, 0.0, c) for c in (paid, liked, visit_share))
        if not isinstance(awaited, float):
            awaited = np.where(high, 0.0, awaited)
    not_low = level != int(WarningLevel.LOW)
    if not_low.any():
        used = chain.neutral(used, valid, not_low)
        if not isinstance(grade, float):
            grade = chain.neutral(grade, valid, not_low)
    inputs = FeatureInputs(
        wait_s=known.wait.expected_s, price=paid, p_unusable=1.0 - known.p_working,
        drive_s=drive.drive_s, distance_km=drive.distance_km, detour_km=drive.detour_km,
        charge_s=charge_s, power_kw=power_kw, dc=known.dc, status=known.found.status,
        status_age_s=known.status_age_s, queue_length=known.queue_length,
        station_free_share=known.station_free_share, station_evse_count=known.station_evse_count,
        preference=liked, visit_share=visit_share, equilibrium=used, traffic_grade=grade,
        destination_km=drive.destination_km, soc_pct=asked.soc_pct,
        arrival_soc_pct=drive.arrival_soc_pct, level=level, hour=asked.hour,
        expected_arrivals=awaited, charges_there=charges_there(asked) & asked.has_destination,
    )  # fmt: skip
    return assemble(inputs, valid)
