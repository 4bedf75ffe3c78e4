"""Watches over promises: what changes at their EVSEs, and what time does to them.

Changes come from ingest as they are believed; time comes by a tick a second. Who is affected is
looked after at once, one after the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import structlog

from coordinator.clock import Clock
from coordinator.core.areas.ledger import ClaimState, Moment, Step
from coordinator.core.district import Changes, District
from coordinator.core.pile import EvseStatus
from coordinator.core.sessions import ChargeSession
from coordinator.errors import CoordinatorError
from coordinator.usecases.answer import HoldKind
from coordinator.usecases.better_place import BetterPlace
from coordinator.usecases.blocked import is_blocked, may_be_ours
from coordinator.usecases.calm import LAPSED, calm, gone
from coordinator.usecases.composing import Composer
from coordinator.usecases.guide import Guidance
from coordinator.usecases.hold_telling import REFUSED, HoldTelling
from coordinator.usecases.holding import Holding
from coordinator.usecases.lapses import Lapses
from coordinator.usecases.late_steps import LateSteps
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.losers import needier_first
from coordinator.usecases.lost import LOST
from coordinator.usecases.outage_watch import OutageWatch
from coordinator.usecases.plugging import PlugIns
from coordinator.usecases.promises import ENDS, Promise, Promises
from coordinator.usecases.queue import Queue
from coordinator.usecases.refreshing import Refresher
from coordinator.usecases.reroute import Rerouter
from coordinator.usecases.revising import Reviser
from coordinator.usecases.setting_out import set_out
from coordinator.usecases.silence import note_silence
from coordinator.usecases.stays import Stays
from coordinator.usecases.taking_turns import TakingTurns
from coordinator.usecases.unplaced import Unplaced
from coordinator.usecases.world import World

log = structlog.get_logger()

TICK_S = 1.0
PROMISES_AT_ONCE = 100
SILENT_EVSE_S = 30.0  # an EVSE unknown for so long is given up


class Watchman:
    """Decides who is affected by a change, and has it looked after."""

    def __init__(
        self,
        district: District,
        world: World,
        claims: ClaimStore,
        promises: Promises,
        composer: Composer,
        rerouter: Rerouter,
        reviser: Reviser,
        guidance: Guidance,
        queue: Queue,
        clock: Clock,
        stale_after_s: float = float("inf"),
    ) -> None:
        self._district = district
        self._claims = claims
        claims.late.append(LateSteps(claims, promises, clock).came)
        self._promises = promises
        self._rerouter = rerouter
        self._stays = Stays(district, claims, promises, queue)
        self._stays.goes_elsewhere = BetterPlace(district, world, rerouter).take
        self._refresher = Refresher(
            district, world, claims.table, promises, composer, rerouter, reviser
        )
        self._plug_ins = PlugIns(district, claims, promises, rerouter, guidance, self._stays, clock)
        self._turns = TakingTurns(district, world, claims, promises, rerouter)
        self._unplaced = Unplaced(district, world, claims, promises, rerouter)
        promises.on_arrived = self.on_arrived
        self._queue = queue
        self._clock = clock
        self.lapses = Lapses(claims, promises, clock)
        self._stale_after_s = stale_after_s
        self._changed: deque[tuple[str, EvseStatus, EvseStatus]] = deque()
        self._moved: set[str] = set()
        self._outages = OutageWatch(district, claims, promises, rerouter)
        self._outages_new = False
        self._others: deque[tuple[Callable[[], Awaitable[None]], str]] = deque()
        self._holding: Holding | None = None
        self._work = asyncio.Event()

    def follow(self, holding: Holding, telling: HoldTelling) -> None:
        """Takes what is kept at the piles into account, and what they refuse."""
        self._holding = holding
        self._queue.shows_ours = holding.shows_ours

        def refused(claim_id: str) -> None:
            self._later(partial(self.refused, claim_id, telling), claim_id)

        holding.on_refused.append(refused)

    def _later(self, work: Callable[[], Awaitable[None]], about: str) -> None:
        """Has something done in its turn: one change of a promise after the other."""
        self._others.append((work, about))
        self._work.set()

    def on_session(self, session: ChargeSession) -> None:
        """Takes a session whose driver has shown a token; returns at once."""
        if session.id_token_hash and session.ended_at_s is None:
            self._plug_ins.note(session.evse_id, session.id_token_hash)
            shown = partial(self.shown, session.evse_id, session.id_token_hash)
            self._later(shown, session.evse_id)

    async def shown(self, evse_id: str, id_token_hash: str) -> None:
        """Looks after a token that was shown at an EVSE."""
        await self._plug_ins.shown(evse_id, id_token_hash)

    def on_changes(self, changes: Changes) -> None:
        """Takes changes of status; returns at once."""
        columns = (changes.evse.tolist(), changes.before.tolist(), changes.after.tolist())
        self._refresher.on_changes(changes)
        self._rerouter.early.on_changes(changes)
        for row, before, after in zip(*columns, strict=True):
            evse_id = self._district.evse_ids[row]
            if after == EvseStatus.CHARGING or self._claims.table.of_evse(evse_id):
                self._changed.append((evse_id, EvseStatus(before), EvseStatus(after)))
        turns = self._turns.on_evses(self._district.evse_ids[row] for row in columns[0])
        if self._unplaced.on_changes(changes) or turns or self._changed:
            self._work.set()

    def on_arrived(self, promise: Promise) -> None:
        """Takes a car's word that it stands at its station; returns at once."""
        self._turns.on_arrived(promise)
        self._work.set()

    def on_claims(self, evse_ids: Iterable[str]) -> None:
        """Takes changes of claims, after which a queue may move up; returns at once."""
        if self._turns.on_evses(evse_ids):
            self._work.set()
        for evse_id in evse_ids:
            if self._queue.waits(evse_id):
                self._moved.add(evse_id)
                self._work.set()

    def on_outages(self) -> None:
        """Takes a new list of planned outages; returns at once."""
        self._outages_new = True
        self._work.set()

    async def run(self) -> None:
        """Looks after changes and time until cancelled."""
        next_tick = self._clock.link_s() + TICK_S
        await self._quietly(self._stays.begin(self._rerouter.moment()), "")
        while True:
            left_s = next_tick - self._clock.link_s()
            if left_s > 0:
                try:
                    async with asyncio.timeout(left_s):
                        await self._work.wait()
                except TimeoutError:
                    pass
            self._work.clear()
            await self.catch_up()
            if self._clock.link_s() >= next_tick:
                await self._quietly(self.tick(), "")
                next_tick = self._clock.link_s() + TICK_S

    async def catch_up(self) -> None:
        """Looks after everything that has changed so far, one after the other."""
        while self._changed:
            changes = needier_first(self._changed, self._promised)
            self._changed.clear()
            for evse_id, before, after in changes:
                await self._quietly(self.changed(evse_id, before, after), evse_id)
        while self._others:
            work, about = self._others.popleft()
            await self._quietly(work(), about)
        await self._quietly(self._stays.settle(self._rerouter.moment()), "")
        await self._quietly(self._turns.settle(self._rerouter.moment()), "")
        await self._quietly(self._unplaced.settle(self._rerouter.moment()), "")
        while self._moved:
            evse_id = self._moved.pop()
            await self._quietly(self._queue.advance(evse_id, self._rerouter.moment()), evse_id)
        if self._outages_new:
            self._outages_new = False
            await self._quietly(self._outages.look(), "")

    async def _quietly(self, work: Awaitable[None], evse_id: str) -> None:
        """Awaits the work; a failure of one promise must not end the watch over the others."""
        try:
            await work
        except CoordinatorError as error:
            log.warning("change not looked after", evse_id=evse_id, why=str(error))
        except Exception as error:
            log.error("change not looked after", evse_id=evse_id, exc_info=error)

    async def changed(self, evse_id: str, before: EvseStatus, after: EvseStatus) -> None:
        """Looks after everybody whom this change of status affects."""
        claims = self._claims.table.of_evse(evse_id)
        # What is unknown may still charge; what is free does not, whatever it was before.
        if after is EvseStatus.AVAILABLE or (
            before is EvseStatus.CHARGING and after is not EvseStatus.UNKNOWN
        ):
            await self._left(evse_id)
        if after is EvseStatus.CHARGING:
            await self._plug_ins.plugged_in(evse_id, claims)
        ours = self._holding is not None and self._holding.shows_ours(evse_id)
        link_s = self._clock.link_s()
        for promise in self._promised(evse_id):
            if after is EvseStatus.RESERVED and ours:
                continue
            if after is EvseStatus.BLOCKED and may_be_ours(
                promise, self._plug_ins.arrived_near(evse_id), link_s
            ):
                continue
            promise.blocked_link_s = float("inf")
            if after in LOST:
                await self._rerouter.reroute(promise, LOST[after])
            elif after is EvseStatus.UNKNOWN:
                promise.silent_link_s = min(promise.silent_link_s, link_s)
            else:
                promise.silent_link_s = float("inf")
        self.on_claims((evse_id,))
        if self._holding is not None:
            self._holding.on_claims((evse_id,))

    async def refused(self, claim_id: str, telling: HoldTelling) -> None:
        """The pile would not reserve: another place if there is one, else a soft hold here."""
        promise, claim = self._promises.of_claim(claim_id), self._claims.table.get(claim_id)
        if promise is None or claim is None or promise.arrived_link_s > float("-inf"):
            return
        row = self._district.row.get(claim.evse_id)
        if row is not None and self._district.status[row] == EvseStatus.CHARGING:
            return  # whose car that is, is being found out
        if not await self._rerouter.elsewhere(promise, REFUSED):
            await telling.tell(claim, HoldKind.SOFT, REFUSED)

    def _promised(self, evse_id: str) -> list[Promise]:
        """Promises of cars that are still on their way there."""
        found = []
        for claim in tuple(self._claims.table.of_evse(evse_id)):
            promise = self._promises.of_claim(claim.claim_id)
            if promise is not None and claim.state is not ClaimState.OCCUPIED:
                found.append(promise)
        return found

    async def _left(self, evse_id: str) -> None:
        """The car that charged there has gone."""
        self._plug_ins.left(evse_id)
        await self._stays.left(evse_id, self._rerouter.moment())
        for promise in self._promised(evse_id):
            promise.taken_link_s = float("inf")

    async def tick(self) -> None:
        """Ends lapsed leases, gives up silent EVSEs and cars, retries, lengthens overruns."""
        moment = self._rerouter.moment()
        await self.lapses.end(moment)
        await set_out(self._district, self._rerouter, moment)
        standing = tuple(self._promises.open())
        for begin in range(0, len(standing), PROMISES_AT_ONCE):
            some = standing[begin : begin + PROMISES_AT_ONCE]
            note_silence(self._district, some, moment.link_s, self._stale_after_s)
            for promise in some:
                claim = self._claims.table.get(promise.claim_id)
                if not (promise.closed or calm(promise, claim, moment.link_s)):
                    await self._look_after(promise, moment)
            await asyncio.sleep(0)  # answers come first
        await self._unplaced.look(moment)
        await self._outages.look()
        await self._stays.look(moment)
        await self._stays.settle(moment)
        await self._refresher.look(moment)

    async def _look_after(self, promise: Promise, moment: Moment) -> None:
        """What time has done to one promise; its lease may have ended where others needed it."""
        link_s = moment.link_s
        claim = self._claims.table.get(promise.claim_id)
        if claim is not None and claim.state in LAPSED:
            self._promises.close(promise, ENDS[claim.state])
        elif promise.ahead:
            if link_s >= promise.retry_link_s:
                await self._rerouter.reroute(promise, promise.lost_code)
        elif self._plug_ins.is_taken(promise, link_s):
            await self._plug_ins.taken(promise)
        elif is_blocked(promise, link_s):
            promise.blocked_link_s = float("inf")
            await self._rerouter.reroute(promise, "PILE_BLOCKED")
        elif link_s - promise.silent_link_s >= SILENT_EVSE_S and promise.claim_id:
            await self._rerouter.reroute(promise, "PILE_SILENT")
        elif promise.claim_id and gone(promise, link_s):
            step = await self._claims.release(promise.claim_id, moment)
            if isinstance(step, Step):
                self._promises.close(promise, "NO_SHOW")
