"""What happens at a plug: a charge begins, ends or is cut off, and what a report says then.

When it happens is in `engine.py`, who is let to the plug in `turns.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from city_sim.cars import Car, Doing
from city_sim.demand import Disturbance, DisturbanceKind
from coordinator.core.pile import EvseStatus

if TYPE_CHECKING:
    from city_sim.engine import Engine


def plug_in(engine: Engine, car: Car, evse: int) -> None:
    """A car that waited begins to charge."""
    engine.let_go(car)
    car.count(engine.now_s)
    car.doing, car.since_s, car.evse = Doing.CHARGING, engine.now_s, evse
    ends_s = engine.now_s + engine.charge_s(car, evse)
    engine.occupant[evse] = car.index
    engine.sites.take(evse)
    engine.ends_s[evse] = ends_s
    engine.district.served_today[evse] += 1
    car.version += 1
    engine.at(ends_s, "leaves", car.index, car.version)
    engine.policy_of(car).plugged(engine, car)
    restate(engine, evse)


def leave(engine: Engine, car: Car) -> None:
    """A car has what it wanted and is gone."""
    evse, car.evse = car.evse, -1
    car.doing, car.soc_pct = Doing.LEFT, car.demand.target_soc_pct
    engine.left += 1
    engine.occupant[evse] = -1
    engine.sites.give(evse)
    restate(engine, evse)
    engine.policy_of(car).gone(engine, car)


def disturb(engine: Engine, disturbance: Disturbance, by: int) -> int:
    """An EVSE has one disturbance more or less; a fault throws out who charges there. Its row."""
    evse = engine.district.row[disturbance.evse_id]
    fault = disturbance.kind is DisturbanceKind.FAULT
    (engine.faults if fault else engine.blocks)[evse] += by
    index = int(engine.occupant[evse])
    if index >= 0 and fault and by > 0:
        _interrupt(engine, engine.cars[index], evse)
    return evse


def _interrupt(engine: Engine, car: Car, evse: int) -> None:
    """Ends a session before its time: the car goes to the queue's head with what it has."""
    length_s = float(engine.ends_s[evse]) - car.since_s
    share = (engine.now_s - car.since_s) / max(length_s, 1e-9)
    car.soc_pct += share * (car.demand.target_soc_pct - car.soc_pct)
    car.done_share += share * (1.0 - car.done_share)
    engine.occupant[evse] = -1
    engine.sites.give(evse)
    car.doing, car.since_s, car.evse = Doing.WAITING, engine.now_s, -1
    car.version += 1
    engine.policy_of(car).gone(engine, car)
    engine.queue[car.station].insert(0, car.index)


def restate(engine: Engine, evse: int) -> None:
    """Writes what a report of this EVSE would say, and tells the policy if that is new."""
    if engine.faults[evse] > 0:
        status = EvseStatus.OUTOFORDER
    elif engine.occupant[evse] >= 0:
        status = EvseStatus.CHARGING
    else:
        status = EvseStatus.BLOCKED if engine.blocks[evse] > 0 else EvseStatus.AVAILABLE
    before = engine.status[evse]
    if status is not before:
        engine.status[evse] = status
        engine.district.status[evse] = status
        engine.district.changed_at_s[evse] = engine.now_s
        engine.policy.restated(engine, evse, before, status)
