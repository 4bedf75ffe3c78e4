"""Which of the EVSEs that stored batches name were another agent's when the batches came.

While batches come, that is `sifting.py`'s part; this is for those that a start replays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coordinator.core.report import Batch, Windows
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.telemetry import Spool


class Former:
    """Looks piles up by the agents of the spools."""

    def __init__(self, inventory: Inventory, spools: Mapping[str, Spool]) -> None:
        self._inventory = inventory
        self._spools = spools
        self._windows: dict[str, Mapping[str, Windows]] = {}

    def entries(self, batches: Iterable[Batch], received_at_ms: int) -> list[int]:
        """Numbers among all EVSEs named, one batch after the other, of those that were another's.

        Times that began later are not looked at: the pile may have come back since.
        """
        found, start = [], 0
        for batch in batches:
            windows = self._of(batch.spool_id)
            if windows:
                for number, evse_id in enumerate(batch.evse_ids, start):
                    if _over(windows.get(evse_id, ()), received_at_ms):
                        found.append(number)
            start += len(batch.evse_ids)
        return found

    def _of(self, spool_id: str) -> Mapping[str, Windows]:
        """The times of the agent of a spool, by EVSE; of piles that it always had there are none"""
        spool = self._spools.get(spool_id)
        if spool is None:
            return {}
        agent_id = spool.agent_id
        if agent_id not in self._windows:
            self._windows[agent_id] = self._inventory.table_for(agent_id).windows
        return self._windows[agent_id]


def _over(windows: Windows, at_ms: int) -> bool:
    """Whether the last of these times had ended.

    >>> _over(((0, 50), (90, 100)), 60), _over(((0, 50),), 40), _over((), 40)
    (True, False, False)
    """
    begun = [end for begin, end in windows if begin <= at_ms]
    return bool(begun) and begun[-1] <= at_ms
