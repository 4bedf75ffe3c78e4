"""Which ports and serial lines the Modbus piles of a configuration are shown on.

Serving one is the business of `modbus_server.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pymodbus.framer import FramerType

from firmware_sim.config_modbus import bus_of
from firmware_sim.config_tables import PileConfig, PileTable
from firmware_sim.faces.modbus import ModbusFace
from firmware_sim.faces.modbus_server import LineSettings, RegisterPort, SerialPort


def build_ports(
    piles: Sequence[PileConfig], faces: Mapping[str, ModbusFace]
) -> dict[tuple[str, ...], RegisterPort]:
    """Each port or line with the ids of the piles on it; the faces know theirs afterwards."""
    groups: dict[str, list[PileConfig]] = {}
    for pile in piles:
        if pile.table.face == "modbus":
            groups.setdefault(bus_of(pile.table), []).append(pile)
    ports: dict[tuple[str, ...], RegisterPort] = {}
    for group in groups.values():
        pile_ids = tuple(pile.spec.pile_id for pile in group)
        members = [faces[pile_id] for pile_id in pile_ids]
        port = _port(group[0].table, members)
        for face in members:
            face.shown_on(port)
        ports[pile_ids] = port
    return ports


def _port(table: PileTable, faces: Sequence[ModbusFace]) -> RegisterPort:
    if table.transport == "rtu":
        line = LineSettings(table.serial_line, table.baud, table.parity, table.stop_bits)
        return SerialPort(faces, line)
    framing = FramerType.SOCKET if table.transport == "tcp" else FramerType.RTU
    return RegisterPort(faces, framing, table.listen)
