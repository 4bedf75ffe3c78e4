"""The ledger's engines share this: one contract, an in-memory index, a hook that makes it durable.

`MemoryClaims` is for simulations and tests; `SqliteClaims` (`claims_sqlite.py`) survives the
process. What may be promised is decided in `core/areas/claim_index.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from coordinator.core.areas.claim_index import QUEUE_PLACES, ClaimIndex
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Claim, ClaimState, Moment, Move, Refused, Step
from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.ledger import Answering, KeptAnswer, Late, Outcome, Watcher
from coordinator.usecases.person import Person, blanked, is_theirs

Decide = Callable[[], Step | Refused]


class MemoryClaims:
    """`ledger.ClaimStore` in memory: each step is decided, then handed to `_keep`.

    Decision and memory change together without a pause, so two callers never get one place; the
    caller learns the outcome only after `_keep` returned. If that fails the step is taken back.
    `paused` is why nothing new is granted just now, or "".
    """

    # Answers kept in memory, and requests of which is known by what they were answered.
    remembered, requests = 10_000, 50_000

    def __init__(self, queue_places: int = QUEUE_PLACES) -> None:
        self.index = ClaimIndex(queue_places)
        self.watchers, self.late = list[Watcher](), list[Late]()
        self.paused = ""
        self._answers: OrderedDict[str, KeptAnswer] = OrderedDict()
        self._by_request: dict[str, str] = {}
        self._outcomes: dict[str, list[Outcome]] = {}
        self._fences: dict[str, int] = {}

    @property
    def table(self) -> ClaimTable:
        """The claims now, to read only."""
        return self.index.table

    async def claim(
        self, wish: Claim, moment: Moment, answering: Answering | None = None
    ) -> Step | Refused:
        """Grants the wish or refuses; `answering` makes what is stored beside the grant."""
        if self.paused:
            return Refused(self.paused)
        return await self._settle(lambda: self.index.claim(wish, moment), moment, answering)

    async def confirm(
        self,
        claim_id: str,
        lease_until_s: float,
        moment: Moment,
        answering: Answering | None = None,
    ) -> Step | Refused:
        """Makes an offer firm until this domain instant."""
        if self.paused:
            return Refused(self.paused)
        return await self._settle(
            lambda: self.index.confirm(claim_id, lease_until_s, moment), moment, answering
        )

    async def renew(
        self, claim_id: str, lease_until_s: float, to_s: float, moment: Moment
    ) -> Step | Refused:
        """Moves a confirmed lease and its window's end."""
        return await self._settle(
            lambda: self.index.renew(claim_id, lease_until_s, to_s, moment), moment, None
        )

    async def relevel(
        self,
        claim_id: str,
        level: WarningLevel,
        moment: Moment,
        answering: Answering | None = None,
    ) -> Step | Refused:
        """The car behind a claim is now of this level."""
        return await self._settle(
            lambda: self.index.relevel(claim_id, level, moment), moment, answering
        )

    async def occupy(
        self,
        claim_id: str,
        to_s: float,
        moment: Moment,
        evse_id: str = "",
        answering: Answering | None = None,
    ) -> Step | Refused:
        """The car is plugged in."""
        return await self._settle(
            lambda: self.index.occupy(claim_id, to_s, moment, evse_id), moment, answering
        )

    async def begin(
        self,
        claim_id: str,
        moment: Moment,
        instead: bool = False,
        answering: Answering | None = None,
    ) -> Step | Refused:
        """The car sets out for its window in the future."""
        if self.paused:
            return Refused(self.paused)
        return await self._settle(
            lambda: self.index.begin(claim_id, moment, instead), moment, answering
        )

    async def walk_in(
        self, claim_id: str, evse_id: str, to_s: float, moment: Moment
    ) -> Step | Refused:
        """A car that nobody sent here is plugged in."""
        return await self._settle(
            lambda: self.index.walk_in(claim_id, evse_id, to_s, moment), moment, None
        )

    async def disown(self, claim_id: str, walk_in_id: str, moment: Moment) -> Step | Refused:
        """The car that is plugged in is another one."""
        return await self._settle(
            lambda: self.index.disown(claim_id, walk_in_id, moment), moment, None
        )

    async def overrun(
        self,
        claim_id: str,
        to_s: float,
        moves: Sequence[Move],
        expected_revisions: Mapping[str, int],
        moment: Moment,
        answering: Answering | None = None,
    ) -> Step | Refused:
        """The car stays longer: followers are moved or put off in the same step."""
        return await self._settle(
            lambda: self.index.overrun(claim_id, to_s, moves, expected_revisions, moment),
            moment,
            answering,
        )

    async def finish(self, claim_id: str, moment: Moment) -> Step | Refused:
        """The car has left after charging."""
        return await self._settle(lambda: self.index.end(claim_id, ClaimState.DONE), moment, None)

    async def release(self, claim_id: str, moment: Moment) -> Step | Refused:
        """The place is given back."""
        return await self._settle(
            lambda: self.index.end(claim_id, ClaimState.RELEASED), moment, None
        )

    async def expire(self, moment: Moment) -> Step:
        """Ends every claim whose lease has run out."""
        decided = await self._settle(lambda: self.index.expire(moment), moment, None)
        return Step(None) if isinstance(decided, Refused) else decided

    async def shift(self, by_s: float, moment: Moment) -> Step | Refused:
        """Everything under way is so much later: the clock was set."""
        return await self._settle(lambda: self.index.shift(by_s, moment), moment, None)

    async def apply(
        self,
        moves: Sequence[Move],
        expected_revisions: Mapping[str, int],
        moment: Moment,
        answering: Answering | None = None,
    ) -> Step | Refused:
        """Makes all moves in one step, or none."""
        if self.paused:
            return Refused(self.paused)
        return await self._settle(
            lambda: self.index.apply(moves, expected_revisions, moment), moment, answering
        )

    async def keep_answer(self, answer: KeptAnswer, moment: Moment) -> None:
        """Stores an answer that changes no claim, e.g. a new stage."""
        await self._keep(Step(None), moment, (answer,))
        self._remember(answer)

    async def answer(self, recommendation_id: str) -> KeptAnswer | None:
        """The newest stored answer of a recommendation."""
        return self._answers.get(recommendation_id)

    async def answer_to(self, request_id: str) -> KeptAnswer | None:
        """The newest stored answer to a request."""
        recommendation_id = self._by_request.get(request_id)
        return None if recommendation_id is None else await self.answer(recommendation_id)

    async def compact(self, moment: Moment, keep_s: float) -> int:
        """Nothing is kept longer than needed here; gives 0."""
        return 0

    async def keep_request(self, answer: KeptAnswer, moment: Moment) -> None:
        """Nothing is kept of what nothing was promised for."""

    async def old_answers(self, before_s: float, limit: int) -> list[tuple[int, float, KeptAnswer]]:
        """None: memory keeps the newest answers as they are."""
        return []

    async def drop_answers(self, numbers: Sequence[int]) -> None:
        """Nothing to do."""

    async def keep_outcome(self, recommendation_id: str, outcome: Outcome, moment: Moment) -> None:
        """Stores what a driver told of a recommendation."""
        self._outcomes.setdefault(recommendation_id, []).append(outcome)
        if len(self._outcomes) > self.remembered:
            del self._outcomes[next(iter(self._outcomes))]

    async def outcomes(self, recommendation_id: str) -> Sequence[Outcome]:
        """What was told of a recommendation, in order."""
        return tuple(self._outcomes.get(recommendation_id, ()))

    @property
    def fences(self) -> Mapping[str, int]:
        """The newest fence kept for each EVSE."""
        return self._fences

    def mark(self, id_token_hash: str) -> str:
        """The hash itself: nothing of this memory lies on a disk."""
        return id_token_hash

    async def keep_fence(self, evse_id: str, fence: int) -> int:
        """Keeps a fence, and gives it; one below what is kept changes nothing."""
        self._fences[evse_id] = max(self._fences.get(evse_id, 0), fence)
        return fence

    async def told(self, person: Person) -> list[KeptAnswer]:
        """The answers to this person that memory has."""
        return [
            kept
            for kept in self._answers.values()
            if is_theirs(person, kept.vehicle_id, kept.request)
        ]

    async def erase(self, person: Person, recommendations: Sequence[str], moment: Moment) -> int:
        """Takes a person out of memory."""
        gone = {kept.recommendation_id: kept for kept in await MemoryClaims.told(self, person)}
        for name, kept in list(self._answers.items()):
            if name in gone:
                del self._answers[name]
                self._by_request.pop(kept.request_id, None)
            else:
                answer = blanked(kept.answer, person.names)
                self._answers[name] = replace(kept, answer=answer)
        for name in (*gone, *recommendations):
            self._outcomes.pop(name, None)
        for claim in list(self.table.remembered()):
            if not claim.live and claim.vehicle_id in person.vehicle_ids:
                self.table.remove(claim)
        return len(gone)

    async def wipe(self, names: Collection[str]) -> list[str]:
        """Nothing is on disk; gives nothing."""
        return []

    async def close(self) -> None:
        """Returns when everything told is durable."""

    async def _settle(
        self, decide: Decide, moment: Moment, answering: Answering | None
    ) -> Step | Refused:
        decided = decide()
        if isinstance(decided, Refused):
            return decided
        self._tell(decided)
        answers = answering(decided) if answering is not None else ()
        if decided.after or answers:
            try:
                await self._keep(decided, moment, answers)
            except Exception:
                self.index.undo(decided)
                self._tell(decided)
                raise
        for answer in answers:
            self._remember(answer)
        return decided

    def _tell(self, step: Step) -> None:
        for watcher in self.watchers:
            watcher(step.evse_ids)

    def _remember(self, answer: KeptAnswer) -> None:
        known = self._answers.pop(answer.recommendation_id, None)
        if known is not None and not answer.inputs:
            # A new stage or lease was not ranked anew: what led to the answer stands.
            answer = replace(answer, inputs=known.inputs)
        self._answers[answer.recommendation_id] = answer
        self._by_request[answer.request_id] = answer.recommendation_id
        if len(self._answers) > self.remembered:
            self._answers.popitem(last=False)
        if len(self._by_request) > self.requests:
            del self._by_request[next(iter(self._by_request))]

    async def _keep(self, step: Step, moment: Moment, answers: Sequence[KeptAnswer]) -> None:
        """Makes a step durable; in memory there is nothing to do."""
