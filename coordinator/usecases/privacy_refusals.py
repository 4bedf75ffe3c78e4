"""Why a person could not be erased. Part of the tree in `coordinator/errors.py`."""

from __future__ import annotations

from collections.abc import Sequence

from coordinator.errors import Permanent


class StillCharging(Permanent):
    """A car of the person is plugged in, and its pile must know whose it is until it leaves."""

    code = "PRIV-001"
    hint = "erase when the car has left"

    def __init__(self) -> None:
        super().__init__("a car of this person is charging now")


class TracesLeft(Permanent):
    """A name was found in a file after all rows of it were taken out."""

    code = "PRIV-002"
    hint = "a short name may stand in longer ones; else repeat, and report it if it stays"

    def __init__(self, files: Sequence[str]) -> None:
        super().__init__(f"a name still stands in {', '.join(files)}")
