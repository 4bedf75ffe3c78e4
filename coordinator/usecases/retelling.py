"""Tells a stored answer again: every sentence is made anew from the stored numbers alone.

Pure. Nothing is looked up in the district, which has moved on since.
"""

from __future__ import annotations

import msgspec

from coordinator.usecases import telling
from coordinator.usecases.answer import Answer, Judged
from coordinator.usecases.telling import Said

_encode = msgspec.msgpack.Encoder().encode


def retell(answer: Answer, said: Said, language: str = "") -> Answer:
    """The answer with its sentences made again, in this language or in that of the car."""
    language = language or answer.language
    first = answer.choice
    told = [_choice(first, said, language)]
    for judged in answer.judged[1:]:
        more = telling.difference(judged.figures, first.figures, judged.currency, language)
        told.append(
            msgspec.structs.replace(
                judged, difference_s=more[0], difference_price=more[1], difference_text=more[2]
            )
        )
    return msgspec.structs.replace(
        answer,
        language=language,
        judged=tuple(told),
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
