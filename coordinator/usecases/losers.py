"""Who is looked after first where several cars lose their places at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from coordinator.core.pile import EvseStatus
from coordinator.usecases.lost import LOST
from coordinator.usecases.promises import Promise

Changed = tuple[str, EvseStatus, EvseStatus]


def needier_first(
    changes: Iterable[Changed], promised: Callable[[str], list[Promise]]
) -> list[Changed]:
    """The changes in the order in which to look after them; those of one EVSE keep theirs.

    Changes that cost nobody a place come first, as they may free one; then those of the cars at the
    higher warning level, and among equals of the car with less charge. `promised` gives the cars
    on their way to an EVSE.
    """
    waiting = list(changes)
    need: dict[str, tuple[int, float]] = {}
    for evse_id, _, after in waiting:
        if after in LOST and evse_id not in need:
            cars = [(int(p.answer.level), p.request.soc_pct) for p in promised(evse_id)]
            if cars:
                need[evse_id] = min(cars)
    if len(need) < 2:
        return waiting
    return sorted(waiting, key=lambda change: need.get(change[0], (-1, 0.0)))
