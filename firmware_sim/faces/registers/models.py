"""Which register maps can be shown, by model name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.abb_terra_ac import abb_terra_ac
from firmware_sim.faces.registers.alpitronic_hypercharger import alpitronic_hypercharger
from firmware_sim.faces.registers.bender_cc613 import bender_cc613
from firmware_sim.faces.registers.keba_p30 import keba_p30
from firmware_sim.faces.registers.map import RegisterMap
from firmware_sim.faces.registers.phoenix_ev_cc import phoenix_ev_cc

REGISTER_MAPS: Mapping[str, Callable[[PileSpec], RegisterMap]] = {
    "abb-terra-ac": lambda spec: abb_terra_ac(spec.supply, spec.max_power_kw),
    "alpitronic-hypercharger": alpitronic_hypercharger,
    "bender-cc613": bender_cc613,
    "keba-p30": keba_p30,
    "phoenix-ev-cc": phoenix_ev_cc,
}
