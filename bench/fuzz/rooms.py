"""The rooms that are shot at: real processes in a folder of their own, with their logs watched."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.fuzz.evil_slave import Slave
from bench.fuzz.logs import LogWatch
from bench.fuzz.values import OCPP_PILES, PILES
from bench.measure import resident_mib
from pilewise.rooms import RoomProcess

MOST_MIB = 1500.0
TOKEN = "a-token-for-the-page-of-thirty-two"
ROOT = Path(__file__).resolve().parents[2]


def stand_in(folder: Path) -> None:
    """Makes the folder the working one: names of files in inputs must not reach anything else."""
    path = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{ROOT}:{path}" if path else str(ROOT)
    os.chdir(folder)


@dataclass(slots=True)
class Rooms:
    """Rooms by name; started when first asked for."""

    folder: Path
    running: dict[str, RoomProcess] = field(default_factory=dict)
    watches: dict[str, LogWatch] = field(default_factory=dict)
    told_swollen: set[str] = field(default_factory=set)

    async def start(self, name: str, room: str, config: str, *more: str) -> dict[str, Any]:
        """The ready line of a room with this configuration."""
        path = self.folder / f"{name}.toml"
        path.write_text(config)
        log = self.folder / f"{name}.log"
        process = RoomProcess(room, ("-c", str(path), *more), log)
        self.running[name] = process
        self.watches.setdefault(name, LogWatch(log))
        await process.start()
        return process.ready

    async def restart(self, name: str) -> dict[str, Any]:
        """The ready line of the same room on the same data, after an orderly end."""
        old = self.running[name]
        await self.halt(name)
        fresh = RoomProcess(old.room, old.args, old.log)
        self.running[name] = fresh
        await fresh.start()
        return fresh.ready

    async def halt(self, name: str) -> int:
        """Ends a room that is started again later; its exit code."""
        process = self.running[name]
        return await process.stop() if process.running else 0

    def complaints(self, of: Collection[str]) -> list[str]:
        """What these rooms logged since the last look that nobody meant to happen."""
        watches = [(name, watch) for name, watch in self.watches.items() if name in of]
        found = [f"{name}: {text}" for name, watch in watches for text in watch.complaints()]
        return found + self._swollen(of)

    def _swollen(self, of: Collection[str]) -> list[str]:
        """Rooms that have come to hold more memory than any district needs, each told once."""
        found = []
        for name, process in self.running.items():
            if name in of and process.running and name not in self.told_swollen:
                held_mib, _ = resident_mib(process.pid)
                if held_mib > MOST_MIB:
                    self.told_swollen.add(name)
                    found.append(f"{name}: holds {held_mib:g} MiB of memory")
        return found

    def gone(self, of: Collection[str]) -> list[str]:
        """Those of these rooms whose process has ended by itself."""
        return [n for n, process in self.running.items() if n in of and not process.running]

    def keep_logs(self, folder: Path) -> None:
        """Copies of all logs, for whoever looks after a finding."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, watch in self.watches.items():
            if watch.path.exists():
                shutil.copy(watch.path, folder / f"{name}.log")

    async def stop(self, *names: str) -> None:
        """Ends these rooms, or all, the last one first."""
        for name in reversed(names or tuple(self.running)):
            process = self.running.pop(name, None)
            if process is not None and process.running:
                await process.stop()


def coordinator_config(data_dir: Path, token_file: Path) -> str:
    """A district with all that can be reached switched on."""
    token_file.write_text(f"fuzz {TOKEN}\n")
    token_file.chmod(0o600)
    return (
        f'[coordinator]\ndistrict = "fuzz"\nlisten = "127.0.0.1:0"\nmetrics = "127.0.0.1:0"\n'
        f"data_dir = {json.dumps(str(data_dir))}\nstale_after_s = 3600\n"
        f'[web]\nlisten = "127.0.0.1:0"\ntoken_file = {json.dumps(str(token_file))}\n'
    )


def sim_config() -> str:
    """Piles made of software, some AC and some DC, whose clock is moved by hand."""
    parts = ['[sim]\nbench = "127.0.0.1:0"\nmode = "stepped"\n']
    for number, pile in enumerate(PILES):
        model = "alpitronic-hypercharger" if number % 2 else "abb-terra-ac"
        parts.append(
            f'[[pile]]\npile_id = "{pile}"\nface = "modbus"\nmodel = "{model}"\n'
            f'listen = "127.0.0.1:0"\nmax_power_kw = {120 if number % 2 else 22}\nconnectors = 1\n'
        )
    return "".join(parts)


def agent_config(coordinator: str, slaves: Sequence[Slave], mqtt_port: int | None) -> str:
    """An agent with charge points of both versions, sensors, and a pile behind each slave."""
    parts = [
        f'[agent]\nid = "fuzzed"\ncoordinator = "{coordinator}"\ndata_dir = "agent"\n'
        'metrics = "127.0.0.1:0"\n[ocpp]\nlisten = "127.0.0.1:0"\nauthorize = "list"\n'
        'id_tags = ["A1", "B2"]\n'
    ]
    if mqtt_port is not None:
        parts.append(f'[bay_sensors]\nmqtt = "mqtt://127.0.0.1:{mqtt_port}"\n')
    for profile, piles in zip(("ocpp16", "ocpp201"), OCPP_PILES.values(), strict=True):
        plug = '[[pile.connector]]\nstandard = "GBT_DC"\nmax_power_kw = 60\n'
        parts += [f'[[pile]]\nuid = "{uid}"\nprofile = "{profile}"\n{plug * 2}' for uid in piles]
    for number, slave in enumerate(slaves):
        transport = "modbus-rtu-over-tcp" if slave.rtu else "modbus-tcp"
        parts.append(
            f'[[pile]]\nuid = "M-{number}"\nprofile = "{slave.profile}"\nhost = "127.0.0.1"\n'
            f'port = {slave.port}\ntransport = "{transport}"\nperiod_s = 0.4\n'
        )
    return "".join(parts)


def slaves() -> list[Slave]:
    """A slave for each profile of a Modbus device that is reached over TCP, and each framing."""
    made = []
    for path in sorted((ROOT / "edge_agent" / "profiles").glob("*.toml")):
        ways = tomllib.loads(path.read_text()).get("transports", ())
        made += [Slave(path.stem, rtu=False)] if "modbus-tcp" in ways else []
        made += [Slave(path.stem, rtu=True)] if "modbus-rtu" in ways else []
    return made
