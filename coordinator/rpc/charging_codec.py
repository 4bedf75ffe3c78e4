"""What a car is told, from values to the wire. Requests come in by `charging_request.py`.

Messages are filled in place, field by field: nested messages given to a constructor are copied.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.models.bundle import PartInfo
from coordinator.usecases.answer import Answer, Hold, Judged, Place, Reminded
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

MICROS = 1_000_000


class ChargingCodec:
    """Answers to messages; `parts` are the models that take part in every answer."""

    def __init__(self, parts: Iterable[PartInfo], domain_speed: float) -> None:
        self.name_models(parts)
        self._domain_speed = domain_speed
        self._places: dict[str, tuple[Place, wire.Recommendation]] = {}

    def name_models(self, parts: Iterable[PartInfo]) -> None:
        """Says of the answers from now on which models took part."""
        self._models = [
            wire.ModelRef(name=part.name, version=part.version, sha256=part.sha256)
            for part in parts
        ]

    def response(self, answer: Answer) -> wire.RecommendResponse:
        """The answer to Recommend."""
        message = wire.RecommendResponse(domain_speed=self._domain_speed)
        if answer.judged:
            self.fill_promise(message.promise, answer)
        else:
            message.empty_reason = answer.empty_reason
            message.empty_text = answer.empty_text
            if answer.next_free_at_s is not None:
                stamp(message.next_free_at, answer.next_free_at_s)
            if answer.reminder is not None:
                fill_reminder(message.reminder, answer.reminder)
        return message

    def promise(self, answer: Answer) -> wire.Promise:
        """The promise as it stands."""
        message = wire.Promise()
        self.fill_promise(message, answer)
        return message

    def fill_promise(self, message: wire.Promise, answer: Answer) -> None:
        """Writes a promise into an empty message."""
        choice = answer.choice
        message.recommendation_id = answer.recommendation_id
        message.revision = answer.revision
        message.stage = int(answer.stage)  # type: ignore[assignment]  # the same numbers
        area = message.area
        area.name = choice.place.station_name
        area.station_ids.extend(answer.area)
        _point(area.navigate_to, answer.entrance)
        message.level = answer.level  # type: ignore[assignment]  # the same numbers
        message.level_reason = answer.level_reason
        self.fill_judged(message.choice, choice, 1)
        fill_hold(message.choice.hold, answer.hold, answer, choice.figures.ahead)
        for number, judged in enumerate(answer.judged[1:], start=2):
            self.fill_judged(message.alternatives.add(), judged, number)
        for why in answer.why_not:
            note = message.why_not.add(code=why.code, text=why.text)
            note.evse.evse_id = why.evse_id
            note.evse.station_id = why.station_id
            note.evse.station_name = why.station_name
        if answer.reminder is not None:
            fill_reminder(message.reminder, answer.reminder)
        if answer.degraded:
            message.degraded = True
            message.degraded_reasons.extend(answer.degraded)
        message.relaxed_filters.extend(answer.relaxed)
        message.models.extend(self._models)
        message.default_context.extend(answer.defaulted)
        for value in answer.context:
            message.context.add(
                name=value.name, value=value.value, source=value.source, age_s=value.age_s
            )
        stamp(message.made_at, answer.made_at_s)
        if answer.accept_before_s is not None:
            stamp(message.accept_before, answer.accept_before_s)
        if answer.window is not None:
            stamp(message.arrival_window.from_at, answer.window[0])
            stamp(message.arrival_window.to_at, answer.window[1])
        change = answer.change
        if change is not None:
            message.change.code = change.code
            message.change.text = change.text
            message.change.from_evse_id = change.from_evse_id
            message.change.to_evse_id = change.to_evse_id

    def fill_judged(self, message: wire.Recommendation, judged: Judged, rank: int) -> None:
        """Writes one EVSE as judged into an empty message."""
        figures = judged.figures
        message.CopyFrom(self._place(judged.place))
        message.rank = rank
        message.confidence = judged.confidence
        message.score = figures.merged_score
        message.eta_s.p50, message.eta_s.p90 = figures.eta_s, figures.eta_p90_s
        message.wait_s.p50, message.wait_s.p90 = figures.wait_s, figures.wait_p90_s
        message.charge_duration_s = figures.charge_s
        stamp(message.done_at, judged.done_at_s)
        message.distance_km = figures.distance_km
        message.detour_km = figures.detour_km
        message.detour_s = figures.detour_s
        message.route_quality = int(judged.route_quality)  # type: ignore[assignment]  # as above
        fill_price(message.price, judged)
        message.expected_power_kw = figures.power_kw
        message.arrival_soc_pct = figures.arrival_soc_pct
        message.target_soc_pct = judged.target_soc_pct
        message.p_success = figures.p_working * figures.p_free
        message.failure_rate = figures.failure_rate
        message.p_working = figures.p_working
        message.p_free = figures.p_free
        fill_status(message, judged)
        for reason in judged.reasons:
            message.reasons.add(
                code=reason.code, sign=reason.sign, weight=reason.weight, text=reason.text
            )
        if rank > 1:
            fill_difference(message.difference, judged)
        fill_scores(message.scores, judged)
        message.cost_s = figures.cost_s
        message.summary = judged.summary

    def _place(self, place: Place) -> wire.Recommendation:
        """A message that says only which EVSE and where; made once for each."""
        kept = self._places.get(place.evse_id)
        if kept is None or kept[0] != place:
            message = wire.Recommendation()
            fill_place(message, place)
            kept = self._places[place.evse_id] = place, message
        return kept[1]


def fill_place(message: wire.Recommendation, place: Place) -> None:
    """Which EVSE, where it stands, and links that maps and applications open."""
    evse = message.evse
    evse.evse_id = place.evse_id
    evse.pile_id = place.pile_id
    evse.station_id = place.station_id
    evse.station_name = place.station_name
    evse.label = place.label
    _point(evse.position, (place.latitude_deg, place.longitude_deg))
    latitude, longitude = f"{place.latitude_deg:.6f}", f"{place.longitude_deg:.6f}"
    message.geo_uri = f"geo:{latitude},{longitude}"
    message.map_url = f"https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}#map=18"
    message.operator_url = place.operator_url


def fill_status(message: wire.Recommendation, judged: Judged) -> None:
    """Status, its age and source."""
    figures = judged.figures
    message.status = figures.status  # type: ignore[assignment]  # the same numbers
    message.status_source = figures.status_source  # type: ignore[assignment]  # the same numbers
    if math.isfinite(figures.status_at_s):
        stamp(message.status_updated_at, figures.status_at_s)
        message.status_age_s = judged.status_age_s
    message.data_quality = judged.data_quality
    if math.isfinite(figures.last_success_at_s):
        stamp(message.last_successful_session_at, figures.last_success_at_s)


def fill_price(message: wire.Price, judged: Judged) -> None:
    """The price of the session; a quality of UNKNOWN without a total."""
    total = judged.figures.price
    if total != total:
        message.quality = wire.QUALITY_UNKNOWN
        return
    message.quality = wire.QUALITY_EXACT
    message.total.currency = judged.currency
    message.total.micros = round(total * MICROS)
    for dimension, amount in judged.price_lines:
        line = message.breakdown.add()
        line.dimension = dimension
        line.amount.currency = judged.currency
        line.amount.micros = round(amount * MICROS)
    if judged.price_valid_until_s is not None:
        stamp(message.valid_until, judged.price_valid_until_s)


def fill_scores(message: wire.Scores, judged: Judged) -> None:
    """Sub-scores and the merged one."""
    figures = judged.figures
    message.merged = figures.merged_score
    if figures.first_score == figures.first_score:
        message.travel = figures.first_score
    message.failure = figures.second_score
    message.failure_weight = figures.failure_weight
    message.ranker_share = figures.ranker_share
    message.situation = judged.situation
    message.text = judged.situation_text


def fill_difference(message: wire.Difference, judged: Judged) -> None:
    """An alternative against the choice."""
    message.duration_s = judged.difference_s
    if judged.difference_price is not None:
        message.price.currency = judged.currency
        message.price.micros = round(judged.difference_price * MICROS)
    message.text = judged.difference_text


def fill_hold(message: wire.Hold, hold: Hold, answer: Answer, ahead: int) -> None:
    """What is kept for the car."""
    message.kind = int(hold.kind)  # type: ignore[assignment]  # the same numbers
    message.claim_id = hold.claim_id
    if hold.until_s is not None:
        stamp(message.until, hold.until_s)
    message.queue_position = ahead
    message.level = answer.level  # type: ignore[assignment]  # the same numbers
    message.reason_code = hold.reason or answer.level_reason


def fill_reminder(message: wire.Reminder, reminder: Reminded) -> None:
    """By which km the car must charge, and where."""
    message.charge_before_km = reminder.before_km
    message.last_station_id = reminder.station_id
    message.text = reminder.text
    message.code = reminder.code
    message.reason_code = reminder.why


def reminder_of(reminder: Reminded) -> wire.Reminder:
    """The same as a message of its own."""
    message = wire.Reminder()
    fill_reminder(message, reminder)
    return message


def stamp(message: Timestamp, instant_s: float) -> None:
    """Writes an instant into a timestamp."""
    whole = math.floor(instant_s)
    message.seconds = whole
    message.nanos = int((instant_s - whole) * 1e9)


def _point(message: nouns.Position, place: tuple[float, float]) -> None:
    message.latitude_deg, message.longitude_deg = place
    message.datum = nouns.DATUM_WGS84
