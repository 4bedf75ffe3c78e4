"""From the pipeline's columns to what a car is told: EVSEs judged, reasons, why not the nearer one.

Python objects are made only for the few EVSEs of an answer, never for all candidates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend import price
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.merge import situation
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases import telling
from coordinator.usecases.answer import Figures, Judged, Place, Quality, Reason
from coordinator.usecases.figures import BEST, Line, Lines
from coordinator.usecases.telling import UNKNOWN, Passed, Said

NO_REASONS: tuple[Reason, ...] = ()
NO_LINES: tuple[tuple[str, float], ...] = ()
BROKEN = frozenset({int(EvseStatus.OUTOFORDER), int(EvseStatus.INOPERATIVE)})
FRESH_S = 120.0  # an older status is told as STALE, domain time


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
    said: Said,
    now_s: float,
) -> tuple[Judged, ...]:
    """The picked candidates as they are told, the first of them being the choice."""
    exact = context.roads.quality == "EXACT" and not request.coarse
    quality = Quality.EXACT if exact else Quality.ESTIMATED
    told = [lines.of(candidate) for candidate in picked]
    first = told[0].figures
    return tuple(_judge(district, request, line, first, quality, said, now_s) for line in told)


def _judge(
    district: District,
    request: ChargingRequest,
    line: Line,
    first: Figures,
    quality: Quality,
    said: Said,
    now_s: float,
) -> Judged:
    """One EVSE as it is told; reasons, summary and price lines only where it is the choice."""
    figure, (place, currency) = line.figures, _spot(district, line.row)
    age_s = max(now_s - figure.status_at_s, 0.0)
    stay_s = request.vehicle.setup_s + figure.charge_s
    done_at_s = now_s + figure.eta_s + figure.expected_wait_s + stay_s
    reasons, summary, words = NO_REASONS, "", ""
    price_lines, until_s = NO_LINES, None
    more: tuple[float, float | None, str] = (0.0, None, "")
    if figure is first:
        reasons, summary, words = telling.choice(
            said, place.name, figure, currency, age_s, done_at_s, request.language
        )
        during = price.stay_of(request, figure, now_s)
        price_lines, until_s = price.breakdown(district, int(district.station[line.row]), during)
    else:
        more = telling.difference(figure, first, currency, request.language)
    return Judged(
        place,
        figure,
        line.sureness,
        done_at_s,
        quality,
        max(request.target_soc_pct, figure.arrival_soc_pct),
        currency,
        price_lines,
        until_s,
        age_s,
        data_quality(figure.status, age_s),
        situation(figure.percent),
        reasons,
        *more,
        summary,
        words,
    )


def place_of(district: District, row: int) -> Place:
    """Which EVSE a row is, and where it stands; made once for each."""
    return _spot(district, row)[0]


def _spot(district: District, row: int) -> tuple[Place, str]:
    """The place of an EVSE, and in which currency it is paid there; made once for each."""
    spots = district.derived.get("spots")
    if not isinstance(spots, dict):
        spots = district.derived["spots"] = {}
    spot: tuple[Place, str] | None = spots.get(row)
    if spot is None:
        station = district.stations[int(district.station[row])]
        pile = district.piles[int(district.pile[row])]
        place = Place(
            district.evse_ids[row],
            pile.pile_id,
            station.station_id,
            station.name,
            pile.label,
            station.latitude_deg if pile.latitude_deg is None else pile.latitude_deg,
            station.longitude_deg if pile.longitude_deg is None else pile.longitude_deg,
            station.operator_url,
        )
        tariff = district.tariffs.get(station.tariff_id)
        spot = spots[row] = place, "" if tariff is None else tariff.currency
    return spot


def data_quality(status: int, age_s: float) -> str:
    """How far a status of this age can be relied on."""
    if status == UNKNOWN or not math.isfinite(age_s):
        return "UNKNOWN"
    return "FRESH" if age_s <= FRESH_S else "STALE"


def said(district: District, context: Context, ranked: Ranked, lines: Lines, choice: int) -> Said:
    """What the sentences about this choice are made of."""
    terms_s = tuple(lines.of(choice).terms_s)
    over = ranked.passed_over
    return Said(
        terms_s,
        tuple(lines.reference_s),
        context.utc_offset_h,
        _nearest(district, ranked, lines, choice),
        None if over is None or over == choice else _passed(district, lines.of(over)),
    )


def _nearest(district: District, ranked: Ranked, lines: Lines, choice: int) -> Passed | None:
    """The best EVSE of the nearest station, or why it has none; None if that is the choice's."""
    assert ranked.batch is not None
    found = ranked.batch.columns.candidates
    place = found.place[ranked.number].tolist()
    if place[choice] == 0:
        return None
    station_row = int(found.near.stations[ranked.number, 0])
    station = district.stations[station_row]
    name = station.name or station.station_id
    best = next((other for other in ranked.order.tolist() if place[other] == 0), None)
    if best is not None:
        return _passed(district, lines.of(best), name)
    unsuited = ranked.batch.filtered_out(ranked.number, 0)
    if unsuited:
        return Passed("", station.station_id, name, f"UNSUITED_{unsuited}")
    start = int(district.station_start[station_row])
    statuses = district.status[start : start + int(district.station_size[station_row])]
    broken = len(statuses) > 0 and all(status in BROKEN for status in statuses.tolist())
    return Passed("", station.station_id, name, "OUT_OF_ORDER" if broken else "NOT_FITTING")


def _passed(district: District, line: Line, name: str = "") -> Passed:
    """A candidate that is named because it was not chosen."""
    place, currency = _spot(district, line.row)
    return Passed(
        place.evse_id,
        place.station_id,
        name or place.name,
        "",
        line.figures,
        tuple(line.terms_s),
        int(district.claim_count[line.row]),
        currency,
    )


def day_clock(instant_s: float) -> str:
    """UTC time of day, for people who watch."""
    return f"{datetime.fromtimestamp(instant_s, UTC):%H:%M:%S}"
