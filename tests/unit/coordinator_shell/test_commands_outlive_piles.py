"""A directive whose pile is retired while its agent works."""

from __future__ import annotations

from wire_agent import pile
from wired_ingest import WiredIngest

from coordinator.usecases.commanding import Commander
from coordinator.usecases.directives import CaptureFrames, Directive, DirectiveResult, Outcome


async def test_frames_of_a_pile_that_is_retired_meanwhile_are_given(ingest: WiredIngest) -> None:
    """What the agent heard until then is the answer, though nobody knows the EVSE any more."""
    await ingest.introduce("agent-1", pile("P1"))
    district = ingest.district

    class Listening:
        """The agent's link: the pile vanishes while it listens."""

        def agent_for(self, evse_id: str) -> str:
            return "agent-1"

        async def ask(
            self, agent_id: str, evse_id: str, directive: Directive, timeout_s: float
        ) -> DirectiveResult:
            del district.row[evse_id]
            return DirectiveResult("d1", Outcome.DONE, frames=(b"frame",))

    commander = Commander(ingest.inventory, Listening(), ingest.events)  # type: ignore[arg-type]
    (told,) = await commander.carry_out(["P1*1"], CaptureFrames(1.0), 5.0)

    assert isinstance(told, DirectiveResult)
    assert told.frames == (b"frame",)
