"""Writes registers of a real device: one connection, one request, one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from edge_agent.core.profile import Profile
from edge_agent.piles.modbus_address import RTU, SerialAddress, TcpAddress
from edge_agent.piles.modbus_survey import CONNECT_TIMEOUT_S, TIMEOUT_S, Target, Unreachable
from edge_agent.piles.modbus_wire import write_question


async def write_registers(
    profile: Profile, target: Target, address: int, words: Sequence[int]
) -> None:
    """Writes with function 6 or 16; raises WireError, OSError, or Unreachable where it refuses."""
    unit = profile.device_id if target.device_id is None else target.device_id
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        wire = await _address(profile, target).open()
    try:
        answer = await wire.ask(write_question(unit, _function(words), address, words), TIMEOUT_S)
    finally:
        wire.close()
    if answer[0] & 0x80:
        raise Unreachable(f"the device answers exception {answer[1]}")


def _function(words: Sequence[int]) -> int:
    return 6 if len(words) == 1 else 16


def _address(profile: Profile, target: Target) -> TcpAddress | SerialAddress:
    line = target.line or profile.serial
    if target.serial:
        return SerialAddress(target.serial, line.baud, line.data_bits, line.parity, line.stop_bits)
    over_tcp = [name for name in profile.transports if name != RTU]
    return TcpAddress(target.host, target.port or profile.port, target.transport or over_tcp[0])
