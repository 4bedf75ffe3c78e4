"""How a charge point writes the present instant, with the quirks of its clock."""

from __future__ import annotations

from collections.abc import Callable

from firmware_sim.clock import utc_text

_ZONE_MS = 2 * 3600 * 1000


def stamp_writer(quirks: frozenset[str], now_ms: Callable[[], int]) -> Callable[[], str]:
    """How this station writes the present instant."""

    def write() -> str:
        at_ms = now_ms()
        if "stamps_1970" in quirks:
            return utc_text(at_ms % 86_400_000)
        if "stamps_local" in quirks:
            return utc_text(at_ms + _ZONE_MS)
        if "stamps_offset" in quirks:
            return utc_text(at_ms + _ZONE_MS).replace("Z", "+02")
        return utc_text(at_ms)

    return write
