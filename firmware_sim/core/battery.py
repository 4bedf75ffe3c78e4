"""How much power a car's battery takes at its present charge and temperature (CC/CV with taper).

Limits of the pile and of the cable are the controller's business.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

# The envelope in C (1/h) over the charge in percent, straight between the knots. Calibrated by
# `python -m bench.battery_fit` on 1,878 fast-charging sessions of the EPFL Level-3 data set: each
# knot between the median and the 95th percentile of the peaks that cars arriving at this charge
# reached, and within that where predicted and real stays agree best. The earlier 80 % of sessions
# make the fit, the later 20 % judge it: mean absolute error 5.5 min at a mean stay of 31.9 min.
ENVELOPE: Final = (
    (0.0, 2.7),
    (10.0, 2.5),
    (20.0, 2.4),
    (30.0, 2.3),
    (40.0, 2.2),
    (50.0, 2.05),
    (60.0, 1.9),
    (70.0, 1.85),
    (80.0, 0.7),
    (90.0, 0.48),
    (100.0, 0.44),
)
# From plug-in to the first energy, and what a driver takes at the end.
SETTLING_S: Final = 400.0
# Below 20 C each degree costs this share. The same sessions over a year, 4 to 21 C in the monthly
# mean, say 0.013 by their peaks and 0.005 by their stays; colder is extrapolated.
COLD_SHARE_PER_K: Final = 0.01
COLD_BELOW_C: Final = 20.0
_LEAST_SHARE: Final = 0.1
# Protection from heat: no session tells of it, so these are a choice.
_HOT_ABOVE_C, _HOT_SHARE_PER_K = 45.0, 0.07

_KNOTS: Final = tuple(soc_pct for soc_pct, _ in ENVELOPE)

# Packs above this power are built for 800 V: 500 A is what a cooled cable carries.
_HIGH_VOLTAGE_ABOVE_KW: Final = 200.0


@dataclass(frozen=True, slots=True)
class Battery:
    """A traction battery: capacity in kWh, charge in percent, greatest charging power in kW.

    `temperature_c` None is a battery as warm as the air where it is plugged in.
    """

    capacity_kwh: float
    soc_pct: float
    max_power_kw: float
    temperature_c: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.capacity_kwh) and self.capacity_kwh > 0):
            raise ValueError(f"capacity must be above 0 kWh, not {self.capacity_kwh}")
        if not 0 <= self.soc_pct <= 100:
            raise ValueError(f"charge must be 0 to 100 %, not {self.soc_pct}")
        if not (math.isfinite(self.max_power_kw) and self.max_power_kw > 0):
            raise ValueError(f"power must be above 0 kW, not {self.max_power_kw}")

    @property
    def accepted_kw(self) -> float:
        """Power that the battery takes now, kW: constant current, then constant voltage.

        >>> Battery(80.0, 20.0, 150.0).accepted_kw
        150.0
        >>> round(Battery(80.0, 80.0, 150.0).accepted_kw, 6)
        56.0
        >>> round(Battery(80.0, 80.0, 150.0, temperature_c=0.0).accepted_kw, 6)
        44.8
        """
        if self.soc_pct >= 100:
            return 0.0
        at = bisect_right(_KNOTS, self.soc_pct)
        (below_pct, below_c), (above_pct, above_c) = ENVELOPE[at - 1], ENVELOPE[at]
        part = (self.soc_pct - below_pct) / (above_pct - below_pct)
        c_rate = below_c + (above_c - below_c) * part
        if self.temperature_c is not None:
            c_rate *= warm_share(self.temperature_c)
        return min(self.max_power_kw, self.capacity_kwh * c_rate)

    @property
    def pack_v(self) -> float:
        """Open-circuit voltage of the pack, V: a straight line over the charge."""
        nominal_v = 800.0 if self.max_power_kw > _HIGH_VOLTAGE_ABOVE_KW else 400.0
        return nominal_v * (0.88 + 0.0020 * self.soc_pct)

    def missing_kwh(self, target_soc_pct: float) -> float:
        """Energy until `target_soc_pct`, kWh; 0 when it is reached."""
        return max(target_soc_pct - self.soc_pct, 0.0) / 100 * self.capacity_kwh

    def charged(self, energy_kwh: float) -> Battery:
        """The battery after `energy_kwh` more have been stored, at most full."""
        soc_pct = min(self.soc_pct + energy_kwh / self.capacity_kwh * 100, 100.0)
        return Battery(self.capacity_kwh, soc_pct, self.max_power_kw, self.temperature_c)


def warm_share(temperature_c: float) -> float:
    """The part of the envelope that a battery of this temperature takes, 0.1 to 1.

    >>> [round(warm_share(c), 2) for c in (-30.0, 0.0, 20.0, 45.0, 50.0)]
    [0.5, 0.8, 1.0, 1.0, 0.65]
    """
    cold = COLD_SHARE_PER_K * max(COLD_BELOW_C - temperature_c, 0.0)
    hot = _HOT_SHARE_PER_K * max(temperature_c - _HOT_ABOVE_C, 0.0)
    return max(1.0 - cold - hot, _LEAST_SHARE)
