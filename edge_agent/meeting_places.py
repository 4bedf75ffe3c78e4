"""Where each pile and the agent meet, as one who installs the pile has to know it.

How a URL is made is in `config_ocpp.py`, how Modbus devices are reached in `config_modbus.py`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from edge_agent.config import Config, PileConfig
from edge_agent.config_modbus import reach
from edge_agent.config_ocpp import dial_url


def meeting_places(config: Config, listening: tuple[str, str]) -> dict[str, str]:
    """By pile: the URL to type into one that dials in, or where one is asked.

    `listening` are the URLs of the plain and the TLS port as they are bound, "" for none.
    """
    return {pile.facts.pile_id: _place(config, pile, listening) for pile in config.piles}


def _place(config: Config, pile: PileConfig, listening: tuple[str, str]) -> str:
    if pile.door is not None:
        plain, tls = listening
        secure = pile.door.security_profile >= 2
        return dial_url(config, pile, port=urlsplit((secure and tls) or plain).port or 0)
    units: dict[str, list[str]] = {}
    devices = reach(pile.section, pile.profile, len(pile.facts.connectors))
    for place, unit in devices.values():
        known = units.setdefault(f"{place.transport} {place}", [])
        known += [str(unit)] if str(unit) not in known else []
    return ", ".join(f"{place} unit {' '.join(known)}" for place, known in units.items())
