"""How a charge point writes the present instant, with all that can be wrong with its clock."""

from __future__ import annotations

from collections.abc import Callable

from firmware_sim.clock import utc_text
from firmware_sim.faces.ocpp_habits import Habits

_ZONE_MS = 2 * 3600 * 1000


def stamp_writer(habits: Habits, now_ms: Callable[[], int]) -> Callable[[], str]:
    """How this station writes the present instant; a clock drifts from when it was made."""
    began_ms = now_ms()

    def write() -> str:
        at_ms = now_ms()
        drift = habits.number("clock_drift") / 1e6
        at_ms += round(habits.number("clock") * 1000 + (at_ms - began_ms) * drift)
        if "stamps_1970" in habits:
            return utc_text(at_ms % 86_400_000)
        if "stamps_local" in habits:
            return utc_text(at_ms + _ZONE_MS)
        if "stamps_offset" in habits:
            return utc_text(at_ms + _ZONE_MS).replace("Z", "+02")
        if "stamps_no_zone" in habits:
            return utc_text(at_ms).removesuffix("Z")
        return utc_text(at_ms)

    return write
