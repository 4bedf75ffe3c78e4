"""One EVSE of an OCPP 2.0.1 station: its connectors and its transaction become one state.

How the state is told belongs to the piles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from edge_agent.core.reading import EvseStatus, OcppStatus
from edge_agent.core.status import OCPP201_TABLE, UNKNOWN_STATE, PileState

# An EVSE serves one car: a taken connector takes it whole, one usable connector keeps it usable.
_RANK: Final = ("Occupied", "Reserved", "Available", "Faulted", "Unavailable")
# What a running transaction says more than `Occupied` does. Idle: the car has gone.
_REFINED: Final[dict[str, OcppStatus]] = {
    "Charging": OcppStatus.CHARGING,
    "SuspendedEV": OcppStatus.SUSPENDED_EV,
    "SuspendedEVSE": OcppStatus.SUSPENDED_EVSE,
    "EVConnected": OcppStatus.PREPARING,
    "Idle": OcppStatus.OCCUPIED,
}
_PLUGGED: Final = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE", "EVConnected"})


@dataclass(frozen=True, slots=True)
class EvseWords:
    """What a station said of one EVSE: each connector's status, and of the transaction.

    `transaction_id` is "" where none runs; `ended` holds while the car of the last one stands
    there. `charging_state` is "" where the station never told one.
    """

    connectors: tuple[tuple[int, str], ...] = ()
    transaction_id: str = ""
    charging_state: str = ""
    ended: bool = False

    def told(self, connector: int, word: str) -> EvseWords:
        """After a StatusNotification. Available is the end of whatever was thought to run."""
        kept = dict(self.connectors)
        kept[connector] = word
        after = replace(self, connectors=tuple(sorted(kept.items())))
        if after.word in ("Occupied", "Faulted", "Unavailable"):
            return after
        return replace(after, transaction_id="", charging_state="", ended=False)

    def running(self, transaction_id: str, charging_state: str) -> EvseWords:
        """After a TransactionEvent that is news: a state it leaves out is still the one before."""
        same = transaction_id == self.transaction_id
        state = charging_state or (self.charging_state if same else "")
        connectors = self.connectors
        if state in _PLUGGED and self.word in ("", "Available", "Reserved"):
            # The event often comes before the status that says the same.
            connectors = tuple((number, "Occupied") for number, _ in connectors) or (
                (1, "Occupied"),
            )
        return EvseWords(connectors, transaction_id, state)

    def over(self, transaction_id: str, charging_state: str) -> EvseWords:
        """After the end of a transaction; the car may still stand there."""
        if self.transaction_id not in ("", transaction_id):
            return self
        return replace(self, transaction_id="", charging_state=charging_state, ended=True)

    @property
    def word(self) -> str:
        """The one ConnectorStatus that stands for the EVSE; "" before any was told."""
        words = {word for _, word in self.connectors}
        return next((word for word in _RANK if word in words), "")

    @property
    def state(self) -> PileState:
        """The state in our words: `Occupied` refined by what the transaction says."""
        state = OCPP201_TABLE.get(self.word, UNKNOWN_STATE)
        if state.status is not EvseStatus.CHARGING:
            return state
        if self.ended:
            return replace(state, ocpp=OcppStatus.FINISHING)
        refined = _REFINED.get(self.charging_state, OcppStatus.OCCUPIED)
        return replace(state, ocpp=refined)
