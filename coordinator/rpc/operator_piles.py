"""`OperatorService`: facts of single piles, and piles that are scrapped."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.core.pile import Pile
from coordinator.errors import FieldFault
from coordinator.rpc import operator_codec as codec
from coordinator.rpc.noun_codec import check_id, check_text, invalid, pile_faults, to_pile
from coordinator.rpc.server import Context
from coordinator.usecases.pile_keeper import PileKeeper
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc
from pilewise.v1 import types_pb2 as nouns


class OperatorPiles(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that enters and retires piles; set `pile_keeper`."""

    pile_keeper: PileKeeper

    async def PutPiles(  # noqa: N802 - the contract
        self, request: op.PutPilesRequest, context: Context
    ) -> op.PutPilesResponse:
        """Enters facts of piles, and new piles at known stations."""
        good, errors = codec.sort_entries(request.piles, self._pile_faults, "piles")
        if good:
            await self.pile_keeper.put([self._pile(facts) for facts in good])
        return op.PutPilesResponse(
            accepted_count=len(good), rejected_count=len(errors), errors=errors
        )

    def _pile_faults(self, facts: nouns.PileFacts, field: str) -> Iterator[FieldFault]:
        """Everything wrong with a pile by itself, and with its place here."""
        faults = list(pile_faults(facts, field))
        yield from faults
        if not faults:
            yield from self.pile_keeper.faults_of(self._pile(facts), field)

    def _pile(self, facts: nouns.PileFacts) -> Pile:
        """The pile; who names no EVSE says nothing of them, unless the pile is new."""
        return self.pile_keeper.completed(to_pile(facts), bool(facts.evses))

    async def RetirePile(  # noqa: N802 - the contract
        self, request: op.RetirePileRequest, context: Context
    ) -> op.RetirePileResponse:
        """Takes a pile out for good; the same again changes nothing."""
        invalid([*check_id(request.pile_id, "pile_id"), *check_text(request.reason, "reason")])
        await self.pile_keeper.retire(request.pile_id, request.reason)
        return op.RetirePileResponse()
