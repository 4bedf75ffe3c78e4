"""Raw frames between an agent and a pile, listened to for a while; this needs a token.

Frames may hold drivers' tokens, and listening costs the gateway.
"""

from __future__ import annotations

from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.errors import (
    CoordinatorError,
    DirectiveRefused,
    FieldFault,
    FieldInvalid,
    NotFound,
)
from coordinator.usecases.commanding import patience_s
from coordinator.usecases.directives import CaptureFrames, Outcome
from coordinator.web.answers import answer, body_of
from coordinator.web.gate import Gate
from coordinator.web.sources import Sources

log = structlog.get_logger()

LONGEST_S = 60.0
SHOWN = 500
HEAD_BYTES = 4096  # of each frame


class Frames:
    """Asks an agent what it and a pile say to each other."""

    def __init__(self, sources: Sources, gate: Gate) -> None:
        self._sources = sources
        self._gate = gate

    def routes(self) -> list[Route]:
        """Where this is found."""
        return [Route("/api/piles/{pile_id}/frames", self.listen, methods=["POST"])]

    async def listen(self, request: Request) -> Response:
        """The frames of so many seconds, as the agent saw them."""
        name = self._gate.admit(request)
        body = await body_of(request, frozenset({"duration_s"}))
        duration_s = body.get("duration_s", 5)
        if isinstance(duration_s, bool) or not isinstance(duration_s, int | float):
            raise FieldInvalid(FieldFault("duration_s", "must be a number of seconds"))
        if not 0 < duration_s <= LONGEST_S:
            raise FieldInvalid(FieldFault("duration_s", f"must be above 0, up to {LONGEST_S:g}"))
        pile_id, district = request.path_params["pile_id"], self._sources.district
        number = district.pile_row.get(pile_id)
        if number is None:
            raise NotFound("pile", pile_id)
        log.info("frames asked for", pile_id=pile_id, by=name, duration_s=duration_s)
        action = CaptureFrames(float(duration_s))
        evse_id = district.piles[number].evses[0].evse_id
        commander = self._sources.commander
        (told,) = await commander.carry_out([evse_id], action, patience_s(action))
        if isinstance(told, CoordinatorError):
            raise told
        if told.outcome is not Outcome.DONE:
            raise DirectiveRefused(pile_id, told.outcome.name, told.message)
        return answer(
            {
                "message": told.message,
                "total": len(told.frames),
                "frames": [_shown(frame) for frame in told.frames[:SHOWN]],
            }
        )


def _shown(frame: bytes) -> dict[str, Any]:
    """A frame, said by its agent to be of when and whence: `ms < payload` or `ms > payload`.

    The payload is text where it is text, else hexadecimal.
    """
    at_ms, direction, payload = (*frame.split(b" ", 2), b"", b"")[:3]
    if not at_ms.isdigit() or direction not in (b"<", b">"):
        at_ms, direction, payload = b"", b"", frame
    head = payload[:HEAD_BYTES]
    try:
        text = head.decode()
        readable = text.isprintable() or "\n" in text
    except UnicodeDecodeError:
        text, readable = "", False
    return {
        "at_s": int(at_ms) / 1000 if at_ms else None,
        "direction": direction.decode(),
        "bytes": len(payload),
        "text": text if readable else head.hex(" "),
        "cut": len(payload) > HEAD_BYTES,
    }
