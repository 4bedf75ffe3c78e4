"""Plays a scenario in real processes at N times real time, to watch beside an agent.

The same steps and demands as in virtual time; deadlines get the slack that real time needs, so this
is for looking at and not for verdicts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
from pymodbus.framer import FramerType

from firmware_sim.app import Simulator
from firmware_sim.bench.scenario.central import Central
from firmware_sim.bench.scenario.engine import Play, reported
from firmware_sim.bench.scenario.master import Master
from firmware_sim.bench.scenario.memory_line import memory_lines
from firmware_sim.bench.scenario.reading import Scenario
from firmware_sim.bench.scenario.report import Report
from firmware_sim.bench.scenario.trace import Trace
from firmware_sim.bench.scenario.world import EPOCH_AT_MS, World
from firmware_sim.bench.tape.taps import OcppTap
from firmware_sim.clock import utc_text
from firmware_sim.config_tables import (
    ClockTable,
    MqttTable,
    PileConfig,
    SimConfig,
    SimTable,
)
from firmware_sim.faces.modbus_server import RegisterPort
from firmware_sim.faces.ocpp_line import KeptLine, LineMaker

# The physics moves this often at least and at most, real seconds.
_FINEST_S, _COARSEST_S = 0.02, 0.2
# Real seconds that messages and the physics may be behind.
_SLACK_S = 0.5
_SETTLE_S = 0.02
Ready = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Watch:
    """How a scenario is watched: speed, and where its piles are shown.

    Without `central` the scenario's own central system answers; `begin_after_s` real seconds pass
    before the first step.
    """

    speed: float = 1.0
    central: str = ""
    mqtt: str = ""
    listen: dict[str, str] = field(default_factory=dict)
    begin_after_s: float = 0.0


class LiveWorld(World):
    """The piles of one scenario on real sockets and a clock that runs."""

    def __init__(self, scenario: Scenario, seed: int, watch: Watch, tap: str) -> None:
        self._speed = watch.speed
        tick_s = min(max(scenario.head.tick_s / watch.speed, _FINEST_S), _COARSEST_S)
        self.slack_s = watch.speed * (_SLACK_S + 2 * tick_s)
        clock = ClockTable(EPOCH_AT_MS, time.monotonic(), watch.speed)
        self._config = SimConfig(
            SimTable(seed=seed, tick_s=tick_s),
            # At real time stamps are the system's.
            clock if watch.speed != 1 else None,
            MqttTable(watch.mqtt) if watch.mqtt else None,
            scenario.ocpp,
            tuple(_shown(pile, watch, tap) for pile in scenario.piles),
        )
        refused = scenario.head.refused_tokens
        self.central = Central(lambda: (self.now_s, utc_text(self.now_ms())), refused)
        self.central.is_foreign = bool(watch.central)
        line: LineMaker = KeptLine if watch.central else memory_lines(self.central.accept)
        self.simulator = Simulator(self._config, line=line)
        self._began_ms = self.simulator.clock.now_ms()
        self.fleet = self.simulator.fleet
        self.faces = dict(self.simulator.modbus_faces)
        self.masters = {}
        for pile_id, face in self.faces.items():
            port = RegisterPort([face], FramerType.SOCKET, "127.0.0.1:0")
            unit_id = 1 if face.unit_id is None else face.unit_id
            self.masters[pile_id] = Master(port.in_memory(), unit_id)

    @property
    def now_s(self) -> float:
        """Simulated seconds since the start."""
        return (self.now_ms() - self._began_ms) / 1000

    def now_ms(self) -> int:
        """The piles' clock, milliseconds since 1970 UTC."""
        return self.simulator.clock.now_ms()

    @asynccontextmanager
    async def showing(self, on_ready: Ready) -> AsyncIterator[LiveWorld]:
        """The world with its faces on their sockets."""
        stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()

        def tell(line: dict[str, Any]) -> None:
            table = self._config.clock
            clock = msgspec.structs.asdict(table) if table is not None else None
            on_ready({**line, "clock": clock})
            ready.set_result(None)

        async with asyncio.TaskGroup() as group:
            group.create_task(self.simulator.run(stop, tell), name="firmware_sim:simulator")
            await ready
            try:
                yield self
            finally:
                for master in self.masters.values():
                    master.hang_up()
                stop.set()

    async def sleep(self, duration_s: float) -> None:
        """Lets simulated seconds pass for whoever acts beside the steps."""
        await asyncio.sleep(duration_s / self._speed)

    async def pass_time(self, duration_s: float) -> None:
        """Waits until the piles' clock has moved on so far."""
        end_s = self.now_s + duration_s
        await asyncio.sleep(duration_s / self._speed)
        # A timer may fire a moment early by the other clock.
        if (left_s := end_s - self.now_s) > 0:
            await asyncio.sleep(left_s / self._speed + 0.001)

    async def settle(self) -> None:
        """Gives messages a moment to be said."""
        await asyncio.sleep(_SETTLE_S)


class _Overheard:
    """Takes what a tap hears on its way and tells the scenario's books of it."""

    def __init__(self, piles: dict[str, str]) -> None:
        self._piles = piles
        self.central: Central | None = None

    def note(
        self, proto: str, pile: str, way: str, data: str, *, link: int = 0, topic: str = ""
    ) -> None:
        """One frame or event of the pile with that identity."""
        if self.central is not None:
            self.central.overhear(self._piles.get(pile, pile), way, data)


async def watch_scenario(scenario: Scenario, seed: int, watch: Watch, on_ready: Ready) -> Report:
    """How the scenario ends in real time. Raises BindError where an address is taken."""
    async with AsyncExitStack() as stack:
        identities = {
            urlsplit(pile.table.url).path.strip("/"): pile.spec.pile_id for pile in scenario.piles
        }
        overheard = _Overheard(identities)
        address = ""
        if watch.central:
            tap = OcppTap(overheard, "127.0.0.1:0", watch.central)
            address = f"ws://{await tap.start()}"
            stack.push_async_callback(tap.close)
        world = LiveWorld(scenario, seed, watch, address)
        overheard.central = world.central
        trace = Trace(world)
        play = Play(scenario, world)
        await stack.enter_async_context(world.showing(on_ready))
        await asyncio.sleep(watch.begin_after_s)
        await play.all_steps()
        return reported(scenario, seed, world, play, trace)


def _shown(pile: PileConfig, watch: Watch, tap: str) -> PileConfig:
    table = pile.table
    if table.face != "modbus" and tap:
        table = msgspec.structs.replace(table, url=f"{tap}{urlsplit(table.url).path}")
    listen = watch.listen.get(table.pile_id)
    if listen is not None:
        table = msgspec.structs.replace(table, listen=listen)
    if watch.mqtt:
        table = msgspec.structs.replace(table, bay_sensor=True)
    return msgspec.structs.replace(pile, table=table)
