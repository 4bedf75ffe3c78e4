"""`pilewise coordinator agents`: who they are, who is let in or shut out, whose piles are whose."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilewise.cli import dial
from pilewise.cli.ask import AsJson, Target, call
from pilewise.cli.output import Exit, emit, fail, say

if TYPE_CHECKING:
    from pilewise.v1 import operator_service_pb2 as op

app = typer.Typer(help="The district's agents and their piles.", no_args_is_help=True)
Agent = Annotated[str, typer.Argument(help="agent.id of the gateway.")]
Pile = Annotated[str, typer.Argument(help="The pile.")]
From = Annotated[str, typer.Option("--from", help="Since when, ISO 8601; else now.")]
CALL_S = 30.0
_HERE = "127.0.0.1:50051"


@app.command("list")
def list_(target: Target = _HERE, json: AsJson = False) -> None:
    """Lists agents: connected or not, until when enrolled, shut out or not, their piles."""
    agents = [_plain(agent) for agent in asyncio.run(call(_agents(target), target))]
    if json:
        emit({"agents": agents})
        return
    for agent in agents:
        said = "shut out" if agent["revoked"] else "there" if agent["connected"] else "away"
        until = agent["certificate_valid_until"] or "no certificate"
        say(f"{agent['agent_id']}  {said}  {until}  {', '.join(agent['piles']) or 'no piles'}")
        if agent["revoked_reason"]:
            say(f"  shut out because: {agent['revoked_reason']}")


@app.command()
def token(
    agent_id: Agent,
    pile: Annotated[list[str] | None, typer.Option(help="Give it this pile, too; repeat.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write it to a new file, 0600.")] = None,
    target: Target = _HERE,
    json: AsJson = False,
) -> None:
    """Makes a one-time token with which a gateway enrols within 24 h; it is shown once."""
    from pilewise.v1 import operator_service_pb2 as op

    for pile_id in pile or ():
        given = op.AssignPileRequest(pile_id=pile_id, agent_id=agent_id)
        asyncio.run(call(_send(target, "AssignPile", given), target))
    request = op.IssueTokenRequest(agent_id=agent_id)
    answer = asyncio.run(call(_send(target, "IssueToken", request), target))
    until = _instant(answer.valid_until)
    told = {"agent_id": agent_id, "valid_until": until, "piles": pile or []}
    if out is not None:
        _write(out, answer.bootstrap_token)
        say(f"{out} holds the token of {agent_id}, good once, until {until}")
        if json:
            emit(told | {"file": str(out)})
    elif json:
        emit(told | {"token": answer.bootstrap_token})
    else:
        say(f"token of {agent_id}, good once, until {until}:")
        typer.echo(answer.bootstrap_token)


@app.command()
def revoke(
    agent_id: Agent,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    target: Target = _HERE,
    json: AsJson = False,
) -> None:
    """Shuts an agent out within a second; a new token, or `readmit`, lets it in again."""
    from pilewise.v1 import operator_service_pb2 as op

    request = op.RevokeAgentRequest(agent_id=agent_id, reason=reason)
    asyncio.run(call(_send(target, "RevokeAgent", request), target))
    _done({"revoked": agent_id}, f"{agent_id} is shut out", json)


@app.command()
def readmit(agent_id: Agent, target: Target = _HERE, json: AsJson = False) -> None:
    """Lets an agent in again with the certificate that it has."""
    from pilewise.v1 import operator_service_pb2 as op

    request = op.RevokeAgentRequest(agent_id=agent_id, readmit=True)
    asyncio.run(call(_send(target, "RevokeAgent", request), target))
    _done({"readmitted": agent_id}, f"{agent_id} is let in again", json)


@app.command()
def assign(
    pile_id: Pile, agent_id: Agent, since: From = "", target: Target = _HERE, json: AsJson = False
) -> None:
    """Gives a pile to an agent: what others saw of it from then on is refused."""
    _give(target, pile_id, agent_id, since)
    _done({"pile_id": pile_id, "agent_id": agent_id}, f"{pile_id} is {agent_id}'s", json)


@app.command()
def unassign(pile_id: Pile, since: From = "", target: Target = _HERE, json: AsJson = False) -> None:
    """Leaves a pile to nobody."""
    _give(target, pile_id, "", since)
    _done({"pile_id": pile_id, "agent_id": ""}, f"{pile_id} is nobody's", json)


def _give(target: str, pile_id: str, agent_id: str, since: str) -> None:
    from pilewise.v1 import operator_service_pb2 as op

    request = op.AssignPileRequest(pile_id=pile_id, agent_id=agent_id)
    if since:
        try:
            at = datetime.fromisoformat(since)
        except ValueError:
            raise typer.BadParameter(f"{since!r} is no time, e.g. 2026-11-26T08:00:00Z") from None
        request.valid_from.FromDatetime(at if at.tzinfo else at.replace(tzinfo=UTC))
    asyncio.run(call(_send(target, "AssignPile", request), target))


def _done(told: dict[str, Any], text: str, json: bool) -> None:
    if json:
        emit(told)
    else:
        say(text)


def _write(path: Path, secret: str) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        fail("CMD-109", f"{path} was not written: {error.strerror}", exit_code=Exit.FAILED)
    with os.fdopen(handle, "w") as file:
        file.write(secret + "\n")


def _plain(agent: op.AgentInfo) -> dict[str, Any]:
    until = agent.certificate_valid_until if agent.HasField("certificate_valid_until") else None
    return {
        "agent_id": agent.agent_id,
        "connected": agent.connected,
        "revoked": agent.revoked,
        "revoked_reason": agent.revoked_reason,
        "enrolled_at": _instant(agent.enrolled_at) if agent.HasField("enrolled_at") else "",
        "certificate_valid_until": _instant(until) if until else "",
        "certificate_issuer": agent.certificate_issuer,
        "piles": list(agent.pile_ids),
    }


def _instant(stamp: Any) -> str:
    return str(stamp.ToDatetime(tzinfo=UTC).isoformat(timespec="seconds"))


async def _agents(target: str) -> list[op.AgentInfo]:
    """All of them, page by page."""
    from pilewise.v1 import operator_service_pb2 as op

    found: list[op.AgentInfo] = []
    request = op.ListAgentsRequest()
    while True:
        answer = await _send(target, "ListAgents", request)
        found += answer.agents
        if not answer.next_page_token:
            return found
        request.page.page_token = answer.next_page_token


async def _send(target: str, method: str, request: Any) -> Any:
    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with dial.channel(target) as channel:
        return await getattr(op_rpc.OperatorServiceStub(channel), method)(request, timeout=CALL_S)
