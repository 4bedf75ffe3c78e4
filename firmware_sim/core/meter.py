"""The energy meter of one EVSE: it only ever rises."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meter:
    """A register of delivered energy in Wh."""

    total_wh: float = 0.0

    def added(self, energy_wh: float) -> Meter:
        """The meter after `energy_wh` more; raises ValueError for a negative or unreal amount."""
        if not (math.isfinite(energy_wh) and energy_wh >= 0):
            raise ValueError(f"a meter cannot count {energy_wh} Wh")
        return Meter(self.total_wh + energy_wh)
