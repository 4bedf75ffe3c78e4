"""Makes the answer to a request in the moment in which its claim is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.core.areas.ledger import Moment, Step
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases.answer import Answer
from coordinator.usecases.composing import Composer
from coordinator.usecases.ledger import KeptAnswer


@dataclass(slots=True)
class Grant:
    """Makes the answer as soon as its claim is decided, so that both are stored together."""

    composer: Composer
    request: ChargingRequest
    context: Context
    ranked: Ranked
    choice: int
    moment: Moment
    answer: Answer | None = None

    def answering(self, step: Step) -> Sequence[KeptAnswer]:
        """The answer of a granted step, to be stored with it."""
        self.answer = self.composer.compose(
            self.request, self.context, self.ranked, self.choice, step.claim, self.moment
        )
        return (self.composer.kept(self.answer, self.request, self.ranked),)
