"""Reads everything that a profile names from a device, once: connect, read, close.

What the answers mean is weighed by `edge_agent.core.probe`. Nothing is ever written.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from edge_agent.core.decoder import span_of
from edge_agent.core.probe import Place
from edge_agent.core.profile import Profile
from edge_agent.core.profile_access import SerialLine
from edge_agent.core.registers import Span, plan_blocks
from edge_agent.piles.modbus_address import RTU, SerialAddress, TcpAddress
from edge_agent.piles.modbus_wire import Wire, WireError, read_question, words_of

TIMEOUT_S: Final = 1.0
CONNECT_TIMEOUT_S: Final = 2.0


class Unreachable(Exception):
    """Nothing answers at the address at all."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to look: a host or a serial device, and what the operator knows better.

    `line` are the settings of the serial line, else the profile's count.
    """

    host: str = ""
    serial: str = ""
    port: int | None = None
    device_id: int | None = None
    transport: str = ""
    line: SerialLine | None = None


@dataclass(slots=True)
class Survey:
    """What a device answered: words by place, when (monotonic), and refusals by read.

    `answered` is True where anything came, be it refusals only.
    """

    words: dict[Place, int] = field(default_factory=dict)
    read_s: dict[Place, float] = field(default_factory=dict)
    refusals: dict[Span, str] = field(default_factory=dict)
    answered: bool = False


class Surveyor:
    """Reads one device as one profile says; a read that fails costs only itself."""

    def __init__(self, profile: Profile, target: Target) -> None:
        self._profile = profile
        self._target = target
        self._wires: dict[int, Wire] = {}
        self._silent = 0

    async def survey(self) -> Survey:
        """All that can be read; raises `Unreachable` where nothing can be connected."""
        found = Survey()
        try:
            for block in planned(self._profile):
                # A device that is silent to three reads is not one of this profile.
                if self._silent >= 3 and not found.answered:
                    found.refusals[block] = "not asked: the device is silent"
                    continue
                await self._read(block, found)
        finally:
            for wire in self._wires.values():
                wire.close()
        return found

    async def _read(self, block: Span, found: Survey) -> None:
        port, unit = self._profile.reach(block.device, self._port, self._unit)
        question = read_question(unit, block.function, block.address, block.count)
        try:
            for _ in range(2 if self._profile.warm_up else 1):
                wire = await self._wire(port)
                answer = await wire.ask(question, TIMEOUT_S)
                if self._profile.gap_s:
                    await asyncio.sleep(self._profile.gap_s)
        except WireError as error:
            self._silent += error.reason == "TIMEOUT"
            found.refusals[block] = f"{error.reason}: {error}"
            self._wires.pop(port).close()
            return
        except Unreachable as error:
            if not found.words:
                raise
            found.refusals[block] = str(error)
            return
        found.answered = True
        if answer[0] & 0x80:
            found.refusals[block] = f"exception {answer[1]}"
            return
        now_s = time.monotonic()
        for offset, word in enumerate(words_of(block.function, answer, block.count)):
            place = block.device, block.function, block.address + offset
            found.words[place] = word
            found.read_s[place] = now_s

    async def _wire(self, port: int) -> Wire:
        wire = self._wires.get(port)
        if wire is None or wire.spoiled:
            address = self._address(port)
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    wire = await address.open()
            except (OSError, TimeoutError) as error:
                why = str(error) or f"no answer within {CONNECT_TIMEOUT_S:g} s"
                raise Unreachable(f"cannot connect to {address}: {why}") from error
            self._wires[port] = wire
        return wire

    def _address(self, port: int) -> TcpAddress | SerialAddress:
        target = self._target
        line = target.line or self._profile.serial
        if target.serial:
            return SerialAddress(
                target.serial, line.baud, line.data_bits, line.parity, line.stop_bits
            )
        over_tcp = [name for name in self._profile.transports if name != RTU]
        return TcpAddress(target.host, port, target.transport or over_tcp[0])

    @property
    def _port(self) -> int:
        return self._target.port or self._profile.port

    @property
    def _unit(self) -> int:
        told = self._target.device_id
        return self._profile.device_id if told is None else told


def planned(profile: Profile) -> tuple[Span, ...]:
    """Every point of the profile, also those that are read by hand only."""
    connectors = max(1, len(profile.connectors))
    spans = [
        span_of(profile, point, n)
        for point in profile.points.values()
        for n in range(1, (1 if point.station or point.once else connectors) + 1)
    ]
    return plan_blocks(
        spans,
        max_registers=profile.max_registers,
        forbidden=profile.forbidden,
        bridge_registers=profile.bridge_registers,
    )
