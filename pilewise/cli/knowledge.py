"""`pilewise coordinator knowledge`: the knowledge map around a pile, and updates of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilewise.cli import dial
from pilewise.cli.ask import AsJson, Target, call
from pilewise.cli.output import Exit, emit, fail, say

if TYPE_CHECKING:
    from pilewise.v1 import operator_service_pb2 as op

app = typer.Typer(help="Failure rates shared by similar piles.", no_args_is_help=True)
CALL_S = 60.0
CONDITIONS = ("regular", "real_time", "specific")
Names = list[str] | None


@app.command()
def show(
    pile: Annotated[str, typer.Argument(help="A pile or an EVSE; without, figures only.")] = "",
    order: Annotated[int, typer.Option(min=1, max=2, help="How many edges away.")] = 1,
    target: Target = "127.0.0.1:50051",
    json: AsJson = False,
) -> None:
    """Shows rates and neighbours of a pile, the newest update and the figures of the map."""
    from pilewise.v1 import operator_service_pb2 as op

    request = op.GetKnowledgeMapRequest(pile_id=pile, order=order)
    told = _plain(asyncio.run(call(_send(target, "GetKnowledgeMap", request), target)))
    if json:
        emit(told)
        return
    last = told["last_update"]
    say(
        f"{told['piles']} EVSEs, {told['edges']} edges, {told['iterations']} updates; "
        + (f"last {last['condition']}, {last['updated']} rates moved" if last else "none yet")
    )
    for node in told["nodes"]:
        say(f"{node['evse_id']}  {node['failure_rate']:.4f} a day, prior {node['prior_rate']:.4f}")
    for edge in told["neighbours"]:
        say(f"  {edge['from']} ~ {edge['to']}  {edge['similarity']:.3f}  order {edge['order']}")


@app.command()
def update(
    pile: Annotated[Names, typer.Option(help="This pile or EVSE only; repeat.")] = None,
    condition: Annotated[str, typer.Option(help=f"One of {', '.join(CONDITIONS)}.")] = "",
    threshold: Annotated[float | None, typer.Option(help="Similarity of an edge, 0-1.")] = None,
    measure: Annotated[str, typer.Option(help="cosine, euclidean, hamming or attributes.")] = "",
    target: Target = "127.0.0.1:50051",
    json: AsJson = False,
) -> None:
    """Updates the map, all of it or at some piles; with another threshold or measure if given."""
    from pilewise.v1 import operator_service_pb2 as op

    request = op.UpdateKnowledgeMapRequest(pile_ids=pile or ())
    if condition and condition not in CONDITIONS:
        note = ", ".join(CONDITIONS)
        fail("CMD-101", f"unknown condition {condition!r}", note=note, exit_code=Exit.USAGE)
    if condition:
        name = f"KNOWLEDGE_CONDITION_{condition.upper()}"
        request.condition = op.KnowledgeCondition.Value(name)
    if threshold is not None:
        request.settings.threshold = threshold
    if measure:
        request.settings.similarity = measure
    answer = asyncio.run(call(_send(target, "UpdateKnowledgeMap", request), target))
    if json:
        emit(
            {
                "updated": answer.updated_count,
                "iterations": answer.iterations,
                "duration_s": round(answer.duration_s, 6),
            }
        )
    else:
        say(f"{answer.updated_count} rates moved in {answer.duration_s:.3f} s")


async def _send(target: str, name: str, request: Any) -> Any:

    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with dial.channel(target) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        return await getattr(stub, name)(request, timeout=CALL_S)


def _plain(answer: op.GetKnowledgeMapResponse) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return {
        "piles": answer.pile_count,
        "edges": answer.edge_count,
        "iterations": answer.iterations,
        "last_update": _update(answer.last_update) if answer.HasField("last_update") else None,
        "conditions": [_word(one) for one in answer.conditions],
        "period_s": answer.period_s,
        "degraded": answer.degraded_reason,
        "settings": MessageToDict(answer.settings, preserving_proto_field_name=True),
        "nodes": [
            {
                "pile_id": node.pile_id,
                "evse_id": node.evse_id,
                "failure_rate": node.failure_rate,
                "prior_rate": node.prior_rate,
                "exposure_days": node.exposure_days,
            }
            for node in answer.nodes
        ],
        "neighbours": [
            {
                "from": edge.from_evse_id,
                "to": edge.to_evse_id,
                "similarity": edge.similarity,
                "order": edge.order,
            }
            for edge in answer.edges
        ],
    }


def _update(last: op.KnowledgeUpdate) -> dict[str, Any]:
    return {
        "condition": _word(last.condition),
        "at": last.updated_at.ToJsonString(),
        "duration_s": round(last.duration_s, 6),
        "updated": last.updated_count,
    }


def _word(condition: op.KnowledgeCondition.ValueType) -> str:
    from pilewise.v1 import operator_service_pb2 as op

    return op.KnowledgeCondition.Name(condition).removeprefix("KNOWLEDGE_CONDITION_").lower()
