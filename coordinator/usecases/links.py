"""The open streams of agents: what waits to be said on each, and directives with their answers.

How a stream looks on the wire stands in `rpc/edge.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import structlog

from coordinator.core.report import Refusal
from coordinator.errors import AgentOffline, DirectiveUnanswered, Overloaded
from coordinator.usecases.deadline import step_s
from coordinator.usecases.directives import Directive, DirectiveResult

log = structlog.get_logger()

OUTBOX_LIMIT = 256
RIVAL_GRACE_S = 2.0
# Frames of one capture, kept until the last piece has come.
FRAMES_LIMIT = 2 * 1024 * 1024
# Agents that come back after a shutdown, per second.
RETURNS_PER_S = 33.0


@dataclass(slots=True)
class Link:
    """One open stream of an agent. The stream's sender empties it when `wake` is set."""

    agent_id: str
    spool_id: str = ""
    peer: str = ""
    software_version: str = ""
    clock_skew_s: float = 0.0
    spool_depth: int = 0
    last_heard_link_s: float = 0.0
    # Spools with news for the agent, and the rows refused since the last ack.
    acks: dict[str, list[Refusal]] = field(default_factory=dict)
    directives: list[Directive] = field(default_factory=list)
    beat_due: bool = False
    resume_after_s: float = 1.0  # told in the GoAway
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    closing: str = ""  # why the stream must end; empty means it goes on
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    waiting_batches: int = 0  # taken from the stream and not yet acked
    room: asyncio.Event = field(default_factory=asyncio.Event)
    severed: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledge(self, spool_id: str, refusals: list[Refusal]) -> None:
        """Has an ack of this spool sent soon; acks that wait melt into one."""
        self.acks.setdefault(spool_id, []).extend(refusals)
        self.wake.set()

    def close(self, why: str) -> None:
        """Has the stream ended with a GoAway that says why."""
        self.closing = self.closing or why
        self.wake.set()
        self.room.set()

    def cut(self, why: str) -> None:
        """The same, even if the peer does not read; what it still sends is not looked at."""
        self.closing = ""
        self.close(why)
        self.severed.set()


class AgentLinks:
    """All open links, one an agent, and the directives whose answers are awaited."""

    def __init__(self, speaker_of: Callable[[str], str]) -> None:
        # Told the agent and its spool when a stream is admitted.
        self.on_open: list[Callable[[str, str], None]] = []
        self._speaker_of = speaker_of
        self._links: dict[str, Link] = {}
        self._answers: dict[str, tuple[str, asyncio.Future[DirectiveResult]]] = {}
        self._pieces: dict[str, list[bytes]] = {}

    @property
    def open(self) -> Mapping[str, Link]:
        """Agent to its open link."""
        return self._links

    async def rival(self, agent_id: str, spool_id: str) -> Link | None:
        """The open stream of another gateway with the same id; None where there is none.

        Another spool means another gateway, unless the old stream ends within moments: an agent
        that begins a new spool hangs up first, and a killed one is noticed by its system.
        """
        present = self._links.get(agent_id)
        if present is None or present.spool_id == spool_id or not present.spool_id:
            return None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(present.gone.wait(), RIVAL_GRACE_S)
        return None if present.gone.is_set() else self._links.get(agent_id)

    def admit(self, link: Link) -> bool:
        """Takes a new stream of an agent; an older one is closed. Says whether there was one."""
        older = self._links.get(link.agent_id)
        if older is not None:
            older.close("DISPLACED")
        self._links[link.agent_id] = link
        for tell in self.on_open:
            tell(link.agent_id, link.spool_id)
        return older is not None

    def dismiss(self, link: Link) -> bool:
        """Forgets a stream that ended; says whether it was the agent's present one."""
        link.gone.set()
        if self._links.get(link.agent_id) is not link:
            return False
        del self._links[link.agent_id]
        return True

    async def send(
        self, evse_id: str, directive: Directive, timeout_s: float = 5.0
    ) -> DirectiveResult:
        """What the agent says became of the directive.

        Raises `AgentOffline`, `Overloaded`, or `DirectiveUnanswered` after `timeout_s`.
        """
        return await self.ask(self._speaker_of(evse_id), evse_id, directive, timeout_s)

    def agent_for(self, evse_id: str) -> str:
        """The agent that speaks for an EVSE; empty if nobody does."""
        return self._speaker_of(evse_id)

    async def ask(
        self, agent_id: str, evse_id: str, directive: Directive, timeout_s: float
    ) -> DirectiveResult:
        """The same, of an agent by its id; `evse_id` is for people.

        The answer may come over a later stream: an agent that changes its configuration hangs up.
        """
        link = self._links.get(agent_id)
        if link is None or link.closing:
            raise AgentOffline(evse_id, agent_id)
        if len(link.directives) >= OUTBOX_LIMIT:
            raise Overloaded(f"directives to {agent_id}", len(link.directives), OUTBOX_LIMIT)
        answer: asyncio.Future[DirectiveResult] = asyncio.get_running_loop().create_future()
        self._answers[directive.directive_id] = (agent_id, answer)
        link.directives.append(directive)
        log.info(
            "directive sent",
            trace_id=directive.trace_id,
            directive_id=directive.directive_id,
            evse_id=directive.evse_id,
            action=type(directive.action).__name__,
            agent_id=agent_id,
        )
        link.wake.set()
        try:
            return await asyncio.wait_for(answer, step_s(timeout_s))
        except TimeoutError as error:
            raise DirectiveUnanswered(evse_id, timeout_s) from error
        finally:
            self._answers.pop(directive.directive_id, None)
            self._pieces.pop(directive.directive_id, None)

    def answered(self, agent_id: str, result: DirectiveResult) -> None:
        """Hands a result to who waits for it; only the agent that was asked may answer."""
        expected, answer = self._answers.get(result.directive_id, ("", None))
        if answer is None or expected != agent_id or answer.done():
            return
        pieces = self._pieces.setdefault(result.directive_id, [])
        pieces += result.frames
        if sum(map(len, pieces)) > FRAMES_LIMIT:
            pieces.clear()
            result = replace(result, message="the frames were too many to keep", more=False)
        if not result.more:
            answer.set_result(replace(result, frames=tuple(pieces)))

    def close_all(self, why: str) -> None:
        """Has every stream ended with a GoAway."""
        # So many agents that come back at once would be a storm: each adds jitter to this.
        resume_after_s = max(1.0, len(self._links) / RETURNS_PER_S)
        for link in self._links.values():
            link.resume_after_s = resume_after_s
            link.close(why)
