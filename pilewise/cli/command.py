"""`pilewise coordinator command`: have something done at piles, and hear how each answered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilewise.cli import dial
from pilewise.cli.ask import AsJson, Target, call, place
from pilewise.cli.output import Exit, emit, fail, say

if TYPE_CHECKING:
    from pilewise.v1 import edge_service_pb2 as edge
    from pilewise.v1 import operator_service_pb2 as op

ACTIONS = "poll, period, availability, configure, frames"
CALL_S = 30.0
RESTART_S = 200.0
GOOD = ("DONE", "DONE_SOFTLY")
Names = list[str] | None


def command(
    action: Annotated[str, typer.Argument(help=f"One of {ACTIONS}.")],
    evse: Annotated[Names, typer.Option(help="At this EVSE; repeat.")] = None,
    station: Annotated[Names, typer.Option(help="Everywhere at this station; repeat.")] = None,
    area: Annotated[str, typer.Option(help="Everywhere from LAT,LON to LAT,LON.")] = "",
    seconds: Annotated[float, typer.Option(help="The period, or how long to listen.")] = 10.0,
    operative: Annotated[bool, typer.Option(help="In service, or out of it.")] = True,
    file: Annotated[Path | None, typer.Option(help="The agent's new configuration.")] = None,
    target: Target = "127.0.0.1:50051",
    json: AsJson = False,
) -> None:
    """Has something done at piles: read now, period, in or out of service, configure, frames."""
    request, limit_s = _request(action, seconds, operative, file)
    request.evse_ids.extend(evse or ())
    request.station_ids.extend(station or ())
    if area:
        _fill_area(request.area, area)
    answer = asyncio.run(call(_send(target, request, limit_s), target))
    results = [_plain(result) for result in answer.results]
    errors = [{"evse_id": e.field, "code": e.code, "message": e.message} for e in answer.errors]
    failed = len(errors) + sum(result["outcome"] not in GOOD for result in results)
    if json:
        emit({"asked": len(results) + len(errors), "failed": failed, "results": results + errors})
    else:
        _show(results, errors)
    raise typer.Exit(int(Exit.PARTIAL if failed else Exit.OK))


def _request(
    action: str, seconds: float, operative: bool, file: Path | None
) -> tuple[op.CommandRequest, float]:
    """The call without its targets, and the seconds that it may take."""
    from pilewise.v1 import operator_service_pb2 as op

    request = op.CommandRequest()
    directive = request.directive
    if action == "poll":
        directive.poll_now.SetInParent()
    elif action == "period":
        directive.set_period.period_s = seconds
    elif action == "availability":
        directive.set_availability.operative = operative
        directive.set_availability.SetInParent()
    elif action == "frames":
        directive.capture_frames.duration_s = seconds
        return request, CALL_S + seconds
    elif action == "configure":
        return _configure(request, file), RESTART_S
    else:
        fail("CMD-101", f"unknown action {action!r}", note=ACTIONS, exit_code=Exit.USAGE)
    return request, CALL_S


def _configure(request: op.CommandRequest, file: Path | None) -> op.CommandRequest:
    if file is None:
        fail("CMD-102", "no configuration", hint="--file agent.toml", exit_code=Exit.USAGE)
    try:
        request.directive.configure.toml = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail("CMD-103", f"{file} cannot be read: {error}", exit_code=Exit.USAGE)
    return request


def _fill_area(box: Any, text: str) -> None:
    corners = text.split(",")
    if len(corners) != 4:
        raise typer.BadParameter(f"{text!r} is not LAT,LON,LAT,LON")
    one, other = place(",".join(corners[:2])), place(",".join(corners[2:]))
    box.south_deg, box.north_deg = sorted((one[0], other[0]))
    box.west_deg, box.east_deg = sorted((one[1], other[1]))


async def _send(target: str, request: op.CommandRequest, limit_s: float) -> op.CommandResponse:

    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with dial.channel(target) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        answer: op.CommandResponse = await stub.Command(request, timeout=limit_s)
        return answer


def _plain(result: edge.DirectiveResult) -> dict[str, Any]:
    from pilewise.v1 import edge_service_pb2 as edge

    outcome = edge.DirectiveOutcome.Name(result.outcome).removeprefix("DIRECTIVE_OUTCOME_")
    told = {"evse_id": result.evse_id, "outcome": outcome, "message": result.message}
    return told | ({"frames": [shown(frame) for frame in result.frames]} if result.frames else {})


def shown(frame: bytes) -> str:
    """A frame for people: time, direction, then its text, or its bytes in hexadecimal.

    >>> shown(b"17 > \\x01\\x03"), shown(b'17 < [3,"1",{}]')
    ('17 > 0103', '17 < [3,"1",{}]')
    """
    at_ms, direction, payload = [*frame.split(b" ", 2), b"", b""][:3]
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not text:
        text = payload.hex()
    return f"{at_ms.decode()} {direction.decode()} {text}"


def _show(results: list[dict[str, Any]], errors: list[dict[str, str]]) -> None:
    for result in results:
        style = "" if result["outcome"] in GOOD else "yellow"
        say(f"{result['evse_id']}  {result['outcome']}  {result['message']}", style=style)
        for frame in result.get("frames", ()):
            typer.echo(frame)
    for error in errors:
        say(f"{error['evse_id']}  {error['code']}  {error['message']}", style="red")
