"""Which register maps can be shown, by model name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.abb_terra_ac import abb_terra_ac
from firmware_sim.faces.registers.alpitronic_hypercharger import alpitronic_hypercharger
from firmware_sim.faces.registers.map import RegisterMap

REGISTER_MAPS: Mapping[str, Callable[[PileSpec], RegisterMap]] = {
    "abb-terra-ac": lambda spec: abb_terra_ac(spec.supply, spec.max_power_kw),
    "alpitronic-hypercharger": alpitronic_hypercharger,
}
