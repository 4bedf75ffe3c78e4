"""Moves cars up in the queue of an EVSE when one ahead of them has gone, and tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import msgspec

from coordinator.core.areas.ledger import ClaimState, Moment
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend import explain
from coordinator.usecases import telling
from coordinator.usecases.answer import Answer, Change, Judged, Reason
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.revising import Reviser

YOUR_TURN = "YOUR_TURN"
QUEUE_MOVED = "QUEUE_MOVED"
QUEUE_DELAYED = "QUEUE_DELAYED"
SPREAD = 1.5  # one wait in ten for a car that overstays is at least so much longer than the median
DELAY_S = 60.0  # a wait that grew by less is not told
NO_LONGER = frozenset({"FREE_NOW", "NO_WAIT"})  # reasons that are none for who has to wait
IN_USE = frozenset({EvseStatus.CHARGING, EvseStatus.RESERVED})


class Queue:
    """Knows how many cars are served before a promised one, by the ledger and the EVSE itself."""

    def __init__(
        self, district: District, claims: ClaimStore, promises: Promises, reviser: Reviser
    ) -> None:
        self._district = district
        self._claims = claims
        self._promises = promises
        self._reviser = reviser
        # Whether a reservation that an EVSE shows is that of its first car.
        self.shows_ours: Callable[[str], bool] = lambda evse_id: False

    def waits(self, evse_id: str) -> bool:
        """Whether a car of this EVSE was told that others are served before it."""
        return any(
            promise is not None and promise.answer.choice.figures.ahead > 0
            for promise in self._of(evse_id)
        )

    def ahead(self, promise: Promise) -> int:
        """Cars that are served before this one now."""
        evse_id = promise.answer.choice.evse_id
        before, occupied = 0, False
        for claim in self._claims.table.of_evse(evse_id):
            if claim.claim_id == promise.claim_id:
                break
            before += 1
            occupied = occupied or claim.state is ClaimState.OCCUPIED
        row = self._district.row.get(evse_id)
        if row is None:
            return before
        before += int(self._district.queue_length[row])
        in_use = self._district.status[row] in IN_USE
        if self._district.status[row] == EvseStatus.RESERVED and self.shows_ours(evse_id):
            in_use = False
        return before + (not occupied and in_use)

    async def advance(self, evse_id: str, moment: Moment) -> None:
        """Tells every car of this EVSE that has fewer cars before it than it was told."""
        for promise in self._of(evse_id):
            if promise is None or promise.closed:
                continue
            claim = self._claims.table.get(promise.claim_id)
            if claim is None or claim.state is ClaimState.OCCUPIED:
                continue
            ahead = self.ahead(promise)
            if ahead >= promise.answer.choice.figures.ahead:
                continue
            if not ahead and promise.arrived_link_s > float("-inf"):
                promise.arrived_link_s = moment.link_s  # it stands there; its time begins now
            await self._reviser.revise(promise, partial(self._moved_up, promise))

    async def delay(self, promise: Promise, from_s: float) -> None:
        """Tells a car that it has the EVSE from then on only, because somebody stays longer."""
        if not promise.closed:
            await self._reviser.revise(promise, partial(self._delayed, promise, from_s))

    def _delayed(self, promise: Promise, from_s: float, answer: Answer) -> Answer | None:
        """The answer with the longer wait; None if it is hardly longer than it was told."""
        choice, language = answer.choice, promise.request.language
        wait_s = from_s - answer.made_at_s - choice.figures.eta_s
        longer_s = wait_s - choice.figures.wait_s
        if longer_s < DELAY_S:
            return None
        figures = msgspec.structs.replace(
            choice.figures,
            ahead=max(self.ahead(promise), 1),
            wait_s=wait_s,
            wait_p90_s=max(choice.figures.wait_p90_s + longer_s, SPREAD * wait_s),
            expected_wait_s=choice.figures.expected_wait_s + longer_s,
        )
        text = explain.sentence(
            QUEUE_DELAYED,
            language,
            {"name": choice.place.name, "wait": explain.minutes(wait_s)},
        )
        judged = msgspec.structs.replace(
            choice,
            figures=figures,
            done_at_s=choice.done_at_s + longer_s,
            reasons=_with_wait(choice.reasons, wait_s, language),
            summary=text,
        )
        return msgspec.structs.replace(
            answer,
            judged=(judged, *telling.compared(answer.judged[1:], figures, language)),
            change=Change(QUEUE_DELAYED, text, choice.evse_id, choice.evse_id),
        )

    def _of(self, evse_id: str) -> Iterable[Promise | None]:
        table = self._claims.table.of_evse(evse_id)
        return [self._promises.of_claim(claim.claim_id) for claim in table]

    def _moved_up(self, promise: Promise, answer: Answer) -> Answer | None:
        """The answer with fewer cars ahead, and a wait that is no longer than before."""
        ahead = self.ahead(promise)
        if ahead >= answer.choice.figures.ahead:
            return None
        language = promise.request.language
        choice = answer.choice
        wait_s = self._wait_s(promise, ahead)
        gained_s = max(choice.figures.expected_wait_s - wait_s, 0.0)
        figures = msgspec.structs.replace(
            choice.figures,
            ahead=ahead,
            wait_s=wait_s,
            wait_p90_s=max(choice.figures.wait_p90_s - gained_s, wait_s),
            expected_wait_s=choice.figures.expected_wait_s - gained_s,
        )
        code = QUEUE_MOVED if ahead else YOUR_TURN
        text = explain.sentence(code, language, {"name": choice.place.name, "ahead": ahead})
        judged = msgspec.structs.replace(
            choice,
            figures=figures,
            done_at_s=choice.done_at_s - gained_s,
            reasons=_without_wait(choice.reasons, wait_s, language),
            summary=text,
        )
        return msgspec.structs.replace(
            answer,
            judged=(judged, *telling.compared(answer.judged[1:], figures, language)),
            change=Change(code, text, choice.evse_id, choice.evse_id),
        )

    def _wait_s(self, promise: Promise, ahead: int) -> float:
        """Seconds after arrival until the cars ahead have left by plan."""
        choice: Judged = promise.answer.choice
        if not ahead:
            return 0.0
        ends = []
        for claim in self._claims.table.of_evse(choice.evse_id):
            if claim.claim_id == promise.claim_id:
                break
            ends.append(claim.to_s)
        if not ends:
            return choice.figures.wait_s  # a car that nobody knows charges there still
        arrives_s = promise.answer.made_at_s + choice.figures.eta_s
        return min(max(max(ends) - arrives_s, 0.0), choice.figures.wait_s)


def _with_wait(reasons: tuple[Reason, ...], wait_s: float, language: str) -> tuple[Reason, ...]:
    """The reasons of one who has to wait after all."""
    kept = tuple(reason for reason in reasons if reason.code not in NO_LONGER)
    return _without_wait(kept, wait_s, language)


def _without_wait(reasons: tuple[Reason, ...], wait_s: float, language: str) -> tuple[Reason, ...]:
    """The reasons, with the wait as it is now, or without it where there is none."""
    told = []
    for reason in reasons:
        if reason.code == "WAIT":
            left = explain.minutes(wait_s)
            if not left:
                continue
            text = explain.sentence("WAIT", language, {"wait": left})
            reason = msgspec.structs.replace(reason, text=text)
        told.append(reason)
    return tuple(told)
