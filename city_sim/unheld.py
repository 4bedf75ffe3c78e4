"""Where a car drives by an answer behind which nothing is held.

What is held, and how it changes, is in `product.py`.
"""

from __future__ import annotations

from city_sim.cars import Car, Choice
from city_sim.engine import Engine
from city_sim.parts import Parts
from city_sim.policies.free_now import NearestFree
from coordinator.usecases.answer import Answer

OUT_OF_REACH = "NOTHING_REACHABLE"


def unheld(engine: Engine, car: Car, answer: Answer, parts: Parts) -> Choice | None:
    """The station that a car drives to unheld; None if it stays and asks again.

    One that was told that nothing is in reach tries the nearest free plug, as a driver would.
    Without the hold as a part, every answer is a recommendation only.
    """
    if answer.empty_reason == OUT_OF_REACH:
        return NearestFree().choose(engine, car)
    if parts.hold or not answer.judged:
        return None
    return Choice(int(engine.district.station[engine.district.row[answer.choice.evse_id]]))
