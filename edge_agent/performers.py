"""Who carries out what the coordinator asks: the pile itself, the tap on it, or the picture.

Fences, holds and repeated directives belong to `uplink/directives.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_agent.config import Config
from edge_agent.core.directive import (
    CAPTURE_LIMIT_S,
    Action,
    Answer,
    CaptureFrames,
    Outcome,
    PollNow,
    SetPeriod,
)
from edge_agent.core.frames import FrameRing
from edge_agent.piles.modbus import ModbusPile
from edge_agent.piles.port import Pile
from edge_agent.watch import Watch

if TYPE_CHECKING:
    from edge_agent.piles.ocpp_server import OcppServer


@dataclass(slots=True)
class Performers:
    """Finds the pile that an action concerns; `rings` are the taps, by EVSE like the piles."""

    by_evse: Mapping[str, Pile]
    watch: Watch
    rings: Mapping[str, FrameRing] = field(default_factory=dict)

    async def perform(self, evse_id: str, action: Action) -> Answer:
        """How the action ended at the pile; with an empty id at all piles, worst answer first."""
        if evse_id:
            return await self._one(evse_id, action)
        if not isinstance(action, PollNow | SetPeriod):
            return Answer(Outcome.REFUSED, "this needs an evse_id")
        answers = [await self._one(name, action) for name in self.by_evse]
        return max(answers, key=lambda a: a.outcome, default=Answer(Outcome.DONE, "no piles"))

    async def _one(self, evse_id: str, action: Action) -> Answer:
        if isinstance(action, CaptureFrames):
            return await self._capture(evse_id, action)
        pile = self.by_evse[evse_id]
        answer = await pile.perform(evse_id, action)
        # Only a pile that is polled becomes silent with its period; OCPP has its heartbeat. All of
        # its EVSEs are read together.
        done = answer.outcome is Outcome.DONE
        if done and isinstance(action, SetPeriod) and isinstance(pile, ModbusPile):
            for neighbour in pile.evse_ids:
                self.watch.set_period(neighbour, action.period_s)
        return answer

    async def _capture(self, evse_id: str, action: CaptureFrames) -> Answer:
        if not 0 < action.duration_s <= CAPTURE_LIMIT_S:
            return Answer(Outcome.REFUSED, f"duration_s must be above 0, up to {CAPTURE_LIMIT_S:g}")
        ring = self.rings[evse_id]
        if not ring.begin():
            return Answer(Outcome.REFUSED, "frames of this pile are being captured already")
        try:
            await asyncio.sleep(action.duration_s)
        finally:
            frames, lost = ring.end()
        text = f"{len(frames)} frames in {action.duration_s:g} s"
        if lost:
            text += f"; {lost} older ones did not fit"
        return Answer(Outcome.DONE, text, tuple(frames))


def tap_frames(
    config: Config,
    piles: Mapping[str, Pile],
    server: OcppServer | None,
    now_ms: Callable[[], int],
) -> dict[str, FrameRing]:
    """The taps of all piles, by EVSE; several EVSEs of a pile share one."""
    rings = {pile.facts.pile_id: FrameRing(now_ms) for pile in config.piles}
    identities = {p.section.identity or p.facts.pile_id: p.facts.pile_id for p in config.piles}
    for pile_id, pile in piles.items():
        if isinstance(pile, ModbusPile):
            pile.tap = rings[pile_id]
    if server is not None:
        server.tap_of = lambda identity: rings[identities[identity]]
    return {
        evse_id: rings[pile.facts.pile_id]
        for pile in config.piles
        for evse_id in pile.facts.evse_ids
    }
