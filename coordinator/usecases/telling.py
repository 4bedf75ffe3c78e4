"""The sentences of an answer, from its numbers alone: what is stored tells the same again.

Pure. Which EVSEs are told, and their numbers, come from `wording.py`, or from the store by
`retelling.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from coordinator.core.areas.cost import TERMS
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend import explain
from coordinator.core.recommend.arrival import p_lasts
from coordinator.core.recommend.explain import Facts
from coordinator.core.recommend.situation import situation_text
from coordinator.usecases.answer import Figures, Judged, Reason, WhyNot

AVAILABLE = int(EvseStatus.AVAILABLE)
UNKNOWN = int(EvseStatus.UNKNOWN)
CHARGING = int(EvseStatus.CHARGING)
REASONS = 3


class Passed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An EVSE that an explanation names because it was not chosen; numbers where it was judged."""

    evse_id: str
    station_id: str
    name: str
    code: str = ""  # of a station without a candidate; else what it loses by decides
    figures: Figures | None = None
    terms_s: tuple[float, ...] = ()
    promised: int = 0
    currency: str = ""


class Said(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the sentences of an answer were made of, besides what is told with them."""

    terms_s: tuple[float, ...]  # of the choice, in the order of `cost.TERMS`
    reference_s: tuple[float, ...]  # mean of the best few
    utc_offset_h: float
    nearest: Passed | None = None
    passed_over: Passed | None = None


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
        figure.p_working * p_lasts(figure.failure_rate, figure.charge_s),
        figure.ahead,
        figure.status == AVAILABLE and not figure.ahead,
        figure.status != UNKNOWN,
    )


def choice(
    said: Said,
    name: str,
    figure: Figures,
    currency: str,
    status_age_s: float,
    done_at_s: float,
    language: str,
) -> tuple[tuple[Reason, ...], str, str]:
    """Reasons, summary, and the recommendation information in words."""
    facts = facts_of(name, figure, currency)
    told = explain.weigh(said.terms_s, said.reference_s, REASONS)
    values = explain.Values(facts)
    codes = [(explain.code_of(term, sign, facts), sign, weight) for term, sign, weight in told]
    reasons = tuple(
        Reason(code, sign, weight, explain.sentence(code, language, values))
        for code, sign, weight in codes
    )
    clock = _clock(done_at_s, said.utc_offset_h)
    summary = explain.summary(facts, status_age_s, clock, language)
    return reasons, summary, situation_of(figure, language)


def situation_of(figure: Figures, language: str) -> str:
    """The recommendation information of an EVSE in words."""
    return situation_text(
        figure.merged_score, figure.percent, figure.destination_km, 1.0 - figure.p_working, language
    )


def difference(
    figure: Figures, first: Figures, currency: str, language: str
) -> tuple[float, float | None, str]:
    """An alternative against the choice: seconds, price if known, and both in words."""
    more_s = figure.eta_s + figure.expected_wait_s - first.eta_s - first.expected_wait_s
    dearer = figure.price - first.price
    more = dearer if dearer == dearer else None
    return more_s, more, explain.difference_text(more_s, more, currency, language)


def compared(others: Sequence[Judged], first: Figures, language: str) -> tuple[Judged, ...]:
    """Alternatives with their differences to this choice."""
    told = []
    for judged in others:
        more = difference(judged.figures, first, judged.currency, language)
        told.append(
            msgspec.structs.replace(
                judged, difference_s=more[0], difference_price=more[1], difference_text=more[2]
            )
        )
    return tuple(told)


def why_not(said: Said, chosen: Figures, language: str) -> tuple[WhyNot, ...]:
    """Why the nearest station, and the ranker's first, were not chosen; empty where they were."""
    told = []
    if said.nearest is not None:
        told.append(_nearest(said.nearest, said.terms_s, chosen, language))
    over = said.passed_over
    if over is not None and over.figures is not None:
        words = {"name": over.name, "situation": situation_of(over.figures, language)}
        text = explain.sentence("NOT_RECOMMENDED", language, words)
        told.append(WhyNot(over.evse_id, over.station_id, over.name, "NOT_RECOMMENDED", text))
    return tuple(told)


def _nearest(passed: Passed, chosen_s: Sequence[float], chosen: Figures, language: str) -> WhyNot:
    figures = passed.figures
    if figures is None:
        text = explain.sentence(passed.code, language, {"name": passed.name})
        return WhyNot("", passed.station_id, passed.name, passed.code, text)
    longer = explain.minutes(figures.charge_s - chosen.charge_s)
    facts = facts_of(passed.name, figures, passed.currency)
    values = explain.Values(facts, {"charge": longer, "ahead": passed.promised})
    promised = passed.promised > 0 and figures.status != CHARGING
    code = _why(passed.terms_s, chosen_s, promised)
    text = explain.sentence(code, language, values)
    return WhyNot(passed.evse_id, passed.station_id, passed.name, code, text)


def _why(other_s: Sequence[float], chosen_s: Sequence[float], promised: bool) -> str:
    """The code of the term in which the other candidate loses most."""
    worst, code = explain.LEAST_S, "NOT_BETTER"
    for term, other, chosen in zip(TERMS, other_s, chosen_s, strict=True):
        if other - chosen > worst:
            worst, code = other - chosen, explain.CODES[term][1]
            if promised and term in ("wait", "load"):
                code = "HELD_BY_OTHERS"
            elif term == "wait":
                code = "OCCUPIED"
    return code


def _clock(instant_s: float, utc_offset_h: float) -> str:
    """Local time of day as HH:MM."""
    minutes = int(instant_s / 60.0 + utc_offset_h * 60.0) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
