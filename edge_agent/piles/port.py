"""What the agent expects of a pile, and what a pile may expect of the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from edge_agent.core.directive import Action, Answer
from edge_agent.core.ocpp_transaction import Known
from edge_agent.core.reading import (
    NO_VALUES,
    Detail,
    Reading,
    Record,
    RecordFlags,
    RecordKind,
    Values,
)


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


class OcppSink(Protocol):
    """What an OCPP pile needs of the agent's picture."""

    def observe(
        self, reading: Reading, at_ms: int | None = None, flags: RecordFlags = RecordFlags.NONE
    ) -> None:
        """Takes the present state of one EVSE; `flags` are added to what is told of it."""
        ...

    def judge(self, reading: Reading, at_ms: int | None = None) -> list[Record]:
        """The same, but the records are the caller's to commit."""
        ...

    def lose(self, evse_id: str, reason: str) -> None:
        """Takes that an EVSE is out of reach."""
        ...

    def miss(self, evse_id: str, reason: str) -> None:
        """Takes why an EVSE is not heard."""
        ...

    def learn(self, pile_id: str, told: Mapping[str, str], source: str) -> None:
        """Takes what the pile tells of itself."""
        ...

    def note(
        self, evse_id: str, kind: RecordKind, at_ms: int, detail: Detail, values: Values = NO_VALUES
    ) -> Record:
        """A record of something decided here."""
        ...


class Transactions(Protocol):
    """Where transactions are written; every method returns after the commit."""

    async def begin(self, pile_id: str, start_key: str, record: Record) -> int:
        """The transaction id."""
        ...

    async def end(
        self, pile_id: str, transaction_id: int, record_of: Callable[[str, str], Record]
    ) -> bool:
        """False where it was ended before."""
        ...

    async def look_up(self, pile_id: str, transaction_id: str, seq_no: int) -> Known | None:
        """What is known of an OCPP 2.0.1 transaction; None for a fresh one."""
        ...

    async def take_event(
        self,
        pile_id: str,
        transaction_id: str,
        seq_no: int,
        known: Known,
        records: Sequence[Record],
    ) -> None:
        """Commits what one message of an OCPP 2.0.1 transaction says, once."""
        ...

    async def keep(self, records: Sequence[Record]) -> None:
        """Commits records of a running transaction."""
        ...


class StationConnection(Protocol):
    """One connection of a charge point: its socket, or a relay that stands before it.

    Frames are sound OCPP-J arrays. `recv` and `send` raise `ConnectionClosed` of websockets.
    """

    @property
    def subprotocol(self) -> str:
        """`ocpp1.6` or `ocpp2.0.1`."""
        ...

    @property
    def remote_address(self) -> Any:
        """Address and port of the charge point."""
        ...

    async def recv(self) -> str:
        """The next frame."""
        ...

    async def send(self, text: str) -> None:
        """Sends one frame."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Says why and hangs up."""
        ...


class Station(Protocol):
    """A charge point that dials in."""

    async def serve(self, connection: StationConnection) -> None:
        """Talks until the connection ends."""
        ...
