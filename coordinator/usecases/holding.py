"""Has promised EVSEs kept by the piles themselves: reserve, extend and cancel, each with a fence.

What is promised is the ledger's; this follows it. What a car is told of it is in `hold_telling.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from coordinator.clock import Clock
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Claim, ClaimState
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.errors import AgentOffline, CoordinatorError, Overloaded
from coordinator.usecases.answer import HoldKind
from coordinator.usecases.directives import (
    Agents,
    Cancel,
    Directive,
    DirectiveResult,
    Extend,
    Outcome,
    Reserve,
)
from coordinator.usecases.fences import Fences
from coordinator.usecases.hold_telling import (
    AGENT_OFFLINE,
    CANNOT_RESERVE,
    NO_AGENT,
    NO_ANSWER,
    NO_TOKEN,
    HoldTelling,
)
from coordinator.usecases.kept_holds import Kept, first_confirmed, kept_after, recalled
from coordinator.usecases.promises import Promises

log = structlog.get_logger()

LEAD_S = 1800.0  # an EVSE is reserved so long before its window begins, domain time
EXTEND_S = 120.0  # a hold is extended when its lease has moved by so much, domain time
PATIENCE_S = 20.0  # an agent gives up on a pile after 15 s, link time
LOOK_S = 15.0  # how often everything is looked through, link time
AGAIN_S = 60.0  # what was not answered is asked again after so long, link time
UNTOLD_S, UNTOLD_TRIES = 0.05, 100  # a promise may be stored a moment after its claim
AT_ONCE = 256

FREE = frozenset({EvseStatus.AVAILABLE, EvseStatus.RESERVED, EvseStatus.UNKNOWN})


class Holding:
    """Brings what agents keep into line with the ledger, EVSE by EVSE, one directive at a time.

    Only the first car of a queue is kept for, once it is confirmed and soon due: an EVSE knows one
    reservation. `on_refused` hears of claims that a pile would not reserve for.
    """

    def __init__(
        self,
        district: District,
        table: ClaimTable,
        promises: Promises,
        agents: Agents,
        fences: Fences,
        telling: HoldTelling,
        clock: Clock,
    ) -> None:
        self.on_refused: list[Callable[[str], None]] = []
        self._district = district
        self._table = table
        self._promises = promises
        self._agents = agents
        self._fences = fences
        self._telling = telling
        self._clock = clock
        self._kept = recalled(table, clock.now_s())
        self._offline: dict[str, set[str]] = {}  # agent to EVSEs that wait for it
        self._again_link_s: dict[str, float] = {}
        self._spools: dict[str, str] = {}
        self._untold: dict[str, int] = {}  # claims whose promise was not there yet, tries
        self._marked = set(self._kept)
        self._busy: set[str] = set()
        self._work = asyncio.Event()

    def on_claims(self, evse_ids: Iterable[str]) -> None:
        """Takes changes of claims, or of what is known of EVSEs; returns at once."""
        for evse_id in evse_ids:
            if evse_id in self._kept or self._first(evse_id) is not None:
                self._marked.add(evse_id)
                self._work.set()

    def on_agent(self, agent_id: str, spool_id: str) -> None:
        """An agent has come; with another spool it has forgotten what it kept."""
        self._marked |= self._offline.pop(agent_id, set()) | self._offline.pop("", set())
        if self._spools.setdefault(agent_id, spool_id) != spool_id:
            self._spools[agent_id] = spool_id
            for evse_id in [e for e in self._kept if self._agents.agent_for(e) == agent_id]:
                del self._kept[evse_id]
                self._marked.add(evse_id)
        self._work.set()

    def on_step(self, step_s: float) -> None:
        """The clock was set: by it, what is kept ends so much later."""
        self._kept = {at: replace(k, until_s=k.until_s + step_s) for at, k in self._kept.items()}

    def shows_ours(self, evse_id: str) -> bool:
        """Whether a reservation that this EVSE shows is one that we asked for."""
        kept = self._kept.get(evse_id)
        if kept is not None and kept.kind is HoldKind.FIRM:
            return True
        claim = self._first(evse_id)
        unsure = kept is None or not kept.sure
        return claim is not None and unsure and bool(self._token_of(claim))

    async def run(self) -> None:
        """Follows the ledger until cancelled."""
        turns, next_look = asyncio.Semaphore(AT_ONCE), self._clock.link_s()
        async with asyncio.TaskGroup() as group:
            while True:
                if self._clock.link_s() >= next_look:
                    self._look()
                    next_look = self._clock.link_s() + LOOK_S
                self._work.clear()
                for at in self._marked - self._busy:
                    self._marked.discard(at)
                    self._busy.add(at)
                    group.create_task(self._turn(at, turns), name=f"coordinator:hold {at}")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._work.wait()

    def _look(self) -> None:
        """Marks what time has made due: windows that come near, and what is to be asked again."""
        waiting = set().union(*self._offline.values())
        for claim in self._table.live():
            at = claim.evse_id
            if at in waiting or self._asked_lately(at):
                continue
            kept = self._kept.get(at)
            if claim.state is ClaimState.CONFIRMED and (kept is None or not kept.sure):
                self._marked.add(at)

    async def _turn(self, evse_id: str, turns: asyncio.Semaphore) -> None:
        """Looks after one EVSE; its failure must not end the watch over the others."""
        try:
            async with turns:
                await self._try(evse_id)
        except Exception as error:
            log.error("hold not carried to the pile", evse_id=evse_id, exc_info=error)
        finally:
            self._busy.discard(evse_id)
            if evse_id in self._marked:
                self._work.set()

    async def _try(self, evse_id: str) -> None:
        try:
            await self._settle(evse_id)
        except AgentOffline as error:
            self._offline.setdefault(error.agent_id, set()).add(evse_id)
            await self._softly(evse_id, AGENT_OFFLINE if error.agent_id else NO_AGENT)
        except CoordinatorError as error:
            log.warning("hold not carried to the pile", evse_id=evse_id, why=str(error))
            self._again_link_s[evse_id] = self._clock.link_s() + AGAIN_S
            await self._softly(evse_id, NO_ANSWER)

    async def _softly(self, evse_id: str, reason: str) -> None:
        """The car that stands first here is kept for among cars alone, and told so.

        A pile that took a reservation keeps it, whether its agent is heard or not.
        """
        claim, kept = self._first(evse_id), self._kept.get(evse_id)
        if claim is None or (kept is not None and kept.sure and kept.claim_id == claim.claim_id):
            return
        promise = self._promises.of_claim(claim.claim_id)
        if promise is None or promise.answer.hold.kind is not HoldKind.FIRM:
            await self._telling.tell(claim, HoldKind.SOFT, reason)

    async def _settle(self, evse_id: str) -> None:
        """Asks for what is missing between the agent and the ledger."""
        claim, kept = self._first(evse_id), self._kept.get(evse_id)
        if kept is not None and kept.others:
            for claim_id in kept.others:
                await self._ask(evse_id, Cancel(claim_id))
            kept = replace(kept, others=())
            self._put(evse_id, kept)
            claim = self._first(evse_id)
        if kept is not None and (claim is None or claim.claim_id != kept.claim_id):
            await self._cancel(evse_id, kept)
            claim, kept = self._first(evse_id), None
        if claim is None or self._waits_for_promise(claim):
            return
        if kept is None or not kept.sure:
            if kept is not None and self._asked_lately(evse_id):
                return
            kept = await self._reserve(claim) if self._due(claim) else None
        elif claim.lease_until_s - kept.until_s >= EXTEND_S:
            kept = await self._extend(claim, kept)
        if kept is not None:
            await self._telling.tell(claim, kept.kind, kept.reason)

    def _asked_lately(self, evse_id: str) -> bool:
        """Whether the pile was silent a moment ago; every news of its EVSE would ask it again."""
        return self._again_link_s.get(evse_id, 0.0) > self._clock.link_s()

    def _waits_for_promise(self, claim: Claim) -> bool:
        """Whether the promise behind a claim is being stored still; it is looked for again."""
        if self._promises.of_claim(claim.claim_id) is not None:
            self._untold.pop(claim.claim_id, None)
            return False
        tries = self._untold.pop(claim.claim_id, 0)
        if tries < UNTOLD_TRIES:
            self._untold[claim.claim_id] = tries + 1
            asyncio.get_running_loop().call_later(UNTOLD_S, self.on_claims, (claim.evse_id,))
        return True

    def _first(self, evse_id: str) -> Claim | None:
        return first_confirmed(self._table, evse_id)

    def _due(self, claim: Claim) -> bool:
        """Whether the pile can be asked now; one in use, or broken, is asked when that is over."""
        row = self._district.row.get(claim.evse_id)
        if row is None or claim.from_s > self._clock.now_s() + LEAD_S:
            return False
        return self._district.status[row] in FREE

    def _token_of(self, claim: Claim) -> str:
        promise = self._promises.of_claim(claim.claim_id)
        return promise.request.id_token if promise is not None else ""

    async def _reserve(self, claim: Claim) -> Kept | None:
        """Has the EVSE kept; None if the pile refuses."""
        token = self._token_of(claim)
        duration_s = claim.lease_until_s - self._clock.now_s()
        before = self._kept.get(claim.evse_id)
        self._kept[claim.evse_id] = Kept(claim.claim_id, claim.lease_until_s, sure=False)
        try:
            result = await self._ask(claim.evse_id, Reserve(claim.claim_id, duration_s, token))
        except (AgentOffline, Overloaded):
            self._put(claim.evse_id, before)  # it was not even asked
            raise
        if result.outcome is Outcome.REFUSED and token:
            self._put(claim.evse_id, None)
            self._telling.refused(claim, result.message)
            for tell in self.on_refused:
                tell(claim.claim_id)
            self._again_link_s[claim.evse_id] = self._clock.link_s() + AGAIN_S
            return None
        kept = self._outcome(claim, result, NO_TOKEN if not token else CANNOT_RESERVE)
        self._kept[claim.evse_id] = kept
        return kept

    def _put(self, evse_id: str, kept: Kept | None) -> None:
        if kept is None:
            self._kept.pop(evse_id, None)
        else:
            self._kept[evse_id] = kept

    async def _extend(self, claim: Claim, kept: Kept) -> Kept | None:
        """Has it kept longer; an agent that has forgotten it is asked anew."""
        duration_s = claim.lease_until_s - self._clock.now_s()
        result = await self._ask(claim.evse_id, Extend(claim.claim_id, duration_s))
        if result.outcome is Outcome.REFUSED:
            self._put(claim.evse_id, None)
            return await self._reserve(claim) if self._due(claim) else None
        longer = self._outcome(claim, result, kept.reason or CANNOT_RESERVE)
        if longer.kind is HoldKind.FIRM:
            longer = replace(longer, reason="")
        self._kept[claim.evse_id] = longer
        return longer

    async def _cancel(self, evse_id: str, kept: Kept) -> None:
        """Has it given back; one that lapses before its agent is back needs no word."""
        if kept.until_s > self._clock.now_s():
            # An agent that keeps it for another claim refuses: then it is given back already.
            await self._ask(evse_id, Cancel(kept.claim_id))
        self._kept.pop(evse_id, None)

    def _outcome(self, claim: Claim, result: DirectiveResult, softly: str) -> Kept:
        kept = kept_after(claim, result, softly)
        if not kept.sure:
            self._again_link_s[claim.evse_id] = self._clock.link_s() + LOOK_S
        return kept

    async def _ask(self, evse_id: str, action: Reserve | Extend | Cancel) -> DirectiveResult:
        fence = await self._fences.issue(evse_id, self._clock.system_s())
        trace_id = self._promises.trace_of(action.claim_id)
        directive = Directive(evse_id, action, fence, trace_id=trace_id)
        result = await self._agents.send(evse_id, directive, PATIENCE_S)
        if result.outcome is Outcome.FENCED:
            self._telling.fenced(evse_id, self._agents.agent_for(evse_id), result)
        return result
