"""Data in and out of a running coordinator, by its `OperatorService`; files are read elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pilewise.cli import dial
from pilewise.cli.output import Exit, fail

if TYPE_CHECKING:
    from coordinator.importers import Imported

PIECE = 50  # entries of one call; a message holds at most 4 MiB
CALL_S = 30.0


async def bring_in(target: str, imported: Imported) -> dict[str, int]:
    """How many of each the running coordinator took; ends the command where one is refused."""

    from city_sim import messages
    from pilewise.cli import records
    from pilewise.v1 import operator_service_pb2 as op
    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with dial.channel(target) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        lists: tuple[tuple[str, Any, Any, Any], ...] = (
            ("tariffs", stub.PutTariffs, op.PutTariffsRequest, messages.tariff_message),
            ("stations", stub.PutStations, op.PutStationsRequest, messages.station_message),
            ("users", stub.PutUsers, op.PutUsersRequest, messages.user_message),
            ("sessions", stub.PutSessions, op.PutSessionsRequest, records.session_message),
            ("requests", stub.PutRequests, op.PutRequestsRequest, records.request_message),
        )
        taken: dict[str, int] = {}
        for name, call, request, message in lists:
            taken[name] = await _put(name, getattr(imported, name), call, request, message)
        taken["context"] = await _put(
            "values", imported.context, stub.PutContext, op.PutContextRequest, records.context_value
        )
        taken["piles"] = await _put(
            "piles", imported.piles, stub.PutPiles, op.PutPilesRequest, messages.pile_message
        )
        edges = imported.roads
        taken["roads"] = await _put(
            "edges", edges, stub.PutRoads, op.PutRoadsRequest, messages.road_message
        )
        if imported.outages is not None:
            outages = map(messages.outage_message, imported.outages)
            calendar = op.PutPlannedOutagesRequest(outages=outages, replace=True)
            taken["outages"] = _taken(await stub.PutPlannedOutages(calendar, timeout=CALL_S))
        for pile_id, agent_id in imported.owners.items():
            owner = op.AssignPileRequest(pile_id=pile_id, agent_id=agent_id)
            await stub.AssignPile(owner, timeout=CALL_S)
        return taken | {"owners": len(imported.owners)}


async def take_out(target: str, form: str) -> str:
    """The file that the running coordinator writes."""

    from pilewise.v1 import operator_service_pb2 as op
    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with dial.channel(target) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        request = op.ExportRequest(format=form)
        pieces = [piece.chunk async for piece in stub.Export(request, timeout=CALL_S)]
    return b"".join(pieces).decode()


async def scrap(target: str, pile_id: str, reason: str) -> None:
    """Has the running coordinator retire a pile; ends the command where it does not know it."""
    import grpc

    from pilewise.v1 import operator_service_pb2 as op
    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with dial.channel(target) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        request = op.RetirePileRequest(pile_id=pile_id, reason=reason)
        try:
            await stub.RetirePile(request, timeout=CALL_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            fail("DATA-010", str(error.details()), exit_code=Exit.FAILED)


async def _put(
    field: str,
    entries: Sequence[Any],
    call: Callable[..., Any],
    request: Callable[..., Any],
    message: Callable[[Any], Any],
) -> int:
    """How many entries were taken, a piece at a time."""
    taken = 0
    for start in range(0, len(entries), PIECE):
        piece = map(message, entries[start : start + PIECE])
        taken += _taken(await call(request(**{field: piece}), timeout=CALL_S))
    return taken


def _taken(answer: Any) -> int:
    """How many entries an answer took; ends the command where one was refused."""
    for error in answer.errors:
        fail(error.code, f"{error.field}: {error.message}", exit_code=Exit.PARTIAL)
    return int(answer.accepted_count)
