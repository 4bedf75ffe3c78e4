"""A real network's connectors as simulated piles, and what each state does to one.

Whence the states come is in `intervals.py`; running the piles is the replay command's business.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from firmware_sim.bench.tape.intervals import Connector, Turn
from firmware_sim.core.battery import Battery
from firmware_sim.core.controller import plug_in, set_operative, stop, unplug
from firmware_sim.core.evse import Car, EvseSpec, Supply
from firmware_sim.core.status import ocpp_status
from firmware_sim.core.wire import WireFault
from firmware_sim.fleet import Fleet

# Power of a plug of that kind in that network, kW.
_POWER_KW: Final = {"StandardType2": 22.0, "FastAC43": 43.0, "CHAdeMO": 50.0, "ComboCCS": 50.0}
_USUAL_KW: Final = 22.0
_MOST_AC_KW: Final = 43.5
_AC_STORED_SHARE: Final = 0.9


def pile_id(connector: Connector) -> str:
    """The pile that stands for a connector."""
    return f"IE-{connector.connector_id}"


def pile_table(connector: Connector, face: str, central: str) -> dict[str, Any]:
    """The `[[pile]]` of a connector: alternating or direct current by its plug."""
    power_kw = _POWER_KW.get(connector.kind, _USUAL_KW)
    direct = power_kw > _MOST_AC_KW
    name = pile_id(connector)
    table: dict[str, Any] = {"pile_id": name, "face": face, "max_power_kw": power_kw}
    if face == "modbus":
        table["model"] = "alpitronic-hypercharger" if direct else "abb-terra-ac"
    else:
        table |= {"url": f"{central.rstrip('/')}/{name}", "supply": "dc" if direct else "auto"}
    return table


@dataclass(slots=True)
class Network:
    """Turns the piles of a fleet to the states of their connectors; cars are drawn by the seed."""

    fleet: Fleet
    seed: int
    turns: int = 0
    by_state: dict[str, int] = field(default_factory=dict)

    def apply(self, turn: Turn) -> None:
        """Does what a turn means: a car comes, the pile fails, or all is well again.

        `occ` is a car that charges, `oos` out of service, `ooc` out of contact; `part` (another
        connector of the same post is taken) and `available_or_unlisted` leave this one free.
        """
        pile = self.fleet.pile(f"IE-{turn.connector}")
        evse_id = pile.evses[0].spec.evse_id
        self.turns += 1
        self.by_state[turn.state] = self.by_state.get(turn.state, 0) + 1
        wire = WireFault("silent") if turn.state == "ooc" else None
        if (pile.wire is None) is not (wire is None):
            self.fleet.set_wire(pile.spec.pile_id, wire)
        if turn.state == "ooc":
            return
        if self.fleet.evse(evse_id).car is not None:
            self.fleet.change(evse_id, partial(stop, reason="EVDisconnected"))
            self.fleet.change(evse_id, unplug)
        self.fleet.change(evse_id, partial(set_operative, operative=turn.state != "oos"))
        if turn.state == "occ":
            car = self._car(turn, self.fleet.evse(evse_id).spec)
            self.fleet.change(evse_id, partial(plug_in, car=car, token=""))

    def _car(self, turn: Turn, spec: EvseSpec) -> Car:
        rng = random.Random(f"{self.seed}/{turn.connector}/{turn.at_ms}")
        direct = spec.supply is Supply.DC
        battery = Battery(
            capacity_kwh=rng.choice((24.0, 30.0, 40.0, 60.0, 75.0)),
            soc_pct=rng.uniform(10, 60),
            max_power_kw=spec.max_power_kw if direct else rng.choice((3.7, 7.4, 11.0, 22.0)),
        )
        return Car(battery, target_soc_pct=100.0, stored_share=1.0 if direct else _AC_STORED_SHARE)


def statuses(fleet: Fleet, connectors: Sequence[Connector]) -> dict[str, int]:
    """How many piles stand in which OCPP status."""
    counts: dict[str, int] = {}
    for connector in connectors:
        status = ocpp_status(fleet.pile(pile_id(connector)).evses[0])
        counts[status] = counts.get(status, 0) + 1
    return dict(sorted(counts.items()))
