"""Which bad habits a charge point has now: those of its configuration and those of the bench."""

from __future__ import annotations

from collections.abc import Sequence

from firmware_sim.core.ocpp_faults import OcppFault
from firmware_sim.core.pile import meet_ocpp_fault
from firmware_sim.fleet import Fleet


class Habits:
    """Looks them up by name; what the bench injected comes before what is configured."""

    def __init__(self, fleet: Fleet, pile_id: str) -> None:
        self._fleet = fleet
        self._pile_id = pile_id

    def __contains__(self, kind: object) -> bool:
        return any(fault.kind == kind for fault in self.present)

    @property
    def present(self) -> Sequence[OcppFault]:
        """All that are present, the newest last."""
        return self._fleet.pile(self._pile_id).ocpp_faults

    def value(self, kind: str) -> str:
        """The text of the newest of that kind; "" where there is none."""
        values = [fault.value for fault in self.present if fault.kind == kind]
        return values[-1] if values else ""

    def number(self, kind: str) -> float:
        """The value of the newest of that kind; 0 where there is none."""
        numbers = [fault.number for fault in self.present if fault.kind == kind]
        return numbers[-1] if numbers else 0.0

    def meet(self, kinds: dict[str, str], action: str) -> list[OcppFault]:
        """The faults that a message of that action meets; those that were counted are used up."""
        met = [fault for fault in self.present if fault.concerns(kinds, action)]
        for fault in met:
            if fault.times is not None:
                pile = self._fleet.pile(self._pile_id)
                self._fleet.put(meet_ocpp_fault(pile, fault))
        return met
