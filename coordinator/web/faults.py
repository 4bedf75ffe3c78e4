"""What is wrong with EVSEs now, those first that cost most drivers their place.

A driver counts from the moment that a promise was lost because of the EVSE, until it works again;
and whoever is promised it still. What energy is lost meanwhile is an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from coordinator.core.lost_energy import lost_kwh, usual_kw
from coordinator.core.pile import EvseStatus
from coordinator.usecases.events import Event
from coordinator.web.sources import Sources

SHOWN = 100
# Statuses of which somebody should hear; PLANNED and REMOVED are meant.
WRONG = (
    EvseStatus.OUTOFORDER,
    EvseStatus.INOPERATIVE,
    EvseStatus.BLOCKED,
    EvseStatus.UNKNOWN,
)
_WORKS = frozenset({"AVAILABLE", "CHARGING", "RESERVED"})
# Codes of changes that a pile is to blame for; others are the car's or the district's doing.
_ITS_FAULT = frozenset(
    {"PILE_FAILED", "PILE_BLOCKED", "PILE_OUT_OF_USE", "PILE_SILENT", "RESERVATION_REFUSED"}
)


class Affected:
    """Which cars lost their place at which EVSE, since it works no more."""

    def __init__(self) -> None:
        self._cars: dict[str, set[str]] = {}

    def learn(self, events: Iterable[Event]) -> None:
        """Takes events in, in order."""
        for event in events:
            if event.kind == "STATUS" and event.facts.get("after") in _WORKS:
                self._cars.pop(event.evse_id, None)
            elif event.kind in ("REROUTED", "PLACE_LOST"):
                lost = event.facts.get("from_evse_id") or event.evse_id
                if event.facts.get("code") in _ITS_FAULT and event.vehicle_id:
                    self._cars.setdefault(lost, set()).add(event.vehicle_id)

    def cars(self, evse_id: str) -> set[str]:
        """Cars that lost this EVSE."""
        return self._cars.get(evse_id, set())


class Faults:
    """The list of faults."""

    def __init__(self, sources: Sources, affected: Affected) -> None:
        self._sources = sources
        self._affected = affected

    def listed(self, statuses: Any) -> dict[str, Any]:
        """The worst of them, and how many there are in all."""
        rows = np.flatnonzero(np.isin(statuses, WRONG)).tolist()
        now_s = self._sources.clock.now_s()
        usual = usual_kw(self._sources.district, now_s)
        entries = [self._entry(row, EvseStatus(int(statuses[row])), usual[row]) for row in rows]
        entries.sort(key=lambda entry: _worst_first(entry, now_s))
        return {"total": len(entries), "worst": entries[:SHOWN]}

    def _entry(self, row: int, status: EvseStatus, usual: float) -> dict[str, Any]:
        sources = self._sources
        district = sources.district
        evse_id = district.evse_ids[row]
        pile = district.piles[district.pile[row]]
        station = district.stations[district.station[row]]
        live = sources.claims.table.of_evse(evse_id)
        drivers = {claim.vehicle_id for claim in live if claim.vehicle_id}
        drivers |= self._affected.cars(evse_id)
        code = district.fault_code.get(row, "")
        return {
            "evse": evse_id,
            "pile": pile.pile_id,
            "label": pile.label or pile.pile_id,
            "station": station.station_id,
            "station_name": station.name or station.station_id,
            "status": status.name,
            "code": code,
            "since_s": self._since_s(row, status),
            "drivers": len(drivers),
            "usual_kw": _told_kw(status, usual),
            "agent": sources.inventory.owner_of(pile.pile_id),
            "advice": _advice(status, code),
        }

    def _since_s(self, row: int, status: EvseStatus) -> float | None:
        """Since when, domain time, whole seconds; None if it was never otherwise."""
        district, clock = self._sources.district, self._sources.clock
        since_s = float(district.changed_at_s[row])
        if status is EvseStatus.UNKNOWN:
            silent_s = clock.link_s() - float(district.heard_at_s[row])
            since_s = clock.now_s() - silent_s * clock.speed
        return round(since_s) if math.isfinite(since_s) else None


def _advice(status: EvseStatus, code: str) -> str:
    """The word under which the page says what to do."""
    if status is EvseStatus.BLOCKED:
        return "clear_bay"
    if status is EvseStatus.UNKNOWN:
        return "look_at_agent"
    return "send_somebody" if code else "ask_the_pile"


def _told_kw(status: EvseStatus, usual: float) -> float | None:
    """What usually flows there, so that a page can say what was lost until its own now.

    None if it is not known, and for one that is silent: it may charge all the time. Told in two
    digits, or the list would change with every look.
    """
    if status is EvseStatus.UNKNOWN or not math.isfinite(usual):
        return None
    return float(f"{usual:.2g}")


def _worst_first(entry: dict[str, Any], now_s: float) -> tuple[Any, ...]:
    since_s, silent = entry["since_s"], entry["status"] == "UNKNOWN"
    lost = lost_kwh(entry["usual_kw"] or 0.0, 0.0 if since_s is None else now_s - since_s)
    since = math.inf if since_s is None else since_s
    # Whole kWh: two that lose the same must not change places with every look.
    return -entry["drivers"], silent, -round(lost), since, entry["evse"]
