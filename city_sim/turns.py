"""Which free plug of its station a car takes: whose turn it is, and what holds keep out.

When cars come to the plugs is in `engine.py`; the lines in which strangers wait are counted here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

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
    fits = engine.sites.fits(mask)
    fitting = [evse for evse in free if fits[evse]] if mask else free
    for evse in fitting:
        if not engine.held[evse]:
            return evse
        held = [window for index, window in engine.held[evse].items() if index != car.index]
        ends_s = engine.now_s + (engine.charge_s(car, evse) if held else 0.0)
        if not any(begins < ends_s and ends > engine.now_s for begins, ends in held):
            return evse
    # A hold is soft: it keeps out who asks, not who just comes.
    return fitting[0] if car.stranger and fitting else -1


def line_up(engine: Engine, stations: Iterable[int]) -> None:
    """Notes what queue counters show: strangers stand where few do, and a car came long ago.

    Cars that asked say themselves where they stand.
    """
    waiting = engine.district.queue_length
    for station in stations:
        queue = engine.queue[station]
        strangers = sum(engine.cars[index].stranger for index in queue) if queue else 0
        if not strangers and station not in engine.lined_up:
            continue
        here = engine.sites.rows[station]
        waiting[here] = 0
        rows = (np.flatnonzero(engine.usable()[here]) + here.start).tolist()
        engine.lined_up.add(station) if strangers else engine.lined_up.discard(station)
        for _ in range(strangers if rows else 0):
            _, _, row = min((int(waiting[row]), _since_s(engine, row), row) for row in rows)
            waiting[row] += 1


def _since_s(engine: Engine, row: int) -> float:
    index = int(engine.occupant[row])
    return engine.cars[index].since_s if index >= 0 else engine.now_s
