"""When something really happened that was stamped before the system clock was set.

Within one boot the monotonic clock does not jump: where it is known how far UTC was ahead of it
then and now, the difference is the error of the stamp. Reading clocks belongs to
`edge_agent/uplink/boot_clock.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_agent.core.reading import CLOCK_SANE_FROM_MS, Record


@dataclass(frozen=True, slots=True)
class BootTime:
    """A boot of the gateway, and how far system UTC was ahead of its monotonic clock."""

    boot_id: str
    ahead_ms: int


def corrected(records: Sequence[Record], made: BootTime, true: BootTime) -> list[Record]:
    """The records with the stamps that a clock set in time would have given; the mark stays.

    Stamps that are believable are left alone, and all are where the boots differ.
    """
    if made.boot_id != true.boot_id:
        return list(records)
    late_ms = true.ahead_ms - made.ahead_ms
    return [
        replace(record, observed_at_ms=record.observed_at_ms + late_ms)
        if record.observed_at_ms < CLOCK_SANE_FROM_MS
        else record
        for record in records
    ]
