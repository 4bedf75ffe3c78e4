"""Tells a stored answer again: every sentence is made anew from the stored numbers alone.

Pure. Nothing is looked up in the district, which has moved on since.
"""

from __future__ import annotations

import msgspec

from coordinator.core.recommend import explain
from coordinator.usecases import ahead_words, telling
from coordinator.usecases.answer import Answer, Judged
from coordinator.usecases.queue import NO_LONGER, QUEUE_DELAYED, QUEUE_MOVED, YOUR_TURN
from coordinator.usecases.telling import Said

MOVED_UP = frozenset({QUEUE_MOVED, YOUR_TURN})

_encode = msgspec.msgpack.Encoder().encode


def retell(answer: Answer, said: Said, language: str = "") -> Answer:
    """The answer with its sentences made again, in this language or in that of the car."""
    language = language or answer.language
    first = answer.choice
    change = answer.change
    moved = change is not None and change.code in MOVED_UP
    if change is not None and moved:
        choice = _moved_up(first, said, change.code, language)
        change = msgspec.structs.replace(change, text=choice.summary)
    elif change is not None and change.code == QUEUE_DELAYED:
        choice = _delayed(first, said, language)
        change = msgspec.structs.replace(change, text=choice.summary)
    else:
        choice = _choice(first, said, language)
    if answer.window is not None:
        choice = ahead_words.kept(choice, answer.window, said.utc_offset_h, language)
    return msgspec.structs.replace(
        answer,
        change=change,
        language=language,
        judged=(choice, *telling.compared(answer.judged[1:], first.figures, language)),
        why_not=telling.why_not(said, first.figures, language),
    )


def same(one: Answer, other: Answer) -> bool:
    """Whether two answers say the same in all; what is unknown in both is the same."""
    return _encode(one) == _encode(other)


def _choice(first: Judged, said: Said, language: str) -> Judged:
    reasons, summary, words = telling.choice(
        said,
        first.place.name,
        first.figures,
        first.currency,
        first.status_age_s,
        first.done_at_s,
        language,
    )
    return msgspec.structs.replace(first, reasons=reasons, summary=summary, situation_text=words)


def _delayed(first: Judged, said: Said, language: str) -> Judged:
    """The choice after somebody stayed longer: the news is its summary."""
    told = _choice(first, said, language)
    codes = {reason.code for reason in first.reasons}
    kept = tuple(r for r in told.reasons if r.code in codes and r.code not in NO_LONGER)
    words = {"name": first.place.name, "wait": explain.minutes(first.figures.wait_s)}
    summary = explain.sentence(QUEUE_DELAYED, language, words)
    return msgspec.structs.replace(told, reasons=kept, summary=summary)


def _moved_up(first: Judged, said: Said, code: str, language: str) -> Judged:
    """The choice after cars ahead have gone: the news is its summary, its wait is what is left."""
    figures = first.figures
    # The reasons are those of the time when cars were ahead.
    waiting = msgspec.structs.replace(figures, ahead=max(figures.ahead, 1))
    told = _choice(msgspec.structs.replace(first, figures=waiting), said, language)
    kept = tuple(r for r in told.reasons if r.code != "WAIT" or explain.minutes(figures.wait_s))
    words = {"name": first.place.name, "ahead": figures.ahead}
    summary = explain.sentence(code, language, words)
    return msgspec.structs.replace(told, figures=figures, reasons=kept, summary=summary)
