"""One list of alternatives out of those of several districts, against the choice of one."""

from __future__ import annotations

from coordinator.core.recommend import explain
from coordinator.rpc.city.finding import Found
from pilewise.v1 import charging_service_pb2 as charging

MICROS = 1_000_000


def merged(
    promise: charging.Promise, found: Found, district: str, count: int, language: str
) -> dict[str, str]:
    """Lists in a promise the best alternatives of all districts; gives those of other districts.

    Of its own district only what that district lists itself, so that it can be confirmed there; one
    of each station first, as in a district's own list.
    """
    own = {one.evse.evse_id: one for one in promise.alternatives}
    told = {one.evse.evse_id: one for answer in found.answers.values() for one in answer.candidates}
    choice = promise.choice
    picked: list[tuple[charging.Recommendation, str]] = []
    rest: list[tuple[charging.Recommendation, str]] = []
    seen = {choice.evse.station_id}
    elsewhere: dict[str, str] = {}
    for evse_id, owner in zip(found.sorted.evse_ids, found.sorted.district_ids, strict=True):
        one = own.get(evse_id) if owner == district else told.get(evse_id)
        if one is None or evse_id == choice.evse.evse_id:
            continue
        (rest if one.evse.station_id in seen else picked).append((one, owner))
        seen.add(one.evse.station_id)
    listed = [*picked, *rest][:count]
    alternatives = []
    for rank, (one, owner) in enumerate(listed, start=2):
        alternative = charging.Recommendation()
        alternative.CopyFrom(one)
        alternative.rank = rank
        if owner != district:
            elsewhere[one.evse.evse_id] = owner
            _compare(alternative, found, choice, language)
        alternatives.append(alternative)
    del promise.alternatives[:]
    promise.alternatives.extend(alternatives)
    return elsewhere


def _compare(
    alternative: charging.Recommendation,
    found: Found,
    choice: charging.Recommendation,
    language: str,
) -> None:
    """What it costs against the choice; reasons and summary are of a choice only."""
    theirs, ours = _expected_s(alternative, found), _expected_s(choice, found)
    difference = alternative.difference
    difference.duration_s = theirs - ours
    more = None
    if alternative.price.HasField("total") and choice.price.HasField("total"):
        money, own = alternative.price.total, choice.price.total
        if money.currency == own.currency:
            more = (money.micros - own.micros) / MICROS
            difference.price.currency = money.currency
            difference.price.micros = money.micros - own.micros
    currency = alternative.price.total.currency
    difference.text = explain.difference_text(theirs - ours, more, currency, language)
    del alternative.reasons[:]
    alternative.summary = alternative.scores.text = ""


def _expected_s(one: charging.Recommendation, found: Found) -> float:
    facts = found.facts_of(one.evse.evse_id)
    wait_s = one.wait_s.p50 if facts is None else facts.expected_wait_s
    return float(one.eta_s.p50 + wait_s)


def unheld(
    response: charging.RecommendResponse, found: Found, name: str, reason: str
) -> charging.RecommendResponse:
    """The best candidate of all, which nothing stands behind, and says so."""
    best, owner = found.sorted.evse_ids[0], found.sorted.district_ids[0]
    promise, ranked = response.promise, found.sorted.ranked
    promise.recommendation_id, promise.revision = name, 1
    promise.stage = charging.STAGE_AREA
    promise.district_id = owner
    promise.level = int(ranked.level)  # type: ignore[assignment]  # the same numbers
    promise.level_reason = ranked.level_reason
    promise.degraded = True
    promise.degraded_reasons.append(reason)
    for one in found.answers[owner].candidates:
        if one.evse.evse_id == best:
            promise.choice.CopyFrom(one)
    promise.choice.evse.evse_id = best
    promise.choice.hold.kind = charging.HOLD_KIND_NONE
    promise.choice.hold.reason_code = reason
    promise.area.name = promise.choice.evse.station_name
    promise.area.station_ids.append(promise.choice.evse.station_id)
    promise.area.navigate_to.CopyFrom(promise.choice.evse.position)
    return response
