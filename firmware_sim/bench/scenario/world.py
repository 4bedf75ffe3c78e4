"""Everything that a scenario plays in: the fleet, its faces over memory, a central system, masters.

Nothing here knows steps or assertions; time passes only when it is told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pymodbus.framer import FramerType

from firmware_sim.bench.scenario.central import Central
from firmware_sim.bench.scenario.master import Master
from firmware_sim.bench.scenario.memory_line import memory_lines
from firmware_sim.bench.scenario.reading import Scenario
from firmware_sim.bench.scenario.virtual_loop import VirtualLoop
from firmware_sim.clock import utc_text
from firmware_sim.config_tables import OcppTable, PileConfig
from firmware_sim.faces.modbus import ModbusFace, watch_masters
from firmware_sim.faces.modbus_server import RegisterPort
from firmware_sim.faces.ocpp_line import LineMaker
from firmware_sim.faces.port import Face
from firmware_sim.faces.registers.variant import variant_of
from firmware_sim.fleet import Fleet

# Monday, 4 May 2026, 08:00 UTC: scenarios begin on an ordinary morning.
EPOCH_AT_MS = 1_777_881_600_000
_IN_MEMORY = "127.0.0.1:0"


class World:
    """The piles of one scenario in virtual time, from 0 s on; deadlines get `slack_s` more."""

    slack_s = 0.0

    def __init__(self, scenario: Scenario, seed: int, loop: VirtualLoop) -> None:
        self._loop = loop
        self.fleet = fleet_of(scenario.piles, seed)
        self.central = Central(
            lambda: (self.now_s, utc_text(self.now_ms())), scenario.head.refused_tokens
        )
        self.faces: dict[str, ModbusFace] = {}
        self.masters: dict[str, Master] = {}
        self._charge_points: dict[str, Face] = {}
        for pile in scenario.piles:
            if pile.table.face == "modbus":
                self._show_registers(pile)
            else:
                lines = memory_lines(self.central.accept)
                face = charge_point(self.fleet, pile, scenario.ocpp, self, seed, lines)
                self._charge_points[pile.spec.pile_id] = face

    @property
    def now_s(self) -> float:
        """Simulated seconds since the start."""
        return self._loop.time()

    def now_ms(self) -> int:
        """The piles' clock, milliseconds since 1970 UTC."""
        return EPOCH_AT_MS + round(self._loop.time() * 1000)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        """The world with its faces at work."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(face.run(), name=f"firmware_sim:ocpp {pile_id}")
                for pile_id, face in self._charge_points.items()
            ]
            if self.faces:
                watchdogs = watch_masters(self.faces.values())
                tasks.append(group.create_task(watchdogs, name="firmware_sim:watchdogs"))
            await self._loop.idle()
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                for master in self.masters.values():
                    master.hang_up()
                for face in self.faces.values():
                    face.forget()

    async def sleep(self, duration_s: float) -> None:
        """Lets simulated seconds pass for whoever acts beside the steps."""
        await asyncio.sleep(duration_s)

    async def pass_time(self, duration_s: float) -> None:
        """Lets time pass for links first, then for the piles, until nothing is left to do."""
        await asyncio.sleep(duration_s)
        self.fleet.advance(duration_s)
        await self._loop.idle()

    async def settle(self) -> None:
        """Lets everything happen that is due at this instant."""
        await self._loop.idle()

    def _show_registers(self, pile: PileConfig) -> None:
        pile_id = pile.spec.pile_id
        face = ModbusFace(
            self.fleet,
            pile_id,
            self.now_ms,
            pile.table.unit_id,
            variant_of(pile.table.registers),
            monotonic_s=self._loop.time,
        )
        port = RegisterPort([face], FramerType.SOCKET, _IN_MEMORY)
        face.shown_on(port)
        self.faces[pile_id] = face
        unit_id = 1 if face.unit_id is None else face.unit_id
        self.masters[pile_id] = Master(port.in_memory(), unit_id)


def fleet_of(piles: Sequence[PileConfig], seed: int) -> Fleet:
    """The simulated piles."""
    ageing = {pile.spec.pile_id: pile.ageing for pile in piles if pile.ageing is not None}
    return Fleet([pile.spec for pile in piles], seed=seed, ageing=ageing)


def charge_point(
    fleet: Fleet,
    pile: PileConfig,
    table: OcppTable,
    world: World,
    seed: int,
    line: LineMaker,
) -> Face:
    """The face of a pile that dials; each version of OCPP is loaded where it is spoken."""
    if pile.table.face == "ocpp201":
        from firmware_sim.faces.ocpp201.face import Ocpp201Face

        return Ocpp201Face(fleet, pile, table, world.now_ms, seed=seed, line=line)
    from firmware_sim.faces.ocpp16.face import OcppFace

    return OcppFace(fleet, pile, table, world.now_ms, seed=seed, line=line)


def connector_of(evse_id: str) -> int:
    """The number of an EVSE's connector."""
    return int(evse_id.rpartition("*")[2])
