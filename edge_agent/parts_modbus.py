"""Modbus piles made from the configuration, and the connections that they share.

The agent's other parts are made in `parts.py`.
"""

from __future__ import annotations

import random
from typing import Final

import structlog

from edge_agent.config import Config, PileConfig
from edge_agent.config_modbus import RTU, Place, is_named_by_plugging, line_of, reach
from edge_agent.core.profile_access import SerialLine
from edge_agent.piles.modbus import ModbusPile
from edge_agent.piles.modbus_address import SerialAddress, TcpAddress
from edge_agent.piles.modbus_blocks import Lane
from edge_agent.piles.modbus_bus import Bus
from edge_agent.watch import Watch

log: Final = structlog.get_logger("edge_agent.modbus")

Buses = dict[Place, Bus]
"""The connections by what they lead to; piles at one place share theirs."""


def modbus_pile(
    pile: PileConfig, config: Config, buses: Buses, watch: Watch, rng: random.Random
) -> ModbusPile:
    """A pile that is read over Modbus; `buses` grows by what it needs."""
    section, profile = pile.section, pile.profile
    line = line_of(section, profile)
    lanes = {
        device: Lane(_bus(place, line, profile.gap_s, buses, rng), unit)
        for device, (place, unit) in reach(section, profile, len(pile.facts.connectors)).items()
    }
    return ModbusPile(
        pile.facts.pile_id,
        pile.facts.evse_ids,
        profile,
        lanes,
        pile.period_s(config.agent),
        watch,
        watch,
        rng,
        writes=section.writes,
    )


def _bus(place: Place, line: SerialLine, gap_s: float, buses: Buses, rng: random.Random) -> Bus:
    """The connection to a place, made once; it keeps the longest silence that a pile needs."""
    if place not in buses:
        buses[place] = Bus(_address(place, line), rng)
        if is_named_by_plugging(place.target):
            log.warning(
                "serial line is named by the order of plugging",
                line=place.target,
                hint="write its name of /dev/serial/by-id, which stays when adapters change places",
            )
    bus = buses[place]
    bus.gap_s = max(bus.gap_s, gap_s)
    return bus


def _address(place: Place, line: SerialLine) -> TcpAddress | SerialAddress:
    if place.transport == RTU:
        return SerialAddress(place.target, line.baud, line.data_bits, line.parity, line.stop_bits)
    return TcpAddress(place.target, place.port, place.transport)
