"""`OperatorService.PutContext`: weather, traffic, height; values that are in order are taken."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.clock import Clock
from coordinator.core.surroundings import TTL_S, ContextValue, cell_of, fault_of
from coordinator.errors import FieldFault
from coordinator.rpc import operator_codec as codec
from coordinator.rpc.noun_codec import check_text, seconds
from coordinator.rpc.server import Context
from coordinator.usecases.surroundings import SurroundingsKeeper
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc


class OperatorContext(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that hears of the surroundings; set `surroundings`."""

    _clock: Clock
    surroundings: SurroundingsKeeper

    async def PutContext(  # noqa: N802 - the contract
        self, request: op.PutContextRequest, context: Context
    ) -> op.PutContextResponse:
        """Adds or replaces values of cells."""
        now_s = self._clock.now_s()
        good, errors = codec.sort_entries(
            request.values, lambda value, field: _faults(value, field, now_s), "values"
        )
        if good:
            await self.surroundings.put([_value(value, now_s) for value in good])
        return op.PutContextResponse(
            accepted_count=len(good), rejected_count=len(errors), errors=errors
        )


def _faults(value: op.ContextValue, field: str, now_s: float) -> Iterator[FieldFault]:
    """Everything wrong with a value."""
    yield from check_text(value.source, f"{field}.source")
    try:
        cell_of(value.h3_cell)
    except ValueError as error:
        yield FieldFault(f"{field}.h3_cell", str(error))
        return
    if fault := fault_of(_value(value, now_s), now_s):
        yield FieldFault(f"{field}.{fault[0]}", fault[1])


def _value(value: op.ContextValue, now_s: float) -> ContextValue:
    """The value; who does not say when, means now."""
    return ContextValue(
        cell_of(value.h3_cell),
        value.name,
        value.value,
        value.source or "operator",
        seconds(value.observed_at) if value.HasField("observed_at") else now_s,
        TTL_S if value.ttl_s == 0 else value.ttl_s,
    )
