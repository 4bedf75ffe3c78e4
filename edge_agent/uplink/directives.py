"""What the coordinator asks of a pile: fenced, done once, answered.

Which protocol does it belongs to the piles; keeping an EVSE softly, and keeping one out of service
that cannot do so itself, is done here. What is promised outlives a restart.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, Protocol

import structlog

from edge_agent.core.directive import (
    PERIOD_LIMITS_S,
    Action,
    Answer,
    Cancel,
    CaptureFrames,
    Configure,
    Directive,
    Extend,
    Hold,
    Outcome,
    Reserve,
    Result,
    SetAvailability,
    SetPeriod,
    Unknown,
)
from edge_agent.errors import SpoolError
from edge_agent.uplink import promises
from edge_agent.uplink.memory import fence_floors, raise_fence
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.spool_file import SpoolFile

log: Final = structlog.get_logger("edge_agent.directives")
REMEMBERED_RESULTS: Final = 512
ACTION_TIMEOUT_S: Final = 15.0
RECALL_S: Final = 1.0


class Performer(Protocol):
    """Somebody who can do things at a pile."""

    async def perform(self, evse_id: str, action: Action) -> Answer:
        """How the action ended at the pile; `evse_id` is empty for all piles."""
        ...


Configurer = Callable[[str, str], Awaitable[Answer | None]]
"""Takes a directive's id and a TOML text; None where the answer comes after a restart."""


async def _no_file(directive_id: str, toml: str) -> Answer | None:
    return Answer(Outcome.UNSUPPORTED, "this agent was not started from a file")


