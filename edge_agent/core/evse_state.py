"""One EVSE as the agent sees it: what was heard, fused and told of it, and records made of that.

What is heard and when something is told belongs to `picture.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from edge_agent.core.energy_register import EnergyRegister
from edge_agent.core.occupancy import Evidence, Fused, FusionRules, PileWord
from edge_agent.core.reading import (
    CLOCK_SANE_FROM_MS,
    NO_VALUES,
    Detail,
    EvseStatus,
    Fault,
    IecState,
    OcppStatus,
    Record,
    RecordFlags,
    RecordKind,
    StatusSource,
    Values,
)
from edge_agent.core.reporting import Told
from edge_agent.core.surroundings import Told as ToldAround

_OF_A_STATUS: Final = (RecordKind.STATUS, RecordKind.METER, RecordKind.SESSION_START)


@dataclass(slots=True)
class EvseState:
    """Everything kept of one EVSE.

    `next_s` is when time alone may change something. `again_s` is when the pile's last word was
    said again, word for word; it becomes a part of the evidence when that is looked at.
    """

    evse_id: str
    rules: FusionRules
    evidence: Evidence = field(default_factory=Evidence)
    fused: Fused | None = None
    told: Told | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    session_id: str = ""
    register: EnergyRegister = field(default_factory=EnergyRegister)
    suspect: bool = False
    conflict: str = ""
    around: ToldAround = field(default_factory=dict)
    values: Values = NO_VALUES
    next_s: float = 0.0
    again_s: float = 0.0

    @property
    def is_believed(self) -> bool:
        """Whether the pile's last word stands in the fused status."""
        return self.fused is not None and self.fused.status is not EvseStatus.UNKNOWN

    def aged(self) -> Evidence:
        """The evidence, its pile's word as old as it was said last."""
        word = self.evidence.pile
        if word is not None and self.again_s > word.heard_s and not word.lost:
            word = PileWord(word.reading, self.again_s, word.same_status_since_s)
            self.evidence = replace(self.evidence, pile=word)
        return self.evidence

    def raw(self) -> tuple[IecState, OcppStatus]:
        """The raw states beside the fused one; unspecified while that is UNKNOWN."""
        word = self.evidence.pile
        if word is None or (self.fused is not None and not self.is_believed):
            return IecState.UNSPECIFIED, OcppStatus.UNSPECIFIED
        return word.reading.iec, word.reading.ocpp

    def record(
        self,
        kind: RecordKind,
        at_ms: int,
        detail: Detail | None = None,
        *,
        urgent: bool = False,
    ) -> Record:
        """A record of the present state; it says why that is BLOCKED or UNKNOWN.

        Where the detail's own reason means something else (why a session ended), that stays.
        """
        fused = self.fused or Fused(EvseStatus.UNKNOWN, StatusSource.TIMEOUT, "NOT_HEARD_YET")
        if fused.reason and detail is None:
            detail = Detail(reason=fused.reason)
        elif fused.reason and kind in _OF_A_STATUS and detail is not None and not detail.reason:
            detail = replace(detail, reason=fused.reason)
        iec, ocpp = self.raw()
        flags = RecordFlags.NONE
        if at_ms < CLOCK_SANE_FROM_MS:
            flags |= RecordFlags.CLOCK_UNSYNCED
        if self.evidence.pile is not None and self.evidence.pile.reading.suspect:
            flags |= RecordFlags.IMPLAUSIBLE
        if fused.carried_over:
            flags |= RecordFlags.CARRIED_OVER
        return Record(
            evse_id=self.evse_id,
            kind=kind,
            observed_at_ms=at_ms,
            status=fused.status,
            source=fused.source,
            iec=iec,
            ocpp=ocpp,
            bay=fused.bay,
            queue_length=fused.queue_length,
            values=self.values if fused.status is not EvseStatus.UNKNOWN else NO_VALUES,
            detail=detail,
            flags=flags,
            urgent=urgent,
            own_energy_kwh=self._to_keep(urgent=urgent),
        )

    def _to_keep(self, *, urgent: bool) -> float | None:
        """The pile's own register, where a restart must know it: it was reset, or may be soon.

        For Modbus piles only news are worth a row, as they tell their register every second.
        """
        word = self.evidence.pile
        if not self.register.total or word is None:
            return None
        often = self.register.base_kwh > 0.0 or word.reading.source is StatusSource.OCPP
        return self.register.session_kwh if often or urgent else None
