"""Which measured values can be true; the rest is dropped and the record is marked suspect."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Final

from edge_agent.core.reading import Values

# Lowest and highest value that a real pile can show. The widest DC piles stay below 4 MW; energy
# registers of a lifetime stay below 1 TWh.
LIMITS: Final[dict[str, tuple[float, float]]] = {
    "power_kw": (-4_000.0, 4_000.0),
    "energy_kwh": (0.0, 1e9),
    "session_energy_kwh": (0.0, 1e5),
    "current_a": (-6_000.0, 6_000.0),
    "voltage_v": (0.0, 2_000.0),
    "soc_pct": (0.0, 100.0),
    "temperature_c": (-60.0, 200.0),
}
_NAMES: Final = tuple(field.name for field in fields(Values))


def plausible(values: Values) -> tuple[Values, bool]:
    """The values that can be true, and whether any had to be dropped.

    >>> plausible(Values(power_kw=float("nan"), soc_pct=40.0))
    (Values(power_kw=None, energy_kwh=None, session_energy_kwh=None, current_a=None, \
voltage_v=None, soc_pct=40.0, temperature_c=None), True)
    """
    kept: dict[str, float] = {}
    dropped = False
    for name in _NAMES:
        value: float | None = getattr(values, name)
        if value is None:
            continue
        lowest, highest = LIMITS[name]
        if math.isfinite(value) and lowest <= value <= highest:
            kept[name] = value
        else:
            dropped = True
    return (Values(**kept), True) if dropped else (values, False)
