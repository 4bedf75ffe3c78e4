"""From the pipeline's columns to what a car is told: EVSEs judged, reasons, why not the nearer one.

Python objects are made only for the few EVSEs of an answer, never for all candidates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend import explain, price
from coordinator.core.recommend.columns import Columns, Ranked
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.explain import Facts
from coordinator.core.recommend.merge import situation
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases.answer import Figures, Judged, Quality, Reason, WhyNot

AVAILABLE = int(EvseStatus.AVAILABLE)
UNKNOWN = int(EvseStatus.UNKNOWN)
BROKEN = frozenset({int(EvseStatus.OUTOFORDER), int(EvseStatus.INOPERATIVE)})
FRESH_S = 120.0  # an older status is told as STALE, domain time
CONFIDENCE_S = 120.0  # a lead of so much cost makes the first e times as sure as the second
REASONS_OF_CHOICE = 3
REASONS_OF_OTHERS = 1


def pick(ranked: Ranked, choice: int, count: int) -> list[int]:
    """The choice and up to `count` alternatives, as candidates: other stations first.

    Two like EVSEs of one station are no alternatives to each other.
    """
    assert ranked.columns is not None
    place = ranked.columns.candidates.place
    picked, seen, rest = [choice], {int(place[choice])}, []
    for candidate in ranked.order.tolist():
        if len(picked) > count:
            break
        if candidate == choice:
            continue
        at = int(place[candidate])
        if at in seen:
            rest.append(candidate)
        else:
            seen.add(at)
            picked.append(candidate)
    return picked + rest[: max(0, count + 1 - len(picked))]


def judged(
    district: District,
    request: ChargingRequest,
    context: Context,
    ranked: Ranked,
    picked: Sequence[int],
    now_s: float,
) -> tuple[Judged, ...]:
    """The picked candidates as they are told, the first of them being the choice."""
    columns = ranked.columns
    assert columns is not None
    index = np.array(picked, dtype=np.intp)
    figures = _figures(district, columns, index)
    terms, reference = _terms(columns, ranked, index)
    sureness = _sureness(ranked, [figure.cost_s for figure in figures])
    quality = Quality.EXACT if context.roads.quality == "EXACT" else Quality.ESTIMATED
    made: list[Judged] = []
    for number, row in enumerate(columns.candidates.evse[index].tolist()):
        figure = figures[number]
        made.append(
            _judge(
                district, request, context, row, figure, figures[0], sureness[number], quality,
                terms[number], reference, now_s,
            )
        )  # fmt: skip
    return tuple(made)


def _judge(
    district: District,
    request: ChargingRequest,
    context: Context,
    row: int,
    figure: Figures,
    first: Figures,
    confidence: float,
    quality: Quality,
    terms: list[float],
    reference: list[float],
    now_s: float,
) -> Judged:
    """One EVSE as it is told."""
    language = request.language
    station_row = int(district.station[row])
    station, pile = district.stations[station_row], district.piles[int(district.pile[row])]
    currency, lines, valid_until_s = price.breakdown(
        district, station_row, figure.energy_kwh, figure.charge_s, now_s
    )
    facts = facts_of(pile.label or station.name or pile.pile_id, figure, currency)
    more_s = figure.eta_s + figure.expected_wait_s - first.eta_s - first.expected_wait_s
    more = figure.price - first.price
    paid = more if more == more else None
    age_s = max(now_s - figure.status_at_s, 0.0)
    done_at_s = (
        now_s + figure.eta_s + figure.expected_wait_s + request.vehicle.setup_s + figure.charge_s
    )
    chosen = figure is first
    return Judged(
        district.evse_ids[row],
        pile.pile_id,
        station.station_id,
        station.name,
        pile.label,
        station.latitude_deg if pile.latitude_deg is None else pile.latitude_deg,
        station.longitude_deg if pile.longitude_deg is None else pile.longitude_deg,
        station.operator_url,
        figure,
        confidence,
        done_at_s,
        quality,
        max(request.target_soc_pct, figure.arrival_soc_pct),
        currency,
        lines,
        valid_until_s,
        age_s,
        _data_quality(figure.status, age_s),
        situation(figure.merged_score),
        _reasons(terms, reference, facts, chosen, language),
        0.0 if chosen else more_s,
        None if chosen else paid,
        "" if chosen else explain.difference_text(more_s, paid, currency, language),
        explain.summary(facts, age_s, _clock(done_at_s, context), language),
    )


def facts_of(name: str, figure: Figures, currency: str) -> Facts:
    """The figures that sentences name."""
    return Facts(
        name,
        figure.eta_s,
        figure.distance_km,
        figure.wait_s,
        figure.charge_s,
        figure.price if figure.price == figure.price else None,
        currency,
        figure.p_working,
        figure.ahead,
        figure.status == AVAILABLE and not figure.ahead,
    )


def _figures(
    district: District, columns: Columns, index: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> list[Figures]:
    """The columns of the picked candidates, one `Figures` each."""
    evse = columns.candidates.evse[index]
    drive, wait = columns.drive, columns.wait
    rows = zip(
        drive.drive_s[index].tolist(),
        drive.drive_p90_s[index].tolist(),
        wait.p50_s[index].tolist(),
        wait.p90_s[index].tolist(),
        wait.expected_s[index].tolist(),
        columns.charge_s[index].tolist(),
        columns.energy_kwh[index].tolist(),
        drive.distance_km[index].tolist(),
        drive.detour_km[index].tolist(),
        drive.detour_s[index].tolist(),
        columns.price[index].tolist(),
        columns.power_kw[index].tolist(),
        drive.arrival_soc_pct[index].tolist(),
        district.failure_rate[evse].tolist(),
        columns.p_working[index].tolist(),
        columns.p_free[index].tolist(),
        columns.candidates.status[index].tolist(),
        district.observed_at_s[evse].tolist(),
        district.source[evse].tolist(),
        district.last_success_at_s[evse].tolist(),
        wait.ahead[index].tolist(),
        columns.first[index].tolist(),
        columns.second[index].tolist(),
        columns.merged[index].tolist(),
        columns.failure_weight[index].tolist(),
        columns.share[index].tolist(),
        columns.cost.total[index].tolist(),
        strict=True,
    )
    return [Figures(*row) for row in rows]


def _terms(
    columns: Columns, ranked: Ranked, index: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> tuple[list[list[float]], list[float]]:
    """Cost terms of the picked candidates, and the mean of the best eight, seconds."""
    best = ranked.order[: explain.REFERENCE_COUNT]
    terms = np.array(columns.cost.terms())
    picked: list[list[float]] = terms[:, index].T.tolist()
    reference: list[float] = terms[:, best].mean(axis=1).tolist()
    return picked, reference


def _sureness(ranked: Ranked, costs: Sequence[float]) -> list[float]:
    """How sure each picked candidate is the best of the best eight, 0-1."""
    assert ranked.columns is not None
    best = ranked.columns.cost.total[ranked.order[: explain.REFERENCE_COUNT]].tolist()
    least = min(best)
    whole = sum(math.exp((least - cost) / CONFIDENCE_S) for cost in best)
    return [min(1.0, math.exp(min(0.0, least - cost) / CONFIDENCE_S) / whole) for cost in costs]


def _reasons(
    terms: Sequence[float], reference: Sequence[float], facts: Facts, chosen: bool, language: str
) -> tuple[Reason, ...]:
    limit = REASONS_OF_CHOICE if chosen else REASONS_OF_OTHERS
    told = explain.weigh(terms, reference)[:limit]
    if not told:
        return ()
    values = explain.values_of(facts)
    codes = [(explain.code_of(term, sign, facts), sign, weight) for term, sign, weight in told]
    return tuple(
        Reason(code, sign, weight, explain.sentence(code, language, values))
        for code, sign, weight in codes
    )


def _data_quality(status: int, age_s: float) -> str:
    if status == UNKNOWN or not math.isfinite(age_s):
        return "UNKNOWN"
    return "FRESH" if age_s <= FRESH_S else "STALE"


def _clock(instant_s: float, context: Context) -> str:
    """Local time of day as HH:MM."""
    minutes = int(instant_s / 60.0 + context.utc_offset_h * 60.0) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def why_not(
    district: District, request: ChargingRequest, ranked: Ranked, choice: int
) -> tuple[WhyNot, ...]:
    """Why the nearest station was not chosen; empty if it was."""
    columns = ranked.columns
    assert columns is not None
    found = columns.candidates
    if int(found.place[choice]) == 0:
        return ()
    station_row = int(found.stations[0])
    station = district.stations[station_row]
    there = (found.place == 0).nonzero()[0]
    if not len(there):
        start = int(district.station_start[station_row])
        statuses = district.status[start : start + int(district.station_size[station_row])]
        broken = len(statuses) > 0 and all(status in BROKEN for status in statuses.tolist())
        code = "OUT_OF_ORDER" if broken else "NOT_FITTING"
        text = explain.sentence(code, request.language, {"name": station.name})
        return (WhyNot("", station.station_id, station.name, code, text),)
    best = int(there[columns.cost.total[there].argmin()])
    row = int(found.evse[best])
    figure, chosen = _figures(district, columns, np.array([best, choice], dtype=np.intp))
    tariff = district.tariffs.get(station.tariff_id)
    currency = tariff.currency if tariff is not None else ""
    facts = facts_of(station.name or station.station_id, figure, currency)
    values = explain.values_of(facts)
    values["charge"] = explain.minutes(figure.charge_s - chosen.charge_s)
    values["ahead"] = int(district.claim_count[row])
    code = _why(columns, best, choice, bool(columns.wait.held[best]))
    text = explain.sentence(code, request.language, values)
    return (WhyNot(district.evse_ids[row], station.station_id, station.name, code, text),)


def _why(columns: Columns, other: int, choice: int, held: bool) -> str:
    """The code of the term in which the other candidate loses most."""
    cost = columns.cost
    worse = {
        "HELD_BY_OTHERS" if held else "OCCUPIED": cost.wait[other] - cost.wait[choice],
        "DEAR": cost.price[other] - cost.price[choice],
        "MAY_FAIL": cost.retry[other] - cost.retry[choice],
        "OFF_TRIP": cost.score[other] - cost.score[choice],
        "MUCH_USED": cost.load[other] - cost.load[choice],
        "LESS_LIKED": cost.ranker[other] - cost.ranker[choice],
    }
    code = max(worse, key=lambda name: float(worse[name]))
    return code if worse[code] > explain.LEAST_S else "NOT_BETTER"


def day_clock(instant_s: float) -> str:
    """UTC time of day, for people who watch."""
    return f"{datetime.fromtimestamp(instant_s, UTC):%H:%M:%S}"
