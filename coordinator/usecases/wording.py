"""From the pipeline's columns to what a car is told: EVSEs judged, reasons, why not the nearer one.

Python objects are made only for the few EVSEs of an answer, never for all candidates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from coordinator.core.areas.cost import TERMS
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend import explain, price
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.explain import Facts
from coordinator.core.recommend.merge import situation
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases.answer import Figures, Judged, Place, Quality, Reason, WhyNot
from coordinator.usecases.figures import BEST, Line, Lines

AVAILABLE = int(EvseStatus.AVAILABLE)
UNKNOWN = int(EvseStatus.UNKNOWN)
CHARGING = int(EvseStatus.CHARGING)
BROKEN = frozenset({int(EvseStatus.OUTOFORDER), int(EvseStatus.INOPERATIVE)})
FRESH_S = 120.0  # an older status is told as STALE, domain time
REASONS = 3


def pick(ranked: Ranked, choice: int, count: int) -> list[int]:
    """The choice and up to `count` alternatives, as candidates: other stations first.

    Two like EVSEs of one station are no alternatives to each other.
    """
    assert ranked.batch is not None
    place = ranked.batch.columns.candidates.place[ranked.number].tolist()
    picked, seen, rest = [choice], {place[choice]}, []
    for candidate in ranked.order[: max(BEST, count + 1)].tolist():
        if len(picked) > count:
            break
        if candidate == choice:
            continue
        at = place[candidate]
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
    lines: Lines,
    picked: Sequence[int],
    now_s: float,
) -> tuple[Judged, ...]:
    """The picked candidates as they are told, the first of them being the choice."""
    exact = context.roads.quality == "EXACT" and not request.coarse
    quality = Quality.EXACT if exact else Quality.ESTIMATED
    told = [lines.of(candidate) for candidate in picked]
    first = told[0].figures
    return tuple(
        _judge(district, request, context, line, first, quality, lines.reference_s, now_s)
        for line in told
    )


def _judge(
    district: District,
    request: ChargingRequest,
    context: Context,
    line: Line,
    first: Figures,
    quality: Quality,
    reference_s: list[float],
    now_s: float,
) -> Judged:
    """One EVSE as it is told."""
    figure, place = line.figures, place_of(district, line.row)
    currency = _currency(district, line.row)
    age_s = max(now_s - figure.status_at_s, 0.0)
    stay_s = request.vehicle.setup_s + figure.charge_s
    done_at_s = now_s + figure.eta_s + figure.expected_wait_s + stay_s
    words, more_s, more, difference = _Words(), 0.0, None, ""
    if figure is first:
        words = _words(district, request, context, line, reference_s, (now_s, age_s, done_at_s))
    else:
        more_s = figure.eta_s + figure.expected_wait_s - first.eta_s - first.expected_wait_s
        dearer = figure.price - first.price
        more = dearer if dearer == dearer else None
        difference = explain.difference_text(more_s, more, currency, request.language)
    return Judged(
        place,
        figure,
        line.sureness,
        done_at_s,
        quality,
        max(request.target_soc_pct, figure.arrival_soc_pct),
        currency,
        words.price_lines,
        words.price_until_s,
        age_s,
        _data_quality(figure.status, age_s),
        situation(figure.merged_score),
        words.reasons,
        more_s,
        more,
        difference,
        words.summary,
    )


class _Words(NamedTuple):
    """What is told of the choice only."""

    price_lines: tuple[tuple[str, float], ...] = ()
    price_until_s: float | None = None
    reasons: tuple[Reason, ...] = ()
    summary: str = ""


def _words(
    district: District,
    request: ChargingRequest,
    context: Context,
    line: Line,
    reference_s: list[float],
    times_s: tuple[float, float, float],
) -> _Words:
    """Reasons, summary and price lines; the times are now, age of the status, end of the charge."""
    now_s, age_s, done_at_s = times_s
    figure, place = line.figures, place_of(district, line.row)
    facts = facts_of(place.name, figure, _currency(district, line.row))
    lines, until_s = price.breakdown(
        district, int(district.station[line.row]), figure.energy_kwh, figure.charge_s, now_s
    )
    reasons = _reasons(line.terms_s, reference_s, facts, request.language)
    clock = _clock(done_at_s, context)
    summary = explain.summary(facts, age_s, clock, request.language)
    return _Words(lines, until_s, reasons, summary)


def place_of(district: District, row: int) -> Place:
    """Which EVSE a row is, and where it stands; made once for each."""
    places = district.derived.get("places")
    if not isinstance(places, dict):
        places = district.derived["places"] = {}
    place: Place | None = places.get(row)
    if place is None:
        station = district.stations[int(district.station[row])]
        pile = district.piles[int(district.pile[row])]
        place = places[row] = Place(
            district.evse_ids[row],
            pile.pile_id,
            station.station_id,
            station.name,
            pile.label,
            station.latitude_deg if pile.latitude_deg is None else pile.latitude_deg,
            station.longitude_deg if pile.longitude_deg is None else pile.longitude_deg,
            station.operator_url,
        )
    return place


def _currency(district: District, row: int) -> str:
    tariff_id = district.stations[int(district.station[row])].tariff_id
    tariff = district.tariffs.get(tariff_id)
    return "" if tariff is None else tariff.currency


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
        figure.status != UNKNOWN,
    )


def _reasons(
    terms: Sequence[float], reference: Sequence[float], facts: Facts, language: str
) -> tuple[Reason, ...]:
    told = explain.weigh(terms, reference, REASONS)
    values = explain.Values(facts)
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
    district: District, request: ChargingRequest, ranked: Ranked, lines: Lines, choice: int
) -> tuple[WhyNot, ...]:
    """Why the nearest station was not chosen; empty if it was."""
    assert ranked.batch is not None
    found = ranked.batch.columns.candidates
    place = found.place[ranked.number].tolist()
    if place[choice] == 0:
        return ()
    station_row = int(found.near.stations[ranked.number, 0])
    station = district.stations[station_row]
    name = station.name or station.station_id
    best = next((other for other in ranked.order.tolist() if place[other] == 0), None)
    if best is None:
        start = int(district.station_start[station_row])
        statuses = district.status[start : start + int(district.station_size[station_row])]
        broken = len(statuses) > 0 and all(status in BROKEN for status in statuses.tolist())
        code = "OUT_OF_ORDER" if broken else "NOT_FITTING"
        text = explain.sentence(code, request.language, {"name": name})
        return (WhyNot("", station.station_id, name, code, text),)
    other, chosen = lines.of(best), lines.of(choice)
    currency = _currency(district, other.row)
    promised = int(district.claim_count[other.row])
    longer = explain.minutes(other.figures.charge_s - chosen.figures.charge_s)
    values = explain.Values(
        facts_of(name, other.figures, currency), {"charge": longer, "ahead": promised}
    )
    code = _why(other.terms_s, chosen.terms_s, promised > 0 and other.figures.status != CHARGING)
    text = explain.sentence(code, request.language, values)
    evse_id = district.evse_ids[other.row]
    return (WhyNot(evse_id, station.station_id, name, code, text),)


def _why(other_s: list[float], chosen_s: list[float], promised: bool) -> str:
    """The code of the term in which the other candidate loses most."""
    worst, code = explain.LEAST_S, "NOT_BETTER"
    for term, other, chosen in zip(TERMS, other_s, chosen_s, strict=True):
        if other - chosen > worst:
            worst, code = other - chosen, explain.CODES[term][1]
            if term == "wait":
                code = "HELD_BY_OTHERS" if promised else "OCCUPIED"
    return code


def day_clock(instant_s: float) -> str:
    """UTC time of day, for people who watch."""
    return f"{datetime.fromtimestamp(instant_s, UTC):%H:%M:%S}"
