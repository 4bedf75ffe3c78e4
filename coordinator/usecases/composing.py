"""Puts an answer together: the claim to ask for, the words, what is stored of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec
import uuid_utils

from coordinator.clock import Clock
from coordinator.core.areas import area
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import OFFER_S, Claim, ClaimState, Moment
from coordinator.core.district import District
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.gather import LEAST_STAY_S
from coordinator.core.recommend.intention import AT_PILE_KM
from coordinator.core.recommend.reminder import Reminder
from coordinator.core.surroundings import AROUND_PILE, ContextValue
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases import inputs, reminding, telling, wording
from coordinator.usecases.answer import (
    Answer,
    Figures,
    Hold,
    HoldKind,
    Noted,
    Reminded,
    Stage,
)
from coordinator.usecases.figures import Lines
from coordinator.usecases.ledger import KeptAnswer
from coordinator.usecases.telling import Said

answers = msgspec.msgpack.Decoder(Answer)
requests = msgspec.msgpack.Decoder(ChargingRequest)
_encode = msgspec.msgpack.Encoder().encode


class Composer:
    """Makes wishes and answers from what the pipeline found."""

    def __init__(self, district: District, table: ClaimTable, clock: Clock) -> None:
        self._district = district
        self._table = table
        self._clock = clock

    def wish(
        self,
        request: ChargingRequest,
        ranked: Ranked,
        choice: int,
        recommendation_id: str,
        moment: Moment,
        revision: int = 1,
        without: frozenset[str] = frozenset(),
    ) -> Claim:
        """The claim to ask for: from now, or from the end of the last one, until charged.

        `without` names claims that will have ended by then.
        """
        assert ranked.batch is not None
        columns, at = ranked.batch.columns, (ranked.number, choice)
        evse_id = self._district.evse_ids[int(columns.candidates.evse[at])]
        ahead = [
            claim.to_s
            for claim in self._table.of_evse(evse_id)
            if claim.vehicle_id != request.vehicle_id
            and claim.claim_id not in without
            and not claim.lapsed(moment)
        ]
        from_s = max(moment.now_s, *ahead) if ahead else moment.now_s
        ready_s = max(float(columns.drive.drive_s[at]), float(columns.wait.free_in_s[at]))
        begin_s = max(moment.now_s + ready_s, from_s)
        stay_s = request.vehicle.setup_s + float(columns.charge_s[at])
        return Claim(
            str(uuid_utils.uuid7()),
            evse_id,
            request.vehicle_id,
            from_s,
            begin_s + max(stay_s, LEAST_STAY_S),
            ranked.level,
            ClaimState.OFFERED,
            moment.link_s + OFFER_S,
            revision,
            recommendation_id,
        )

    def compose(
        self,
        request: ChargingRequest,
        context: Context,
        ranked: Ranked,
        choice: int,
        claim: Claim | None,
        moment: Moment,
        picked: Sequence[int] | None = None,
    ) -> Answer:
        """The answer that names this candidate as the choice, held by this claim or by none.

        `picked` is what it lists, the choice first; without it, the best others.
        """
        lines = Lines(self._district, ranked)
        picked = picked or wording.pick(ranked, choice, request.alternative_count)
        said = wording.said(self._district, context, ranked, lines, choice)
        ranked.said = said  # stored with the answer, so that it can be told again
        judged = wording.judged(self._district, request, context, lines, picked, said, moment.now_s)
        hold = Hold(HoldKind.NONE)
        if claim is not None:
            until_s, offered = claim.lease_until_s, claim.state is ClaimState.OFFERED
            if offered:
                until_s = moment.now_s + OFFER_S * self._clock.speed
            hold = Hold(HoldKind.SOFT, claim.claim_id, until_s, confirmed=not offered)
        figures = judged[0].figures
        row = self._district.station_row[judged[0].station_id]
        station = self._district.stations[row]
        told, unknown = around_pile(request, context, ranked, row)
        return Answer(
            claim.recommendation_id if claim is not None else str(uuid_utils.uuid7()),
            request.request_id,
            request.vehicle_id,
            moment.now_s,
            int(ranked.level),
            ranked.level_reason,
            request.language,
            judged,
            hold,
            claim.revision if claim is not None else 1,
            self._stage(request, ranked, figures),
            lines.area(ranked, choice),
            (station.latitude_deg, station.longitude_deg),
            telling.why_not(said, figures, request.language),
            ranked.degraded,
            ranked.relaxed,
            reminder=self.reminded(ranked.reminder, request.language),
            context=noted((*context.known, *told), moment.now_s),
            defaulted=(*context.unknown, *unknown),
        )

    @staticmethod
    def _stage(request: ChargingRequest, ranked: Ranked, figures: Figures) -> Stage:
        """Area or pile; who stands at a pile (S2) skips the area. Source: paper 2.1, 2.3.1."""
        assert ranked.batch is not None
        near_km = ranked.batch.columns.candidates.near.straight_km
        if near_km[ranked.number, 0] <= AT_PILE_KM and not request.coarse:
            return Stage.PILE
        return Stage(area.stage(figures.distance_km, figures.eta_s))

    def reminded(self, reminder: Reminder | None, language: str) -> Reminded | None:
        """The reminder in words; None if none is due."""
        return None if reminder is None else reminding.told(self._district, reminder, language)

    def kept(
        self, answer: Answer, request: ChargingRequest, ranked: Ranked | None = None
    ) -> KeptAnswer:
        """What is stored of an answer; its inputs only where it was ranked anew."""
        token = request.id_token
        if token:
            request = replace(request, id_token="")
        return KeptAnswer(
            answer.recommendation_id,
            answer.request_id,
            answer.vehicle_id,
            _encode(answer),
            _encode(request),
            b"" if ranked is None else self._inputs(ranked),
            token,
        )

    def _inputs(self, ranked: Ranked) -> bytes:
        said = ranked.said if isinstance(ranked.said, Said) else None
        return inputs.pack(self._district, Lines(self._district, ranked), said)


def around_pile(
    request: ChargingRequest, context: Context, ranked: Ranked, station: int
) -> tuple[tuple[ContextValue, ...], tuple[str, ...]]:
    """What is told of the surroundings of the object pile, and of what the usual stood in.

    Both are empty where the first score does not look at them.
    """
    if request.destination is None or ranked.batch is None or not ranked.batch.travel_learned:
        return (), ()
    told = () if context.stations is None else context.stations.told.get(station, ())
    known = {value.name for value in told}
    return told, tuple(name for name in AROUND_PILE if name not in known)


def noted(values: Iterable[ContextValue], now_s: float) -> tuple[Noted, ...]:
    """The values of the surroundings that took part, with their ages."""
    return tuple(
        Noted(value.name, value.value, value.source, max(now_s - value.observed_at_s, 0.0))
        for value in values
    )
