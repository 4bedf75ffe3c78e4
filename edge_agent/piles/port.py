"""What the agent expects of a pile, and what a pile may expect of the agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, Protocol

from edge_agent.core.directive import Action, Answer
from edge_agent.core.reading import Reading


class Pile(Protocol):
    """One pile, whatever it speaks."""

    async def run(self) -> NoReturn:
        """Reads until cancelled; trouble with the device never ends it."""
        ...

    async def perform(self, evse_id: str, action: Action) -> Answer:
        """How the action ended at the device."""
        ...


class ReadingSink(Protocol):
    """Somebody who takes what piles say."""

    def observe(self, reading: Reading) -> None:
        """Takes one reading of one EVSE."""
        ...

    def miss(self, evse_id: str, reason: str) -> None:
        """Takes that an EVSE could not be read, and why."""
        ...


class FactSink(Protocol):
    """Somebody who takes what piles tell of themselves."""

    def learn(self, pile_id: str, told: Mapping[str, str], source: str) -> None:
        """Takes maker, model, serial or firmware as a source tells them."""
        ...
