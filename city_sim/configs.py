"""Configurations of the rooms of a simulated district, as TOML text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from city_sim.clock import SimClock
from coordinator.core.pile import Connector, Pile, PowerType

PERIOD_S = 0.25  # real seconds between two readings of a pile
HEARTBEAT_S = 5.0  # real seconds after which an agent says again what did not change
TICK_S = 0.1  # real seconds between two steps of a simulated pile


def speaks_ocpp(pile: Pile) -> bool:
    """Whether a simulated pile dials its agent by OCPP; the others answer to Modbus."""
    return pile.sources.get("face") == "ocpp16"


def coordinator(data_dir: Path, clock: SimClock, token_file: Path | None = None) -> str:
    """A district coordinator on a free port; with a token file, its page on another."""
    page = f'[web]\nlisten = "127.0.0.1:0"\ntoken_file = {toml(token_file)}\n'
    return (
        f'[coordinator]\ndistrict = "demo"\nlisten = "127.0.0.1:0"\ndata_dir = {toml(data_dir)}\n'
        f"stale_after_s = {4 * HEARTBEAT_S}\n{clock.config()}{page if token_file else ''}"
    )


def sim(piles: Sequence[Pile], mqtt: str, urls: Mapping[str, str], clock: SimClock) -> str:
    """Simulated piles; `urls` says where those that speak OCPP dial."""
    parts = [
        f'[sim]\nbench = "127.0.0.1:0"\ntick_s = {TICK_S}\n{clock.config()}'
        f"[mqtt]\nurl = {toml(mqtt)}\nrepublish_s = 2.0\n"
    ]
    for pile in piles:
        plug = pile.evses[0].connectors[0]
        if speaks_ocpp(pile):
            face = f'face = "ocpp16"\nmodel = "generic"\nurl = {toml(urls[pile.pile_id])}\n'
        else:
            face = f'face = "modbus"\nmodel = "{_model(plug)}"\nlisten = "127.0.0.1:0"\n'
        parts.append(
            f"[[pile]]\npile_id = {toml(pile.pile_id)}\n{face}"
            f"max_power_kw = {plug.max_power_kw}\nconnectors = {len(pile.evses)}\n"
            "bay_sensor = true\n"
        )
    return "".join(parts)


def agent(
    number: int,
    piles: Sequence[Pile],
    *,
    target: str,
    data_dir: Path,
    mqtt: str,
    addresses: Mapping[str, str],
    clock: SimClock,
) -> str:
    """An agent for some of the piles; `addresses` are those of the Modbus piles, host:port."""
    parts = [
        f'[agent]\nid = "CN*DEM*G{number + 1:04d}"\ncoordinator = {toml(target)}\n'
        f"data_dir = {toml(data_dir)}\nperiod_s = {PERIOD_S}\nheartbeat_s = {HEARTBEAT_S}\n"
        f'{clock.config()}[ocpp]\nlisten = "127.0.0.1:0"\n'
        f'[bay_sensors]\nmqtt = {toml(mqtt)}\nprefix = "pilewise"\nttl_s = 10.0\n'
    ]
    for pile in piles:
        plug = pile.evses[0].connectors[0]
        parts.append(
            f"[[pile]]\nuid = {toml(pile.pile_id)}\nstation_id = {toml(pile.station_id)}\n"
            f"label = {toml(pile.label or pile.pile_id)}\n"
        )
        if speaks_ocpp(pile):
            parts.append('profile = "ocpp16"\n')
        else:
            host, port = addresses[pile.pile_id].rsplit(":", 1)
            parts.append(
                f'profile = "{_model(plug)}"\nhost = {toml(host)}\nport = {port}\ndevice_id = 1\n'
            )
        parts.extend(
            f'[[pile.connector]]\nstandard = "{STANDARDS[plug.standard]}"\n'
            f"max_power_kw = {plug.max_power_kw}\n"
            for _ in pile.evses
        )
    return "".join(parts)


# The standards that the simulated piles have, by wire number.
STANDARDS = {1: "CHADEMO", 19: "GBT_DC", 26: "IEC_62196_T2", 27: "IEC_62196_T2_COMBO"}


def toml(value: object) -> str:
    """A TOML string; JSON's escapes are TOML's."""
    return json.dumps(str(value))


def _model(plug: Connector) -> str:
    return "alpitronic-hypercharger" if plug.power_type is PowerType.DC else "abb-terra-ac"
