"""What the use cases ask of the store of claims, and the values that pass between them.

Engines: `store/claims.py` in memory, `store/claims_sqlite.py` on disk, `store/postgres.py` where
several processes share promises; one conformance test, over `tests/support/claim_engines.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Claim, Moment, Move, Refused, Step
from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.person import Person


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What is stored beside a step so that the answer can be given, and explained, again.

    `answer` and `request` are encoded; `inputs` holds the feature rows and may be empty. The
    driver's token is not in the request but beside it, and only while it may be needed; then
    `token_mark` is what it is compared by.
    """

    recommendation_id: str
    request_id: str
    vehicle_id: str
    answer: bytes
    request: bytes
    inputs: bytes = b""
    id_token: str = ""
    token_mark: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What really happened, in the driver's word; `kind` is numbered as on the wire.

    None and empty mean not said; `price` is whole units of `currency`.
    """

    kind: int
    evse_id: str = ""
    wait_s: float | None = None
    price: float | None = None
    currency: str = ""
    comment: str = ""


Answering = Callable[[Step], Sequence[KeptAnswer]]

# Told the EVSEs whose claims have changed, as soon as they have, durable or not.
Watcher = Callable[[Iterable[str]], None]

# Told a step and its answers that are stored although whoever asked for it was told that nothing
# had happened, or did not wait for it; places that nobody was told of are given back before.
Late = Callable[[Step, Sequence[KeptAnswer]], Coroutine[Any, Any, None]]


class ClaimStore(Protocol):
    """Claims that exclude each other. What a call returns is durable.

    `answering` is called with the decided step, before it is made durable, and gives what is
    stored with it; where a database decides otherwise it is called again with the next decision.
    Raises `StoreUnavailable` if the disk refuses; then nothing of the step has happened. Where a
    database was only too slow it may happen yet, and then those in `late` are told.
    """

    watchers: list[Watcher]
    late: list[Late]
    paused: str  # why nothing new is granted, confirmed or moved just now; "" means it is

    @property
    def table(self) -> ClaimTable:
        """The claims now, to read only; what is being made durable is in it."""
        ...

    async def claim(
        self, wish: Claim, moment: Moment, answering: Answering | None = None
    ) -> Step | Refused:
        """Grants the wish or refuses; the same claim_id again gives the same claim."""
        ...

    async def confirm(
        self,
        claim_id: str,
        lease_until_s: float,
        moment: Moment,
        answering: Answering | None = None,
    ) -> Step | Refused:
        """Makes an offer firm until this domain instant."""
        ...

    async def renew(
        self, claim_id: str, lease_until_s: float, to_s: float, moment: Moment
    ) -> Step | Refused:
        """Moves a confirmed lease and its window's end."""
        ...

    async def relevel(
        self,
        claim_id: str,
        level: WarningLevel,
        moment: Moment,
        answering: Answering | None = None,
    ) -> Step | Refused:
        """The car behind a claim is now of this level; what it holds stays."""
        ...

    async def occupy(
        self,
        claim_id: str,
        to_s: float,
        moment: Moment,
        evse_id: str = "",
        answering: Answering | None = None,
    ) -> Step | Refused:
        """The car is plugged in, at another EVSE if one is named; it should be charged by then.

        A predecessor that is still there has gone; who was to be there by now is put off.
        """
        ...

    async def begin(
        self,
        claim_id: str,
        moment: Moment,
        instead: bool = False,
        answering: Answering | None = None,
    ) -> Step | Refused:
        """The car sets out for its window in the future, which is its live claim from now on.

        Refused while it has another one, unless this is `instead` of it.
        """
        ...

    async def walk_in(
        self, claim_id: str, evse_id: str, to_s: float, moment: Moment
    ) -> Step | Refused:
        """A car that nobody sent here is plugged in; who was to be there by now is put off."""
        ...

    async def disown(self, claim_id: str, walk_in_id: str, moment: Moment) -> Step | Refused:
        """The car that is plugged in is not the one of the claim, but a walk-in."""
        ...

    async def overrun(
        self,
        claim_id: str,
        to_s: float,
        moves: Sequence[Move],
        expected_revisions: Mapping[str, int],
        moment: Moment,
        answering: Answering | None = None,
    ) -> Step | Refused:
        """The car stays until then: in one step followers are moved, the others are put off."""
        ...

    async def finish(self, claim_id: str, moment: Moment) -> Step | Refused:
        """The car has left after charging."""
        ...

    async def release(self, claim_id: str, moment: Moment) -> Step | Refused:
        """The place is given back."""
        ...

    async def expire(self, moment: Moment) -> Step:
        """Ends every claim whose lease has run out."""
        ...

    async def shift(self, by_s: float, moment: Moment) -> Step | Refused:
        """Everything under way is so much later: the clock was set."""
        ...

    async def apply(
        self,
        moves: Sequence[Move],
        expected_revisions: Mapping[str, int],
        moment: Moment,
        answering: Answering | None = None,
    ) -> Step | Refused:
        """Makes all moves in one step, or none."""
        ...

    async def keep_answer(self, answer: KeptAnswer, moment: Moment) -> None:
        """Stores an answer that changes no claim, e.g. a new stage."""
        ...

    async def answer(self, recommendation_id: str) -> KeptAnswer | None:
        """The newest stored answer of a recommendation."""
        ...

    async def answer_to(self, request_id: str) -> KeptAnswer | None:
        """The newest stored answer to a request."""
        ...

    async def compact(self, moment: Moment, keep_s: float) -> int:
        """Forgets what nobody needs any more; answers stay for `keep_s` of domain time.

        Gives how many entries went.
        """
        ...

    async def keep_request(self, answer: KeptAnswer, moment: Moment) -> None:
        """Stores a request that nothing was promised for; returns before it is durable."""
        ...

    async def old_answers(self, before_s: float, limit: int) -> list[tuple[int, float, KeptAnswer]]:
        """Answers stored before then, oldest first: number, instant, and what was stored.

        Only those whose claims a snapshot has taken over, so that they may be dropped.
        """
        ...

    async def drop_answers(self, numbers: Sequence[int]) -> None:
        """Removes answers that are kept elsewhere now."""
        ...

    async def keep_outcome(self, recommendation_id: str, outcome: Outcome, moment: Moment) -> None:
        """Stores what a driver told of a recommendation."""
        ...

    async def outcomes(self, recommendation_id: str) -> Sequence[Outcome]:
        """What was told of a recommendation, in order."""
        ...

    async def told(self, person: Person) -> list[KeptAnswer]:
        """The answers to a person that are not in the archive, the newest last."""
        ...

    async def erase(self, person: Person, recommendations: Sequence[str], moment: Moment) -> int:
        """Takes a person out, who has no live claim; `recommendations` are theirs in the archive.

        Gives how many entries changed.
        """
        ...

    async def wipe(self, names: Collection[str]) -> list[str]:
        """Removes for good what is deleted; gives the files in which a name is left."""
        ...

    @property
    def fences(self) -> Mapping[str, int]:
        """The newest fence kept for each EVSE, to read only."""
        ...

    def mark(self, id_token_hash: str) -> str:
        """What is kept in place of a token whose hash an agent tells."""
        ...

    async def keep_fence(self, evse_id: str, fence: int) -> int:
        """Keeps a fence, so that no process after this one draws a lower one.

        Gives the fence to use: this one, or a higher one where several processes draw.
        """
        ...

    async def close(self) -> None:
        """Returns when everything told is durable."""
        ...
