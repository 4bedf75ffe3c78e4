"""Which free plug of its station a car takes: whose turn it is, and what holds keep out.

When cars come to the plugs is in `engine.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from city_sim.cars import Car

if TYPE_CHECKING:
    from city_sim.engine import Engine


def place_for(engine: Engine, car: Car, free: list[int]) -> int:
    """The free plug that this car takes: its own in its turn, else one nobody needs then."""
    if car.evse in free:
        mine = engine.held[car.evse]
        if all(window[0] >= mine[car.index][0] for window in mine.values()):
            return car.evse
    mask = car.demand.vehicle.connector_mask
    fitting = [e for e in free if not mask or int(engine.district.connector_mask[e]) & mask]
    for evse in fitting:
        held = [window for index, window in engine.held[evse].items() if index != car.index]
        ends_s = engine.now_s + (engine.charge_s(car, evse) if held else 0.0)
        if not any(begins < ends_s and ends > engine.now_s for begins, ends in held):
            return evse
    # A hold is soft: it keeps out who asks, not who just comes.
    return fitting[0] if car.demand.walk_in and fitting else -1
