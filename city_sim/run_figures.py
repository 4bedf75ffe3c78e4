"""All indexes of one run as plain figures, by name with the unit last; None where nothing is known.

The formulas are the coordinator's (`core/indexes.py`, `core/indexes_field.py`); here are only the
columns of a simulated run that they take. Minutes and km.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from city_sim.cars import Car
from city_sim.city import Travel
from city_sim.past import NO_PAST, Past
from city_sim.recorder import Record
from city_sim.run_money import burden_min, money_figures
from city_sim.run_ways import way_figures
from coordinator.core.district import District
from coordinator.core.indexes import idle_gaps, traffic
from coordinator.core.indexes_field import no_plug, quantile


@dataclass(frozen=True, slots=True)
class Played:
    """A run that has ended; `asked` are the cars that asked and count."""

    district: District
    travel: Travel
    asked: Sequence[Car]
    record: Record
    past: Past = NO_PAST


def run_figures(run: Played) -> dict[str, float | None]:
    """Everything beside the times by which a run is judged."""
    asked = {car.index for car in run.asked}
    stays = [stay for stay in run.record.stays if stay.car in asked]
    stay_s: dict[int, float] = {}
    for stay in stays:
        stay_s[stay.car] = stay_s.get(stay.car, 0.0) + stay.to_s - stay.from_s
    told = way_figures(run.district, run.travel, run.asked)
    told |= _gaps(run.record) | _found(run.record, asked) | _jams(run.record, asked)
    told |= money_figures(run.district, run.asked, stay_s)
    broken = frozenset(stay.car for stay in stays if stay.broken)
    told["failed_charge_share"] = len(broken) / max(len({stay.car for stay in stays}), 1)
    told["burden_min"] = burden_min(run.district, run.asked, run.past, stay_s, broken)
    decisions_s = np.array(run.record.decisions_s, dtype=np.float64)
    told["decision_p50_ms"] = quantile(decisions_s, 0.5) * 1e3
    told["decision_p95_ms"] = quantile(decisions_s, 0.95) * 1e3
    return {key: None if math.isnan(value) else round(value, 5) for key, value in told.items()}


def _jams(record: Record, asked: set[int]) -> dict[str, float]:
    """How many of the drives went over ways of grade 4 and above; NaN if streets know none."""
    grades = np.array([grade for car, grade in record.grades if car in asked], dtype=np.float64)
    if not len(grades):
        return {"jammed_share": math.nan}
    return {"jammed_share": traffic(np.ones_like(grades), grades).jammed_share}


def _gaps(record: Record) -> dict[str, float]:
    """What gaps were left at the plugs, whoever charged."""
    gaps = idle_gaps(
        np.array([stay.evse for stay in record.stays], dtype=np.intp),
        np.array([stay.from_s for stay in record.stays], dtype=np.float64),
        np.array([stay.to_s for stay in record.stays], dtype=np.float64),
    )
    return {
        "idle_gap_count": float(gaps.count),
        "short_gap_share": gaps.short_share,
        "short_gap_time_share": gaps.short_time_share,
    }


def _found(record: Record, asked: set[int]) -> dict[str, float]:
    """What cars found when they came to a station."""
    rows = [(one.free, one.working, one.blocked) for one in record.arrivals if one.car in asked]
    found = no_plug(*np.array(rows, dtype=np.intp).reshape(-1, 3).T)
    return {
        "no_plug_share": found.share,
        "no_plug_occupied": found.occupied,
        "no_plug_out_of_service": found.out_of_service,
        "no_plug_blocked": found.blocked,
    }
