"""The promises that are alive: newest answer, the request behind it, who waits for changes.

What changes a promise is in `guide.py`; what is held underneath is in the ledger.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from coordinator.core.areas.ledger import ClaimState, Step
from coordinator.core.geo import great_circle_km
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases.answer import Answer
from coordinator.usecases.person import Person
from coordinator.usecases.trace import TRACE

LEVELLED_KM = 0.2
LEVELLED_PCT = 1.0
KEPT_CLOSED = 1_000  # closed promises remembered, so that a late question is answered

# How the end of a claim is told.
ENDS = {
    ClaimState.DONE: "ARRIVED",
    ClaimState.RELEASED: "RELEASED",
    ClaimState.EXPIRED: "EXPIRED",
    ClaimState.NO_SHOW: "NO_SHOW",
}


@dataclass(slots=True)
class Levelled:
    """Where a car's level was judged last, and with what charge."""

    place: tuple[float, float] | None = None
    soc_pct: float = float("inf")

    def moved_on(self, request: ChargingRequest) -> bool:
        """Whether the car has come so far that it is to be judged anew; then that is noted."""
        here = request.latitude_deg, request.longitude_deg
        if (
            self.place is not None
            and great_circle_km(self.place, here) < LEVELLED_KM
            and abs(request.soc_pct - self.soc_pct) < LEVELLED_PCT
        ):
            return False
        self.place, self.soc_pct = here, request.soc_pct
        return True


@dataclass(slots=True)
class Course:
    """How a car keeps to what was planned for it, since its list was made anew."""

    place: tuple[float, float] | None = None  # where the list was made
    soc_pct: float = float("inf")  # with what charge
    made_link_s: float = float("-inf")  # when, link time
    least_km: float = float("inf")  # nearest to its station so far
    strayed: str = ""  # code of what is to be looked into at once


@dataclass(slots=True, eq=False)
class Proposed:
    """What a car was offered beside what it holds; see `proposals.py`."""

    answer: Answer


@dataclass(slots=True, eq=False)
class Promise:
    """What one car was told, and what it told since. `*_link_s` is link time, -inf for never."""

    answer: Answer
    request: ChargingRequest
    confirmed: bool = False
    reported_link_s: float = float("-inf")
    fixed_link_s: float = float("-inf")  # when it told where it is, exactly enough
    drives: bool = False  # by the speed of that fix
    plugged_soc_pct: float = float("nan")  # its charge when it was thought to plug in
    levelled: Levelled = field(default_factory=Levelled)
    arrived_link_s: float = float("-inf")
    arrived_evse_id: str = ""
    taken_link_s: float = float("inf")  # since when another car seems to stand there
    blocked_link_s: float = float("inf")  # when a bay that may be blocked by this car is given up
    silent_link_s: float = float("inf")  # since when nothing is known of the EVSE
    retry_link_s: float = float("inf")  # when to look again for a place
    renewed_at_s: float = float("-inf")
    lost_code: str = "PILE_TAKEN"  # why the place was lost, for the next try
    ahead: bool = False  # kept for a window in the future; the car has not set out yet
    refused: set[str] = field(default_factory=set)  # EVSEs that failed this car
    course: Course = field(default_factory=Course)
    reminders: int = 0  # told since the answer was given
    closed: str = ""
    token_mark: str = ""  # what stands for the driver's token where it is not kept any more
    proposal: Proposed | None = None
    proposed_revision: int = 0  # the newest number that an offer had which was not accepted
    asked_trace: str = field(default_factory=TRACE.get)  # of the call that led to it
    promised_at_s: float = field(default=float("nan"), init=False)  # its first revision
    _news: asyncio.Event | None = None

    def __post_init__(self) -> None:
        self.promised_at_s = self.answer.made_at_s

    @property
    def recommendation_id(self) -> str:
        """Names the promise."""
        return self.answer.recommendation_id

    @property
    def trace_id(self) -> str:
        """Its name in all logs."""
        return self.asked_trace or self.recommendation_id.replace("-", "")

    @property
    def claim_id(self) -> str:
        """The claim behind it; empty if nothing is held."""
        return self.answer.hold.claim_id

    @property
    def next_revision(self) -> int:
        """The number of its next change: above all that it was told, offers too."""
        return max(self.answer.revision, self.proposed_revision) + 1

    @property
    def newest(self) -> Answer:
        """What the car is to be shown: what it was told, or what it was offered since."""
        proposal = self.proposal
        if proposal is not None and proposal.answer.revision > self.answer.revision:
            return proposal.answer
        return self.answer

    def news(self) -> asyncio.Event:
        """Set at the next change."""
        if self._news is None:
            self._news = asyncio.Event()
        return self._news

    def tell(self) -> None:
        """Wakes everybody who waits for a change."""
        if self._news is not None:
            self._news.set()
            self._news = None


