"""Cars that ask, confirm, drive, arrive, leave and vanish, each by its own use case."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from bench.simulated import invariants
from bench.simulated.coordinator import SimCoordinator
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.errors import CoordinatorError, FieldInvalid, PromiseLost
from coordinator.usecases.answer import Answer
from coordinator.usecases.promises import Promise

CCS2 = 27
CARS = [f"car-{number}" for number in range(5)]


@dataclass
class Cars:
    """All cars of a run, before whichever coordinator runs."""

    rng: random.Random
    coordinator: SimCoordinator
    asked: int = 0
    # What cars were told and did not give back: recommendation to its newest claim.
    told: dict[str, str] = field(default_factory=dict)

    async def ask(self) -> str:
        """A request; the answer is judged, and its hold is in the file."""
        car = self.rng.choice(CARS)
        self.asked += 1
        number = max(1, self.asked - 1) if self.rng.random() < 0.1 else self.asked
        now_s = self.coordinator.clock.now_s()
        window = None
        if self.rng.random() < 0.15:
            begin_s = now_s + self.rng.choice((600.0, 1_800.0, 7_200.0))
            window = (begin_s, begin_s + 1_200.0)
        request = ChargingRequest(
            f"{car}-{number}", car, Vehicle(60.0, connector_mask=1 << CCS2),
            latitude_deg=22.54, longitude_deg=114.05, soc_pct=self.rng.choice((8.0, 30.0, 60.0)),
            user_id=f"user-{car}", arrival_window_s=window,
            id_token=f"token-{car}" if self.rng.random() < 0.7 else "",
        )  # fmt: skip
        life = self.coordinator.lives
        try:
            answer = await self.coordinator.brain.recommender.recommend(request)
        except CoordinatorError as error:
            return self.refused(error)
        if life != self.coordinator.lives or not self.coordinator.running:
            return "died"
        return self.judged(answer)

    def judged(self, answer: Answer) -> str:
        """What an answer came to; raises `Broken`."""
        invariants.answer_is_sound(answer)
        if not answer.hold.claim_id:
            return f"unheld {answer.hold.reason or answer.empty_reason}"
        invariants.told_is_durable(self.coordinator.disk.folder, answer)
        self.told[answer.recommendation_id] = answer.hold.claim_id
        return f"held {answer.choice.evse_id}"

    def refused(self, error: CoordinatorError) -> str:
        """A refusal has its code (I8), and the field or the reason."""
        invariants.hold("I8", error.code != CoordinatorError.code, repr(error))
        if isinstance(error, FieldInvalid):
            invariants.hold("I8", all(f.field for f in error.faults), repr(error))
        if isinstance(error, PromiseLost):
            invariants.hold("I8", bool(error.why), repr(error))
        return f"refused {error.code}"

    def some(self) -> Promise | None:
        """One of the open promises."""
        open_ = sorted(
            self.coordinator.brain.promises.open(), key=lambda p: (p.request.request_id, p.claim_id)
        )
        return self.rng.choice(open_) if open_ else None

    async def confirm(self) -> str:
        """The driver takes the offer."""
        promise = self.some()
        if promise is None:
            return "nobody"
        try:
            await self.coordinator.brain.guidance.confirm(promise.recommendation_id)
        except CoordinatorError as error:
            return self.refused(error)
        return f"confirmed {promise.answer.choice.evse_id}"

    async def release(self) -> str:
        """The driver gives it back."""
        promise = self.some()
        if promise is None:
            return "nobody"
        try:
            await self.coordinator.brain.guidance.release(promise.recommendation_id)
        except CoordinatorError as error:
            return self.refused(error)
        self.told.pop(promise.recommendation_id, None)
        return f"released {promise.answer.choice.evse_id}"

    async def decide(self) -> str:
        """A word on a revision."""
        promise = self.some()
        if promise is None:
            return "nobody"
        accepted = self.rng.random() < 0.6
        try:
            await self.coordinator.brain.guidance.decide(promise, promise.newest.revision, accepted)
        except CoordinatorError as error:
            return self.refused(error)
        return f"decided {accepted}"

    async def arrive(self) -> tuple[str, str]:
        """A car says that it is there; what became of it, and the EVSE it goes to."""
        promise = self.some()
        if promise is None:
            return "nobody", ""
        try:
            await self.coordinator.brain.guidance.arrived(promise)
        except CoordinatorError as error:
            return self.refused(error), ""
        return "arrived", promise.answer.choice.evse_id
