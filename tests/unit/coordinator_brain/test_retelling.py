"""Sentences made again from the stored row are exactly those that were said."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from served_brain import HERE, KM_LAT, asking, district_of, station

from coordinator.brain import assemble_brain
from coordinator.clock import Clock
from coordinator.core.areas.ledger import Moment
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.features import COLUMN
from coordinator.rpc.charging_request import to_request
from coordinator.store.claims import MemoryClaims
from coordinator.usecases import inputs
from coordinator.usecases.answer import Answer
from coordinator.usecases.composing import answers
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from coordinator.usecases.retelling import retell, same
from coordinator.usecases.telling import Said
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns


class ByDistance:
    """A ranker that likes what is far."""

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return features[:, COLUMN["distance_km"]]


async def told(request: wire.RecommendRequest) -> tuple[Answer, Said]:
    """What a car is told in a town with a busy, a held and a broken EVSE, read from the store."""
    clock = Clock()
    moment = Moment(clock.now_s(), clock.link_s())
    stations = [station(chr(65 + n), 1.0 + n, 1 + n % 3) for n in range(8)]
    district = district_of(stations, moment.now_s, moment.link_s)
    district.status[0] = EvseStatus.CHARGING
    claims = MemoryClaims()
    events = Events(clock.now_s, clock.system_s)
    brain = assemble_brain(district, Models(ByDistance()), clock, events, Counters(), claims)
    answer = await brain.recommender.recommend(to_request(request))
    kept = await claims.answer(answer.recommendation_id)
    assert kept is not None
    # The world moves on; what was said does not.
    district.status[:] = EvseStatus.OUTOFORDER
    stored = inputs.unpack(kept.inputs)
    assert stored is not None
    assert stored.said is not None
    return answers.decode(kept.answer), stored.said


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("select_by", ["COST", "TIME", "RANKER", "MERGED"])
async def test_stored_row_tells_exactly_what_was_said(language: str, select_by: str) -> None:
    """Reasons with weights, summary, differences, why not the nearer one: word for word."""
    number = wire.SelectBy.Value(f"SELECT_BY_{select_by}")
    answer, said = await told(asking("car-1", language=language, select_by=number))

    assert same(retell(answer, said), answer)
    other = retell(answer, said, "zh" if language == "en" else "en")
    assert other.choice.summary != answer.choice.summary
    codes = [(reason.code, reason.sign, reason.weight) for reason in answer.choice.reasons]
    assert [(r.code, r.sign, r.weight) for r in other.choice.reasons] == codes


async def test_a_sentence_that_was_not_said_is_noticed() -> None:
    """Whoever changes a stored sentence, or the templates, is found out."""
    answer, said = await told(asking("car-1"))
    choice = msgspec.structs.replace(answer.choice, summary="free for you")
    forged = msgspec.structs.replace(answer, judged=(choice, *answer.judged[1:]))

    assert not same(retell(forged, said), forged)


async def test_a_first_that_is_not_recommended_is_named_with_its_words() -> None:
    """The ranker's first gave way to a better one of the next four, and the car is told why."""
    request = asking(
        "car-1",
        user_id="u",
        select_by=wire.SELECT_BY_RANKER,
        charge_place=wire.CHARGE_PLACE_AT_DESTINATION,
    )
    there = nouns.Position(latitude_deg=HERE[0] + KM_LAT, longitude_deg=HERE[1])
    request.destination.CopyFrom(there)
    answer, said = await told(request)
    chinese = retell(answer, said, "zh")

    passed = next(why for why in answer.why_not if why.code == "NOT_RECOMMENDED")
    assert "not recommended" in passed.text
    assert "points" in passed.text
    assert passed.evse_id != answer.choice.evse_id
    assert "不推荐" in next(w.text for w in chinese.why_not if w.code == "NOT_RECOMMENDED")