class Promises:
    """All promises, by recommendation, by claim and by car."""

    def __init__(self) -> None:
        self._all: dict[str, Promise] = {}
        self._open: dict[str, Promise] = {}
        self._by_claim: dict[str, Promise] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._unplaced: dict[str, Promise] = {}
        self.on_arrived: Callable[[Promise], None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def stands(self, promise: Promise) -> None:
        """A car has said that it is there: whoever gives it its turn hears of it."""
        if not promise.closed and self.on_arrived is not None:
            self.on_arrived(promise)

    def add(self, promise: Promise) -> None:
        """Takes a new promise in, or one that was given back before under the same name."""
        self._closed.pop(promise.recommendation_id, None)
        self._all[promise.recommendation_id] = promise
        if not promise.closed:
            self._open[promise.recommendation_id] = promise
        if promise.claim_id:
            self._by_claim[promise.claim_id] = promise

    def get(self, recommendation_id: str) -> Promise | None:
        """The promise of this name, alive or closed lately."""
        return self._all.get(recommendation_id)

    def of_claim(self, claim_id: str) -> Promise | None:
        """The open promise behind which this claim stands."""
        return self._by_claim.get(claim_id)

    def newest(self) -> Iterator[Promise]:
        """All promises that are known, open or closed lately, the newest first."""
        for recommendation_id in reversed(tuple(self._all)):
            yield self._all[recommendation_id]

    def trace_of(self, claim_id: str) -> str:
        """The name in all logs of the promise behind this claim; empty if there is none."""
        promise = self._by_claim.get(claim_id)
        return "" if promise is None else promise.trace_id

    def open(self) -> Iterator[Promise]:
        """Promises that are not closed."""
        return (promise for promise in tuple(self._open.values()) if not promise.closed)

    def unplaced(self) -> tuple[Promise, ...]:
        """Open promises behind which nothing is held any more."""
        return tuple(self._unplaced.values())

    def revise(self, promise: Promise, answer: Answer) -> None:
        """Gives a promise its next revision and tells who waits.

        Whoever was revised while this was being stored keeps its number; this one comes after it.
        """
        if answer.revision < promise.next_revision:
            answer = msgspec.structs.replace(answer, revision=promise.next_revision)
        if promise.claim_id != answer.hold.claim_id:
            self._by_claim.pop(promise.claim_id, None)
            if answer.hold.claim_id:
                self._by_claim[answer.hold.claim_id] = promise
        if answer.hold.claim_id or promise.closed:
            self._unplaced.pop(promise.recommendation_id, None)
        else:
            self._unplaced[promise.recommendation_id] = promise
        promise.answer = answer
        promise.tell()

    def close(self, promise: Promise, code: str) -> None:
        """Ends a promise with a code and tells who waits."""
        if promise.closed:
            return
        promise.closed = code
        self._open.pop(promise.recommendation_id, None)
        self._unplaced.pop(promise.recommendation_id, None)
        self._by_claim.pop(promise.claim_id, None)
        self._closed[promise.recommendation_id] = None
        if len(self._closed) > KEPT_CLOSED:
            del self._all[self._closed.popitem(last=False)[0]]
        promise.tell()

    def forget(self, person: Person) -> None:
        """Takes the promises to a person out, and their cars out of the accounts of others."""
        for name, promise in list(self._all.items()):
            request = promise.request
            if person.has(request.user_id, request.vehicle_id):
                self.close(promise, "RELEASED")
                self._closed.pop(name, None)
                self._all.pop(name, None)
            elif any(d.other_vehicle_id in person.names for d in promise.answer.decided):
                decided = tuple(
                    msgspec.structs.replace(d, other_vehicle_id="")
                    if d.other_vehicle_id in person.names
                    else d
                    for d in promise.answer.decided
                )
                promise.answer = msgspec.structs.replace(promise.answer, decided=decided)

    def reopen(self, promise: Promise) -> None:
        """Takes an end back that was none; nothing is held behind it."""
        promise.closed = ""
        self._closed.pop(promise.recommendation_id, None)
        self._open[promise.recommendation_id] = promise
        promise.tell()

    def close_ended(self, step: Step, replaced: bool = False) -> None:
        """Closes promises whose claims a step has ended; those that moved on are left."""
        for claim in step.after:
            if not claim.live:
                promise = self._by_claim.get(claim.claim_id)
                if promise is not None:
                    self.close(promise, "REPLACED" if replaced else ENDS[claim.state])
