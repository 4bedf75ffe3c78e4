"""Composition root: builds the fleet, shows every pile as configured, runs until told to stop."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from firmware_sim.bench.server import BenchServer
from firmware_sim.bench.service import Bench
from firmware_sim.clock import Clock, LiveClock, SteppedClock
from firmware_sim.config_tables import ClockTable, PileConfig, SimConfig
from firmware_sim.faces.modbus import ModbusFace, watch_masters
from firmware_sim.faces.modbus_ports import build_ports
from firmware_sim.faces.mqtt import SiteSensors
from firmware_sim.faces.ocpp_line import KeptLine, LineMaker
from firmware_sim.faces.port import Face
from firmware_sim.faces.registers.variant import variant_of
from firmware_sim.fleet import Fleet

_log = structlog.get_logger(__name__)
# Longest stretch that one tick may catch up on, so that a suspended process does not stall.
_MAX_CATCH_UP_S = 3600.0
# A slice of piles keeps the event loop for about a millisecond; then masters are answered.
_PILES_PER_SLICE = 25


def build_clock(config: SimConfig) -> Clock:
    """The piles' clock: stepped, as given, or the system's."""
    table = config.clock
    if config.sim.mode == "stepped":
        return SteppedClock(table.epoch_at_ms if table else time.time_ns() // 1_000_000)
    return _live(table) if table else LiveClock.system()


def _live(table: ClockTable) -> LiveClock:
    return LiveClock(table.epoch_at_ms, table.anchor_s, table.speed)


class Simulator:
    """All piles of one configuration with their faces and their bench."""

    def __init__(self, config: SimConfig, line: LineMaker = KeptLine) -> None:
        self._config = config
        self._line = line
        self.clock = build_clock(config)
        self.fleet = Fleet(
            [pile.spec for pile in config.piles],
            seed=config.sim.seed,
            ageing={p.spec.pile_id: p.ageing for p in config.piles if p.ageing is not None},
        )
        self._modbus = {
            pile.spec.pile_id: ModbusFace(
                self.fleet,
                pile.spec.pile_id,
                self.clock.now_ms,
                pile.table.unit_id,
                variant_of(pile.table.registers),
            )
            for pile in config.piles
            if pile.table.face == "modbus"
        }
        self._ports = build_ports(config.piles, self._modbus)
        dialling = [pile for pile in config.piles if pile.table.face != "modbus"]
        self._ocpp = {pile.spec.pile_id: self._charge_point(pile) for pile in dialling}
        self._addresses: dict[str, tuple[str, str]] = {
            pile.spec.pile_id: (pile.table.face, pile.table.url) for pile in dialling
        }
        self._bench = BenchServer(
            Bench(self.fleet, self.clock, self._addresses, self._modbus, seed=config.sim.seed),
            config.sim.bench,
        )
        self._sensors: SiteSensors | None = None
        if config.mqtt is not None:
            watched = [p.spec.pile_id for p in config.piles if p.table.bay_sensor]
            filmed = [p.spec.pile_id for p in config.piles if p.table.camera]
            self._sensors = SiteSensors(
                self.fleet, watched, filmed, config.mqtt, self.clock.now_ms, seed=config.sim.seed
            )

    async def run(self, stop: asyncio.Event, on_ready: Callable[[dict[str, Any]], None]) -> None:
        """Serves until `stop` is set; tells `on_ready` the addresses once all are bound.

        Raises BindError when an address is taken.
        """
        try:
            bench = await self._listen()
            async with asyncio.TaskGroup() as group:
                tasks = self._start(group)
                on_ready(self.ready(bench))
                _log.info("ready", bench=bench, piles=len(self._addresses))
                await stop.wait()
                _log.info("stopping")
                for task in tasks:
                    task.cancel()
        finally:
            await self._close()

    def ready(self, bench: str) -> dict[str, Any]:
        """The ready line: every address as bound."""
        return {
            "event": "ready",
            "bench": bench,
            "piles": [
                {
                    "pile_id": pile.spec.pile_id,
                    "face": self._addresses[pile.spec.pile_id][0],
                    "address": self._addresses[pile.spec.pile_id][1],
                    "model": pile.spec.model,
                    "evses": [evse.spec.evse_id for evse in pile.evses],
                }
                for pile in self.fleet.piles
            ],
        }

    @property
    def modbus_faces(self) -> Mapping[str, ModbusFace]:
        """The piles that have registers, by name."""
        return self._modbus

    def _charge_point(self, pile: PileConfig) -> Face:
        """The face of a pile that dials; each version of OCPP is loaded where it is spoken."""
        fleet, table, now_ms = self.fleet, self._config.ocpp, self.clock.now_ms
        if pile.table.face == "ocpp201":
            from firmware_sim.faces.ocpp201.face import Ocpp201Face

            return Ocpp201Face(
                fleet, pile, table, now_ms, seed=self._config.sim.seed, line=self._line
            )
        from firmware_sim.faces.ocpp16.face import OcppFace

        return OcppFace(fleet, pile, table, now_ms, seed=self._config.sim.seed, line=self._line)

    async def _listen(self) -> str:
        for pile_ids, port in self._ports.items():
            address = await port.start()
            self._addresses.update(dict.fromkeys(pile_ids, ("modbus", address)))
        return await self._bench.start()

    def _start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        tasks = []
        if isinstance(self.clock, LiveClock):
            tasks.append(group.create_task(self._tick(self.clock), name="firmware_sim:physics"))
        if self._modbus:
            watchdogs = watch_masters(self._modbus.values())
            tasks.append(group.create_task(watchdogs, name="firmware_sim:watchdogs"))
        for pile_id, face in self._ocpp.items():
            tasks.append(group.create_task(face.run(), name=f"firmware_sim:ocpp {pile_id}"))
        if self._sensors is not None:
            tasks.append(group.create_task(self._sensors.run(), name="firmware_sim:bay sensors"))
        return tasks

    async def _tick(self, clock: LiveClock) -> None:
        """Moves the piles along with the clock; late ticks catch up, so energy is never lost."""
        pile_ids = [pile.spec.pile_id for pile in self.fleet.piles]
        reached_ms = clock.now_ms()
        while True:
            await asyncio.sleep(self._config.sim.tick_s)
            now_ms = clock.now_ms()
            passed_s = min(max(now_ms - reached_ms, 0) / 1000, _MAX_CATCH_UP_S)
            for number, pile_id in enumerate(pile_ids, 1):
                self.fleet.advance_one(pile_id, passed_s)
                if number % _PILES_PER_SLICE == 0:
                    await asyncio.sleep(0)
            reached_ms = now_ms

    async def _close(self) -> None:
        await self._bench.close()
        for face in self._modbus.values():
            face.forget()
        for port in self._ports.values():
            await port.close()


def print_ready(line: dict[str, Any]) -> None:
    """Prints the ready line for whoever started this process."""
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()
