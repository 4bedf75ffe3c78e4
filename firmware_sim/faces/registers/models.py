"""Which register maps can be shown, by model name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.abb_terra_ac import abb_terra_ac
from firmware_sim.faces.registers.alfen_ng9xx import alfen_ng9xx
from firmware_sim.faces.registers.alpitronic_hypercharger import alpitronic_hypercharger
from firmware_sim.faces.registers.bender_cc613 import bender_cc613
from firmware_sim.faces.registers.compleo import compleo
from firmware_sim.faces.registers.delta_ac_max import delta_ac_max
from firmware_sim.faces.registers.evse_din import evse_din
from firmware_sim.faces.registers.heidelberg_energy_control import heidelberg_energy_control
from firmware_sim.faces.registers.keba_p30 import keba_p30, keba_p40
from firmware_sim.faces.registers.map import RegisterMap
from firmware_sim.faces.registers.mennekes_amtron_compact import mennekes_amtron_compact
from firmware_sim.faces.registers.mennekes_amtron_hcc3 import mennekes_amtron_hcc3
from firmware_sim.faces.registers.phoenix_charx_sec import phoenix_charx_sec
from firmware_sim.faces.registers.phoenix_eth import phoenix_em_cp_pp_eth, phoenix_ev_cc_eth
from firmware_sim.faces.registers.phoenix_ev_cc import phoenix_ev_cc
from firmware_sim.faces.registers.schneider_evlink_pro_ac import schneider_evlink_pro_ac
from firmware_sim.faces.registers.siemens_versicharge import siemens_versicharge
from firmware_sim.faces.registers.webasto_next import webasto_next
from firmware_sim.faces.registers.webasto_unite import webasto_unite
from firmware_sim.faces.registers.weidmueller_ac_smart import weidmueller_ac_smart

REGISTER_MAPS: Mapping[str, Callable[[PileSpec], RegisterMap]] = {
    "abb-terra-ac": lambda spec: abb_terra_ac(spec.supply, spec.max_power_kw),
    "alfen-ng9xx": alfen_ng9xx,
    "alpitronic-hypercharger": alpitronic_hypercharger,
    "bender-cc613": bender_cc613,
    "compleo": compleo,
    "delta-ac-max": delta_ac_max,
    "evse-din": evse_din,
    "heidelberg-energy-control": heidelberg_energy_control,
    "keba-p30": keba_p30,
    "keba-p40": keba_p40,
    "mennekes-amtron-compact-20s": mennekes_amtron_compact,
    "mennekes-amtron-hcc3": mennekes_amtron_hcc3,
    "phoenix-charx-sec": phoenix_charx_sec,
    "phoenix-em-cp-pp-eth": phoenix_em_cp_pp_eth,
    "phoenix-ev-cc": phoenix_ev_cc,
    "phoenix-ev-cc-eth": phoenix_ev_cc_eth,
    "schneider-evlink-pro-ac": schneider_evlink_pro_ac,
    "siemens-versicharge-gen3": siemens_versicharge,
    "webasto-next": webasto_next,
    "webasto-unite": webasto_unite,
    "weidmueller-ac-smart": weidmueller_ac_smart,
}
