"""A real network's status intervals, lived again by simulated piles.

What a state does to a pile is in `bench/tape/network.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from firmware_sim.app import Simulator
from firmware_sim.bench.tape.intervals import Connector, Turn, read_connectors, turns
from firmware_sim.bench.tape.network import Network, pile_id, pile_table, statuses
from firmware_sim.bench.tape.tape import MOST_TOLD
from firmware_sim.config import read_piles
from firmware_sim.config_tables import ClockTable, OcppTable, PileConfig, SimConfig, SimTable
from firmware_sim.errors import ConfigError, TapeError
from firmware_sim.fleet import Fleet
from firmware_sim.toml_file import Reader


class NetworkReplay:
    """One replay; `speed` 0 moves the piles from turn to turn without faces and without waiting."""

    def __init__(
        self,
        intervals: Path,
        connectors: Path,
        *,
        piles: int,
        face: str,
        central: str,
        speed: float,
        seed: int,
    ) -> None:
        self._intervals = intervals
        self._speed = speed
        self._seed = seed
        self._bad: list[str] = []
        self._bad_lines = 0
        self._connectors = read_connectors(connectors, piles, self._note_bad)
        if not self._connectors:
            raise TapeError(str(connectors), "has no connector")
        if face != "modbus" and not central and speed > 0:
            raise TapeError(str(intervals), "charge points need --central ws://HOST:PORT")
        self._piles = _configured(self._connectors, face, central or "ws://127.0.0.1:9")
        self._network: Network | None = None
        self._span_ms = [0, 0]
        self._reached_ms: dict[str, int] = {}

    async def run(self, on_ready: Callable[[dict[str, Any]], None], stop: asyncio.Event) -> None:
        """Replays to the end of the data or until `stop`. Raises TapeError or BindError."""
        wanted = frozenset(connector.connector_id for connector in self._connectors)
        coming = turns(self._intervals, wanted, self._note_bad)
        first = next(coming, None)
        if first is None:
            raise TapeError(str(self._intervals), "says nothing of these connectors")
        self._span_ms = [first.at_ms, first.at_ms]
        if self._speed == 0:
            self._network = Network(self._stepped(), self._seed)
            for turn in (first, *coming):
                self._leap(turn)
                if self._network.turns % 1000 == 0:
                    await asyncio.sleep(0)
                if stop.is_set():
                    break
            for connector in self._connectors:
                self._catch_up(pile_id(connector), self._span_ms[1])
        else:
            await self._live(first, coming, on_ready, stop)

    def summary(self) -> dict[str, Any]:
        """What happened to the network, and how its piles stand now."""
        network = self._network
        if network is None:
            return {"piles": len(self._connectors), "turns": 0}
        fleet = network.fleet
        evses = [fleet.pile(pile_id(connector)).evses[0] for connector in self._connectors]
        return {
            "piles": len(self._connectors),
            "turns": network.turns,
            "by_state": dict(sorted(network.by_state.items())),
            "sessions": sum(evse.sessions_begun for evse in evses),
            "energy_kwh": round(sum(evse.meter.total_wh for evse in evses) / 1000, 3),
            "days": round((self._span_ms[1] - self._span_ms[0]) / 86_400_000, 3),
            "statuses": statuses(fleet, self._connectors),
            "seed": self._seed,
            "bad_lines": self._bad_lines,
            "first_bad": self._bad,
        }

    def _stepped(self) -> Fleet:
        return Fleet([pile.spec for pile in self._piles], seed=self._seed)

    def _leap(self, turn: Turn) -> None:
        """Moves the pile of a turn to its instant, and turns it; the others follow at theirs."""
        assert self._network is not None
        self._catch_up(f"IE-{turn.connector}", turn.at_ms)
        self._span_ms[1] = turn.at_ms
        self._network.apply(turn)

    def _catch_up(self, name: str, at_ms: int) -> None:
        assert self._network is not None
        passed_ms = at_ms - self._reached_ms.get(name, self._span_ms[0])
        self._reached_ms[name] = at_ms
        if passed_ms > 0:
            self._network.fleet.advance_one(name, passed_ms / 1000)

    async def _live(
        self,
        first: Turn,
        coming: Iterator[Turn],
        on_ready: Callable[[dict[str, Any]], None],
        stop: asyncio.Event,
    ) -> None:
        clock = ClockTable(first.at_ms, time.monotonic(), self._speed)
        config = SimConfig(SimTable(seed=self._seed), clock, None, OcppTable(), tuple(self._piles))
        simulator = Simulator(config)
        self._network = Network(simulator.fleet, self._seed)
        async with asyncio.TaskGroup() as group:
            player = group.create_task(
                self._turn_all(simulator, first, coming, stop), name="firmware_sim:network"
            )
            await simulator.run(stop, on_ready)
            player.cancel()

    async def _turn_all(
        self, simulator: Simulator, first: Turn, coming: Iterator[Turn], stop: asyncio.Event
    ) -> None:
        assert self._network is not None
        self._network.apply(first)
        for turn in coming:
            left_ms = turn.at_ms - simulator.clock.now_ms()
            if left_ms > 0:
                await asyncio.sleep(left_ms / 1000 / self._speed)
            self._span_ms[1] = turn.at_ms
            self._network.apply(turn)
        stop.set()

    def _note_bad(self, number: int, why: str) -> None:
        self._bad_lines += 1
        if len(self._bad) < MOST_TOLD:
            self._bad.append(f"line {number}: {why}")


def _configured(connectors: list[Connector], face: str, central: str) -> list[PileConfig]:
    reader = Reader("")
    tables = [pile_table(connector, face, central) for connector in connectors]
    piles = read_piles(reader, tables, Path())
    if reader.findings:
        raise ConfigError("the network", reader.findings)
    return piles