class DirectiveDesk:
    """Carries out directives, each once; keeps fences, holds and EVSEs out of service.

    `now_ms` is domain time that never jumps. A directive that comes again gets the answer it got
    before. `set_service` is told which EVSE the agent itself keeps out of service, or no longer.
    `periods` are the configured ones of EVSEs that are polled, seconds; a changed one outlives a
    restart.
    """

    def __init__(
        self,
        spool: Spool,
        performer: Performer,
        now_ms: Callable[[], int],
        knows: Callable[[str], bool],
    ) -> None:
        self._spool = spool
        self._performer = performer
        self._now_ms = now_ms
        self._knows = knows
        self._holds: dict[str, Hold] = {}
        self._closed: set[str] = set()
        self._turns: dict[str, asyncio.Lock] = {}
        self._results: OrderedDict[str, Result | None] = OrderedDict()
        self.configure: Configurer = _no_file
        self.periods: Mapping[str, float] = {}
        self.set_service: Callable[[str, bool], None] = lambda evse_id, operative: None

    async def recall(self) -> None:
        """Takes up what was promised before a restart; waits for a disk that is late."""
        while True:
            try:
                return await self._recall()
            except SpoolError as error:
                log.error("promises cannot be read yet", error=str(error))
                await asyncio.sleep(RECALL_S)

    async def _recall(self) -> None:
        now_ms = self._now_ms()
        self._holds = await self._spool.call(lambda file: promises.recall_holds(file, now_ms))
        self._closed = await self._spool.call(promises.recall_out_of_service)
        for evse_id in filter(self._knows, self._closed):
            self.set_service(evse_id, False)
        changed = await self._spool.call(lambda file: promises.recall_periods(file, self.periods))
        for evse_id, period_s in changed.items():
            await self._performer.perform(evse_id, SetPeriod(period_s))

    async def floors(self) -> dict[str, int]:
        """The fences to tell in the hello."""
        return await self._spool.call(fence_floors)

    async def raise_floors(self, floors: dict[str, int]) -> None:
        """Takes the coordinator's fences; the higher of both sides wins."""

        def raise_all(file: SpoolFile) -> None:
            for evse_id, fence in floors.items():
                raise_fence(file, evse_id, fence)

        if floors:
            await self._spool.call(raise_all)

    def hold(self, evse_id: str) -> Hold | None:
        """The hold on an EVSE; None where it is free or the hold has lapsed."""
        hold = self._holds.get(evse_id)
        if hold is not None and self._now_ms() >= hold.until_ms:
            del self._holds[evse_id]
            return None
        return hold

    async def handle(self, directive: Directive) -> Result | None:
        """The result to send up; None while the same directive is still being carried out."""
        name, action = directive.directive_id, directive.action
        if name in self._results:
            return self._results[name]
        self._results[name] = None
        while len(self._results) > REMEMBERED_RESULTS:
            self._results.popitem(last=False)
        listens_s = action.duration_s if isinstance(action, CaptureFrames) else 0.0
        try:
            async with asyncio.timeout(ACTION_TIMEOUT_S + listens_s):
                answer = await self._answer(directive)
        except TimeoutError:
            answer = Answer(Outcome.TIMED_OUT, f"no answer in {ACTION_TIMEOUT_S:g} s")
        except SpoolError as error:
            answer = Answer(Outcome.REFUSED, f"it could not be stored: {error}")
        if answer is None:
            return None
        result = Result(name, answer)
        # Frames are large and of no use to whoever asks again.
        self._results[name] = Result(name, replace(answer, frames=()))
        log.info(
            "directive done",
            trace_id=directive.trace_id,
            directive_id=name,
            evse_id=directive.evse_id,
            action=type(action).__name__,
            outcome=answer.outcome.name,
            message=answer.message,
        )
        return result

    async def _answer(self, directive: Directive) -> Answer | None:
        action, evse_id = directive.action, directive.evse_id
        if isinstance(action, Unknown):
            return Answer(Outcome.UNSUPPORTED, f"this agent cannot do {action.name or 'nothing'}")
        if isinstance(action, Configure):
            return await self.configure(directive.directive_id, action.toml)
        if evse_id and not self._knows(evse_id):
            return Answer(Outcome.REFUSED, f"this agent has no EVSE {evse_id}")
        if isinstance(action, SetPeriod):
            return await self._set_period(evse_id, action, directive.fence)
        if isinstance(action, SetAvailability) and evse_id:
            return await self._set_availability(evse_id, action)
        if not isinstance(action, Reserve | Extend | Cancel):
            return await self._performer.perform(evse_id, action)
        if not evse_id:
            return Answer(Outcome.REFUSED, "a hold needs an evse_id")
        # Stored before anything is done: a coordinator that was paused cannot undo a newer claim.
        fence = directive.fence
        if not await self._spool.call(lambda file: raise_fence(file, evse_id, fence)):
            return await self._fenced(evse_id, fence)
        async with self._turns.setdefault(evse_id, asyncio.Lock()):
            # A newer one may have come while an older one waited for the pile.
            if fence < (await self.floors()).get(evse_id, 0):
                return await self._fenced(evse_id, fence)
            return await self._hold_action(evse_id, action)

    async def _fenced(self, evse_id: str, fence: int) -> Answer:
        floor = (await self.floors()).get(evse_id, 0)
        return Answer(Outcome.FENCED, f"fence {fence} is below {floor}")

    async def _hold_action(self, evse_id: str, action: Reserve | Extend | Cancel) -> Answer:
        if isinstance(action, Reserve):
            return await self._reserve(evse_id, action)
        if isinstance(action, Extend):
            return await self._extend(evse_id, action)
        return await self._cancel(evse_id, action)

    async def _reserve(self, evse_id: str, action: Reserve) -> Answer:
        hold = Hold(action.claim_id, self._until_ms(action.duration_s), action.id_token)
        if not action.id_token:
            await self._keep(evse_id, hold)
            return Answer(Outcome.DONE_SOFTLY, "no id_token was given")
        answer = await self._performer.perform(evse_id, action)
        if answer.outcome is Outcome.DONE:
            await self._keep(evse_id, replace(hold, firm=True))
            return answer
        if answer.outcome is Outcome.REFUSED:
            return answer
        await self._keep(evse_id, hold)
        if answer.outcome is Outcome.TIMED_OUT:
            return answer  # it can be asked again: a pile may be back in a moment
        return Answer(Outcome.DONE_SOFTLY, answer.message or "the pile cannot reserve")

    async def _extend(self, evse_id: str, action: Extend) -> Answer:
        hold = self.hold(evse_id)
        if hold is None or hold.claim_id != action.claim_id:
            return Answer(Outcome.REFUSED, f"{evse_id} is not held for claim {action.claim_id}")
        longer = replace(hold, until_ms=self._until_ms(action.duration_s))
        if not hold.firm:
            await self._keep(evse_id, longer)
            return Answer(Outcome.DONE_SOFTLY)
        # In OCPP a ReserveNow with the same number replaces the reservation.
        again = Reserve(action.claim_id, action.duration_s, hold.id_token)
        answer = await self._performer.perform(evse_id, again)
        if answer.outcome is Outcome.REFUSED:
            return answer
        if answer.outcome is Outcome.DONE:
            await self._keep(evse_id, longer)
            return answer
        # The pile keeps it until the old end, the agent beyond.
        await self._keep(evse_id, longer)
        return Answer(Outcome.DONE_SOFTLY, f"the pile did not extend it: {answer.message}")

    async def _cancel(self, evse_id: str, action: Cancel) -> Answer:
        hold = self.hold(evse_id)
        if hold is not None and hold.claim_id != action.claim_id:
            return Answer(Outcome.REFUSED, f"{evse_id} is held for claim {hold.claim_id}")
        await self._keep(evse_id, None)
        if hold is not None and not hold.firm:
            return Answer(Outcome.DONE_SOFTLY)
        # Without a hold here (it lapsed, or its store was lost) the pile may still have one.
        answer = await self._performer.perform(evse_id, action)
        if hold is None and answer.outcome is not Outcome.DONE:
            return Answer(Outcome.DONE_SOFTLY, "nothing was held")
        return answer

    async def _set_availability(self, evse_id: str, action: SetAvailability) -> Answer:
        answer = await self._performer.perform(evse_id, action)
        unable = answer.outcome is Outcome.UNSUPPORTED
        if not unable and not (answer.outcome is Outcome.DONE and evse_id in self._closed):
            return answer
        operative = action.operative or not unable
        await self._spool.call(lambda file: promises.keep_service(file, evse_id, operative))
        (self._closed.discard if operative else self._closed.add)(evse_id)
        self.set_service(evse_id, operative)
        return Answer(Outcome.DONE_SOFTLY, "kept by the agent") if unable else answer

    async def _set_period(self, evse_id: str, action: SetPeriod, fence: int) -> Answer:
        lowest, highest = PERIOD_LIMITS_S
        if not lowest <= action.period_s <= highest:
            return Answer(Outcome.REFUSED, f"period_s must be {lowest:g} to {highest:g}")
        if fence and fence < (await self.floors()).get(evse_id, 0):
            return await self._fenced(evse_id, fence)
        answer = await self._performer.perform(evse_id, action)
        if answer.outcome is Outcome.DONE:
            meant = {name: was_s for name, was_s in self.periods.items() if evse_id in ("", name)}
            await self._spool.call(
                lambda file: promises.keep_period(file, meant, action.period_s, fence)
            )
        return answer

    async def _keep(self, evse_id: str, hold: Hold | None) -> None:
        now_ms = self._now_ms()
        await self._spool.call(lambda file: promises.keep_hold(file, evse_id, hold, now_ms))
        if hold is None:
            self._holds.pop(evse_id, None)
        else:
            self._holds[evse_id] = hold

    def _until_ms(self, duration_s: float) -> int:
        return self._now_ms() + round(duration_s * 1000.0)
