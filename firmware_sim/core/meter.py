"""The energy meter of one EVSE: it only ever rises, until its register is full and begins anew."""

from __future__ import annotations

import math
from dataclasses import dataclass

# A register of 32 bits counts 4,294,967,295 Wh and then 0.
ROLLOVER_WH = float(1 << 32)


@dataclass(frozen=True, slots=True)
class Meter:
    """A register of delivered energy in Wh; it rolls over at `rollover_wh`."""

    total_wh: float = 0.0
    rollover_wh: float = ROLLOVER_WH

    def __post_init__(self) -> None:
        if not 0 <= self.total_wh < self.rollover_wh:
            raise ValueError(f"a meter cannot stand at {self.total_wh} Wh")

    def added(self, energy_wh: float) -> Meter:
        """The meter after `energy_wh` more; raises ValueError for a negative or unreal amount."""
        if not (math.isfinite(energy_wh) and energy_wh >= 0):
            raise ValueError(f"a meter cannot count {energy_wh} Wh")
        return Meter((self.total_wh + energy_wh) % self.rollover_wh, self.rollover_wh)

    def since(self, start_wh: float) -> float:
        """Energy counted since the register stood at `start_wh`, Wh, over one rollover.

        >>> Meter(5.0).since(ROLLOVER_WH - 10.0)
        15.0
        """
        passed_wh = self.total_wh - start_wh
        return passed_wh if passed_wh >= 0 else passed_wh + self.rollover_wh
