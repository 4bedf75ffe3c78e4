"""Every figure of the recommendation that somebody may want to change, named, with its default.

Tables measured on data (persistence of statuses, lengths of sessions) stand where they are used.
"""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.core.vehicle import SelectBy

# What moves the weight of the failure score (step 630), or that both scores are added.
EVIDENCE, ITERATIONS, SUM = "evidence", "iterations", "sum"
# Everyone ahead, energy to the target on a tapering curve; or Eq. (5)-(7) of the paper as printed.
EVERYONE, PRINTED = "everyone", "printed"


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of the pipeline; the defaults are the documented ones.

    Source: US 12,393,974 B2, steps 320, 610, 630; paper 2.2, 2.3.
    """

    # Which of the documents' ways, where there are several
    select_by: SelectBy = SelectBy.COST  # for requests that do not say
    weights_by: str = EVIDENCE  # or ITERATIONS, or SUM
    waiting: str = EVERYONE  # or PRINTED

    # Intention (paper 2.1)
    least_drivers: int = 5  # with a history, before it stands in for a driver without one

    # Candidates (steps 310-320)
    candidate_limit: int = 64
    stations_at_first: int = 24
    stations_at_most: int = 96
    open_wanted: int = 8  # look further while fewer candidates are free and not held
    open_per_station: int = 2  # EVSEs of one station and kind of current that are judged
    taken_per_station: int = 1  # the same, where a car charges or is expected
    queue_places: int = 3  # cars promised to one EVSE at once

    # Warning levels (paper 2.2)
    high_soc_pct: float = 15.0
    medium_soc_pct: float = 40.0
    high_time_left_min: float = 20.0
    high_piles_in_reach: int = 3
    cars_per_pile: float = 7.6  # Source: paper 1, national ratio of January 2019
    thin_evse_per_km2: float = 0.5
    around_km: float = 3.0

    # Chain (paper 2.3.2)
    nearest_band_km: float = 0.2
    farthest_band_share: float = 0.6  # of the remaining range
    charge_rate_share: float = 0.2  # of the best average power among the candidates
    likely_to_fail: float = 0.3  # P(unusable on arrival) from which a pile is one to avoid
    longest_wait_s: float = 3600.0
    dearest_times: float = 2.0  # the mean price of this session among the candidates
    worst_grade: float = 4.0  # of the way, 1-5
    overused: float = 2.0  # equilibrium from which an EVSE is used too much
    distance_floor_km: float = 0.05

    # One cost (seconds)
    value_of_time_per_h: float = 30.0  # in the tariff's currency
    retry_s: float = 900.0
    taken_retry_s: float = 0.0  # beyond the wait, where another car stands there on arrival
    score_s: float = 300.0  # tau
    ranker_s: float = 180.0  # rho
    load_s: float = 60.0
    crowding: float = 0.5  # of a mean stay, by which a car beyond the plugs puts off who comes next

    # Scores (steps 610-630)
    travel_near_km: float = 0.3
    travel_far_km: float = 2.0
    travel_end_km: float = 10.0
    late_per_min: float = 2.0
    failure_weight: float = 0.3  # Source: step 630
    failure_weight_rise: float = 0.3
    failure_weight_half_days: float = 30.0
    failure_weight_half_iterations: float = 10.0

    # Drive
    walk_kmh: float = 4.5
    eco_soc_pct: float = 10.0
    eco_share: float = 0.85  # of the usual speed
    drive_p90: float = 1.35  # times the median


DEFAULT_RULES = Rules()
