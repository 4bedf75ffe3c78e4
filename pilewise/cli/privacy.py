"""`pilewise coordinator privacy`: all that is known of a person, and none of it any more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from pilewise.cli import dial
from pilewise.cli.ask import AsJson, Target, call
from pilewise.cli.output import Exit, emit, fail, say

app = typer.Typer(help="What is known of a person.", no_args_is_help=True)
# Files may have to be searched and written anew.
CALL_S = 600.0
Who = Annotated[str, typer.Argument(help="user_id of a driver, or vehicle_id of a car without.")]


@app.command()
def export(
    person: Who,
    to: Annotated[Path | None, typer.Option(help="A new file; without, stdout.")] = None,
    target: Target = "127.0.0.1:50051",
) -> None:
    """Writes everything that is known of a person as one JSON document."""
    from pilewise.v1 import operator_service_pb2 as op

    answer = asyncio.run(
        call(_send(target, "ExportUser", op.ExportUserRequest(user_id=person)), target)
    )
    if to is None:
        typer.echo(answer.json.decode())
        return
    try:
        with to.open("xb") as file:
            to.chmod(0o600)
            file.write(answer.json)
    except OSError as error:
        fail("CMD-109", f"{to} was not written: {error.strerror}", exit_code=Exit.FAILED)
    say(f"written: {to}")


@app.command()
def erase(
    person: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    target: Target = "127.0.0.1:50051",
    json: AsJson = False,
) -> None:
    """Forgets a person in memory and in every file; what is held for them is given back."""
    from pilewise.v1 import operator_service_pb2 as op

    if not yes:
        typer.confirm(f"Forget {person}? It cannot be taken back", abort=True)
    request = op.OperatorServiceEraseUserRequest(user_id=person)
    answer = asyncio.run(call(_send(target, "EraseUser", request), target))
    if json:
        emit({"erased": answer.erased_count})
    else:
        say(f"erased {person}: {answer.erased_count} entries")


async def _send(target: str, method: str, request: Any) -> Any:
    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with dial.channel(target) as channel:
        return await getattr(op_rpc.OperatorServiceStub(channel), method)(request, timeout=CALL_S)
