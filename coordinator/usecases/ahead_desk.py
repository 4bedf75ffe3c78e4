"""What an EVSE would be like for a car that arrives in a window in the future, and what it is told.

Windows are claimed, moved and begun in `ahead.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import uuid_utils

from coordinator.clock import Clock
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import OFFER_S, Claim, ClaimState, Moment
from coordinator.core.district import District
from coordinator.core.recommend import later, pipeline
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.gather import LEAST_STAY_S
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases import ahead_words, figures
from coordinator.usecases.answer import Answer, Hold, HoldKind, Judged, Stage
from coordinator.usecases.composing import Composer, noted
from coordinator.usecases.ledger import KeptAnswer
from coordinator.usecases.models_now import ModelsNow
from coordinator.usecases.promises import Promise
from coordinator.usecases.wording import data_quality
from coordinator.usecases.world import World

TRIES = 16
LATE_S = 600.0  # a car may come so long after its window, domain time
MEASURED_S = 3_600.0  # what is measured now says nothing of later than that

Window = tuple[float, float]


@dataclass(slots=True)
class Look:
    """What was found for a window: ranked as of the time to set out."""

    window: Window
    district: District
    context: Context
    ranked: Ranked
    depart_s: float

    def choices(self) -> list[int]:
        """Candidates in order, as many as are tried."""
        if self.ranked.batch is None:
            return []
        found: list[int] = self.ranked.order[:TRIES].tolist()
        return found


class LaterDesk:
    """Ranks for a window, and words what was found."""

    def __init__(
        self, district: District, world: World, table: ClaimTable, models: ModelsNow, clock: Clock
    ) -> None:
        self._district = district
        self._world = world
        self._table = table
        self._models = models
        self._clock = clock

    def look(
        self,
        request: ChargingRequest,
        window: Window,
        moment: Moment,
        excluded: frozenset[int] = frozenset(),
        only: frozenset[int] | None = None,
    ) -> Look:
        """What there is for a window, for a car that drives off in time for its begin."""
        begin_s, now_s = max(window[0], moment.now_s), moment.now_s
        district = later.as_of(self._district, begin_s, now_s)
        taken = self._taken(begin_s, window[1] + LEAST_STAY_S, request.vehicle_id)
        context = self._world.around(request, excluded=excluded | taken, only=only)
        context = replace(context, own=(), ahead_s=begin_s - now_s)
        if context.ahead_s > MEASURED_S:
            context = replace(context, traffic_grade=None, stations=None, cars_around=None)
        ranked = pipeline.rank(district, request, context, self._models.now, begin_s)
        depart_s = begin_s
        if ranked.columns is not None:
            drive_s = float(ranked.columns.drive.drive_s[int(ranked.order[0])])
            depart_s = max(now_s, begin_s - drive_s)
            ranked = pipeline.rank(district, request, context, self._models.now, depart_s)
        figures.prepare(district, [ranked] if ranked.batch is not None else [])
        return Look(window, district, context, ranked, depart_s)

    def _taken(self, from_s: float, to_s: float, vehicle_id: str) -> frozenset[int]:
        """EVSEs that are another car's at an instant of the window."""
        rows = self._district.row
        return frozenset(
            rows[claim.evse_id]
            for claim in self._table.live()
            if claim.overlaps(from_s, to_s)
            and not (claim.future and claim.vehicle_id == vehicle_id)
            and claim.evse_id in rows
        )

    def wish(
        self,
        request: ChargingRequest,
        look: Look,
        choice: int,
        recommendation_id: str,
        moment: Moment,
        own: Promise | None = None,
    ) -> Claim:
        """The claim to ask for: from the begin until a car that comes last would be charged."""
        batch, at = look.ranked.batch, (look.ranked.number, choice)
        assert batch is not None
        stay_s = request.vehicle.setup_s + float(batch.columns.charge_s[at])
        firm = own is not None and own.confirmed
        return Claim(
            str(uuid_utils.uuid7()),
            look.district.evse_ids[int(batch.columns.candidates.evse[at])],
            request.vehicle_id,
            max(look.window[0], moment.now_s),
            look.window[1] + max(stay_s, LEAST_STAY_S),
            look.ranked.level,
            ClaimState.CONFIRMED if firm else ClaimState.OFFERED,
            look.window[1] + LATE_S if firm else moment.link_s + OFFER_S,
            1 if own is None else own.next_revision,
            recommendation_id,
            future=True,
        )

    def compose(
        self, request: ChargingRequest, look: Look, choice: int, claim: Claim, moment: Moment
    ) -> Answer:
        """The answer that names this candidate, in figures of then and ages of now."""
        composer = Composer(look.district, self._table, self._clock)
        then = Moment(look.depart_s, moment.link_s)
        answer = composer.compose(request, look.context, look.ranked, choice, claim, then)
        shift_s = look.context.ahead_s
        judged = tuple(_as_of_now(one, shift_s, moment.now_s) for one in answer.judged)
        offset_h, language = look.context.utc_offset_h, request.language
        first = ahead_words.kept(judged[0], look.window, offset_h, language)
        until_s = claim.lease_until_s
        if claim.state is ClaimState.OFFERED:
            until_s = moment.now_s + OFFER_S * self._clock.speed
        return msgspec.structs.replace(
            answer,
            made_at_s=moment.now_s,
            judged=(first, *judged[1:]),
            hold=Hold(HoldKind.SOFT, claim.claim_id, until_s),
            stage=Stage.AREA,
            context=noted(look.context.known, moment.now_s),
            window=look.window,
        )

    def kept(
        self, request: ChargingRequest, answer: Answer, look: Look | None = None
    ) -> KeptAnswer:
        """What is stored of an answer; its inputs only where it was ranked anew."""
        district = self._district if look is None else look.district
        composer = Composer(district, self._table, self._clock)
        return composer.kept(answer, request, None if look is None else look.ranked)

    def nothing(self, request: ChargingRequest, look: Look, now_s: float) -> Answer:
        """That no EVSE can be kept for the window."""
        offset_h, language = look.context.utc_offset_h, request.language
        text = ahead_words.sentence("NOTHING_THEN", "", look.window, offset_h, language)
        ranked = look.ranked
        return Answer(
            "", request.request_id, request.vehicle_id, now_s, int(ranked.level),
            ranked.level_reason, language, empty_reason="NOTHING_THEN", empty_text=text,
        )  # fmt: skip


def _as_of_now(judged: Judged, shift_s: float, now_s: float) -> Judged:
    """The status with the age that it has now: in the picture of then it was as old."""
    seen_at_s = judged.figures.status_at_s - shift_s
    age_s = max(now_s - seen_at_s, 0.0)
    return msgspec.structs.replace(
        judged,
        figures=msgspec.structs.replace(judged.figures, status_at_s=seen_at_s),
        status_age_s=age_s,
        data_quality=data_quality(judged.figures.status, age_s),
    )
