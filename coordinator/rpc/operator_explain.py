"""`OperatorService.Explain`: what an answer was made of, from what was stored with its claim."""

from __future__ import annotations

from coordinator.core.areas.cost import TERMS
from coordinator.core.recommend.explain import LANGUAGES
from coordinator.core.recommend.features import FEATURES
from coordinator.errors import FieldFault, FieldInvalid, NotFound
from coordinator.rpc.charging_codec import ChargingCodec, stamp
from coordinator.rpc.noun_codec import check_id, invalid
from coordinator.rpc.server import Context
from coordinator.usecases import inputs
from coordinator.usecases.accounts import decision
from coordinator.usecases.answer import Decided
from coordinator.usecases.composing import answers
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.retelling import retell, same
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc


class OperatorExplain(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that gives reasons; set `claim_store` and `charging_codec`."""

    claim_store: ClaimStore
    charging_codec: ChargingCodec

    async def Explain(  # noqa: N802 - the contract
        self, request: op.ExplainRequest, context: Context
    ) -> op.ExplainResponse:
        """The answer as told, and the best candidates with features and cost terms."""
        faults = [*check_id(request.recommendation_id, "recommendation_id")]
        if request.language not in ("", *LANGUAGES):
            faults.append(FieldFault("language", f"must be one of {', '.join(LANGUAGES)}"))
        invalid(faults)
        kept = await self.claim_store.answer(request.recommendation_id)
        if kept is None:
            raise NotFound("recommendation", request.recommendation_id)
        answer = answers.decode(kept.answer)
        if request.revision not in (0, answer.revision):
            fault = FieldFault("revision", f"only the newest, {answer.revision}, is kept")
            raise FieldInvalid(fault)
        response = op.ExplainResponse()
        if answer.judged:
            self.charging_codec.fill_promise(response.promise, answer)
            for decided in answer.decided or (decision(answer),):
                fill_decision(response.decisions.add(), decided)
        stored = inputs.unpack(kept.inputs)
        if stored is None:
            return response
        if stored.said is not None and answer.judged:
            again = retell(answer, stored.said, request.language)
            self.charging_codec.fill_promise(response.retold, again)
            if again.language == answer.language:
                response.same_as_told = same(again, answer)
        response.schema_sha256 = stored.schema_sha256
        judged = {one.evse_id: one for one in answer.judged}
        for number, evse_id in enumerate(stored.evse_ids):
            candidate = response.candidates.add(provenance=stored.provenance[number])
            if evse_id in judged:
                told = candidate.recommendation
                self.charging_codec.fill_judged(told, judged[evse_id], number + 1)
            candidate.recommendation.evse.evse_id = evse_id
            candidate.recommendation.rank = number + 1
            features = zip(FEATURES, stored.features[number].tolist(), strict=True)
            candidate.features.update(features)
            terms = zip(TERMS, stored.terms_s[number].tolist(), strict=True)
            candidate.cost_terms_s.update(terms)
        return response


def fill_decision(message: op.Decision, decided: Decided) -> None:
    """Writes one decision into an empty message."""
    message.revision = decided.revision
    stamp(message.decided_at, decided.decided_at_s)
    message.level = decided.level  # type: ignore[assignment]  # the same numbers
    message.level_reason = decided.level_reason
    message.code = decided.code
    message.from_evse_id, message.to_evse_id = decided.from_evse_id, decided.to_evse_id
    message.hold = decided.hold  # type: ignore[assignment]  # as above
    message.second_evse_id = decided.second_evse_id
    message.second_more_s = decided.second_more_s
    message.other_vehicle_id = decided.other_vehicle_id
