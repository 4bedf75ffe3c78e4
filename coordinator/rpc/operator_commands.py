"""`OperatorService`: what operators have done at piles, and what they ask of their past."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from coordinator.core.district import District
from coordinator.errors import (
    CoordinatorError,
    DirectiveRefused,
    FieldFault,
    FieldInvalid,
    NotFound,
)
from coordinator.rpc.directive_codec import from_result, to_action
from coordinator.rpc.limits import LIMITS
from coordinator.rpc.noun_codec import timestamp
from coordinator.rpc.server import Context
from coordinator.usecases.commanding import Commander
from coordinator.usecases.directives import CaptureFrames, Outcome
from coordinator.usecases.telemetry import TelemetryStore
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc
from pilewise.v1 import types_pb2 as nouns

COMMAND_LIMIT = 200
CAPTURE_LIMIT_S = 600.0
# Frames of one answer; a message holds at most 4 MiB.
FRAMES_LIMIT = 3 * 1024 * 1024
# An answer leaves before the caller's deadline, so that it says who was late.
ANSWER_IN_S = 0.5
# Directives that change who may use an EVSE are drawn by the ledger, not by hand.
_NOT_BY_HAND = frozenset({"reserve", "extend", "cancel"})


class OperatorCommands(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that acts."""

    _district: District
    _store: TelemetryStore
    commander: Commander

    async def Command(  # noqa: N802 - the contract
        self, request: op.CommandRequest, context: Context
    ) -> op.CommandResponse:
        """Sends a directive to every EVSE named; each answers for itself."""
        action = to_action(request.directive)
        kind = request.directive.WhichOneof("action")
        if action is None or kind in _NOT_BY_HAND:
            raise FieldInvalid(FieldFault("directive.action", f"{kind} cannot be sent by hand"))
        targets = self._targets(request)
        told = await self.commander.carry_out(targets, action, _time_left_s(context))
        response = op.CommandResponse()
        room = FRAMES_LIMIT
        for index, (evse_id, result) in enumerate(zip(targets, told, strict=True)):
            if isinstance(result, CoordinatorError):
                response.errors.append(
                    nouns.EntryError(
                        index=index, code=result.code, field=evse_id, message=str(result)
                    )
                )
            else:
                room -= sum(map(len, result.frames))
                if room < 0:
                    result = replace(result, frames=(), message=f"{result.message}; too many here")
                response.results.append(from_result(result, evse_id))
        return response

    async def GetFrames(  # noqa: N802 - the contract
        self, request: op.GetFramesRequest, context: Context
    ) -> op.GetFramesResponse:
        """The raw frames of a pile, listened to for so long."""
        evse_id = self._first_evse(request.pile_id)
        duration_s = request.duration_s
        if not (math.isfinite(duration_s) and 0 < duration_s <= CAPTURE_LIMIT_S):
            limit = f"must be above 0, up to {CAPTURE_LIMIT_S:g}"
            raise FieldInvalid(FieldFault("duration_s", limit))
        action = CaptureFrames(duration_s)
        (told,) = await self.commander.carry_out([evse_id], action, _time_left_s(context))
        if isinstance(told, CoordinatorError):
            raise told
        if told.outcome is not Outcome.DONE:
            raise DirectiveRefused(request.pile_id, told.outcome.name, told.message)
        return op.GetFramesResponse(frames=told.frames)

    async def ListPileFacts(  # noqa: N802 - the contract
        self, request: op.ListPileFactsRequest, context: Context
    ) -> op.ListPileFactsResponse:
        """What was known of a pile, since when, until when, and who said so."""
        self._first_evse(request.pile_id)
        response = op.ListPileFactsResponse(pile_id=request.pile_id)
        for span in await self._store.list_facts(request.pile_id):
            if request.only_present and span.valid_to_s is not None:
                continue
            fact = response.facts.add(field=span.field, value=span.value, source=span.source)
            fact.valid_from.CopyFrom(timestamp(span.valid_from_s) or fact.valid_from)
            if span.valid_to_s is not None:
                fact.valid_to.CopyFrom(timestamp(span.valid_to_s) or fact.valid_to)
        return response

    def _first_evse(self, pile_id: str) -> str:
        row = self._district.pile_row.get(pile_id)
        if row is None:
            raise NotFound("pile", pile_id)
        return self._district.piles[row].evses[0].evse_id

    def _targets(self, request: op.CommandRequest) -> list[str]:
        """EVSEs that a command names, by themselves, by station or by area."""
        district = self._district
        for evse_id in request.evse_ids:
            if evse_id not in district.row:
                raise NotFound("EVSE", evse_id)
        rows = [district.row[evse_id] for evse_id in request.evse_ids]
        inside = np.zeros(len(district.stations), dtype=bool)
        for station_id in request.station_ids:
            if station_id not in district.station_row:
                raise NotFound("station", station_id)
            inside[district.station_row[station_id]] = True
        if request.HasField("area"):
            area = request.area
            latitude, longitude = district.station_lat_deg, district.station_lon_deg
            inside |= (
                (latitude >= area.south_deg)
                & (latitude <= area.north_deg)
                & (longitude >= area.west_deg)
                & (longitude <= area.east_deg)
            )
        rows += np.flatnonzero(inside[district.station]).tolist()
        ids = list(dict.fromkeys(district.evse_ids[row] for row in rows))
        if not ids or len(ids) > COMMAND_LIMIT:
            message = f"names {len(ids)} EVSEs, must be 1 to {COMMAND_LIMIT}"
            raise FieldInvalid(FieldFault("evse_ids", message))
        return ids


def _time_left_s(context: Context) -> float:
    left_s = context.time_remaining()
    return (LIMITS.unary_s if left_s is None else left_s) - ANSWER_IN_S
