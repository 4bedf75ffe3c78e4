"""The site of the agent bench: simulated piles, a broker, a coordinator and the agent's own file.

Every part is a process of its own on ports that the system chose; what is measured belongs to
`agent.py`.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.core.decoder import Decoder
from edge_agent.profiles import load_profile

AC_PILES, DC_PILES, OCPP_PILES = 48, 16, 4
PERIOD_S = 1.0
START_S = 60.0
# The coordinator refuses what comes from a pile that is nowhere.
HERE = ("latitude_deg = 22.5", "longitude_deg = 114.0")


@dataclass(frozen=True, slots=True)
class Process:
    """A started process, the line it said when ready, and where its errors went."""

    popen: subprocess.Popen[str]
    log: Path
    ready: dict[str, Any]

    @property
    def pid(self) -> int:
        """Its number."""
        return self.popen.pid

    def ask(self) -> str:
        """The line that it answers to a line."""
        if self.popen.poll() is not None:
            raise SystemExit(f"it ended too early:\n{self.log.read_text()}")
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline()


@contextmanager
def running(log: Path, *command: str) -> Iterator[Process]:
    """A Python module as a process that says one line when ready; ended at the end."""
    pipe = subprocess.PIPE
    with (
        log.open("a") as errors,
        subprocess.Popen(
            [sys.executable, "-m", *command], stdin=pipe, stdout=pipe, stderr=errors, text=True
        ) as popen,
    ):
        try:
            assert popen.stdout is not None
            line = popen.stdout.readline().strip()
            if not line:
                raise SystemExit(f"{command[0]} did not start:\n{log.read_text()}")
            yield Process(popen, log, json.loads(line) if line.startswith("{") else {})
        finally:
            popen.terminate()
            try:
                popen.wait(timeout=20)
            except subprocess.TimeoutExpired:
                popen.kill()


@contextmanager
def broker(folder: Path) -> Iterator[tuple[str, str]]:
    """URL and name of a private MQTT broker: mosquitto, else the laboratory's own."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        with running(folder / "broker.log", "city_sim.broker") as process:
            yield process.ready["mqtt"], "amqtt"
        return
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as popen:
        try:
            _await_port(port)
            yield f"mqtt://127.0.0.1:{port}", "mosquitto"
        finally:
            popen.terminate()


@contextmanager
def modbus_piles(folder: Path, mqtt: str = "") -> Iterator[Process]:
    """64 register piles: one in four is a DC pile with two connectors; all bays have sensors."""
    lines = ["[sim]", "tick_s = 0.5", "seed = 7"]
    if mqtt:
        lines += ["[mqtt]", f'url = "{mqtt}"', "republish_s = 1.0"]
    for number in range(AC_PILES + DC_PILES):
        lines += ["[[pile]]", f'pile_id = "M{number:02}"', 'face = "modbus"']
        if number < AC_PILES:
            lines += ['model = "abb-terra-ac"', "max_power_kw = 11.0"]
        else:
            lines += ['model = "alpitronic-hypercharger"', "max_power_kw = 150.0", "connectors = 2"]
        lines += ["bay_sensor = true"] if mqtt else []
    config = folder / "modbus.toml"
    config.write_text("\n".join(lines) + "\n")
    with running(folder / "modbus.log", "firmware_sim", "-c", str(config)) as process:
        yield process


@contextmanager
def ocpp_piles(folder: Path, server: str) -> Iterator[Process]:
    """The charge points that dial the agent."""
    lines = ["[ocpp]", "sample_s = 1.0"]
    for number in range(OCPP_PILES):
        lines += ["[[pile]]", f'pile_id = "O{number}"', 'face = "ocpp16"']
        lines += [f'url = "{server}/O{number}"', "max_power_kw = 22.0"]
    config = folder / "ocpp.toml"
    config.write_text("\n".join(lines) + "\n")
    with running(folder / "ocpp.log", "firmware_sim", "-c", str(config)) as process:
        yield process


@contextmanager
def coordinator(folder: Path, name: str) -> Iterator[str]:
    """The address of a real coordinator."""
    config, data = folder / f"{name}.toml", folder / f"{name}-data"
    config.write_text(f'[coordinator]\ndistrict = "bench"\ndata_dir = "{data}"\n')
    log = folder / "coordinator.log"
    with running(log, "coordinator", "-c", str(config), "--log-level", "warning") as process:
        yield process.ready["grpc"]


@contextmanager
def agent(
    folder: Path, name: str, piles: list[dict[str, Any]], reports_to: str, mqtt: str = ""
) -> Iterator[Process]:
    """The agent with numpy blocked; with `mqtt` it also serves OCPP and hears the bays."""
    lines = ["[agent]", f'id = "{name}"', f'coordinator = "{reports_to}"']
    lines += [f'data_dir = "{name}-data"', f"period_s = {PERIOD_S}", 'metrics = "127.0.0.1:0"']
    if mqtt:
        lines += ["[bay_sensors]", f'mqtt = "{mqtt}"', "[ocpp]", 'listen = "127.0.0.1:0"']
    for pile in piles:
        host, port = pile["address"].split(":")
        lines += ["[[pile]]", f'uid = "{pile["pile_id"]}"', f'profile = "{pile["model"]}"']
        lines += [f'host = "{host}"', f"port = {port}", *HERE]
    for number in range(OCPP_PILES if mqtt else 0):
        lines += ["[[pile]]", f'uid = "O{number}"', 'profile = "ocpp16"', *HERE]
        lines += ["[[pile.connector]]"]
        lines += ['standard = "IEC_62196_T2"', "max_power_kw = 22"]
    config = folder / f"{name}.toml"
    config.write_text("\n".join(lines) + "\n")
    command = ("bench.agent_blocked", str(loaded_file(folder, name)), "-c", str(config))
    log = folder / f"{name}.log"
    with running(log, *command, "--log-level", "warning") as process:
        yield process


def loaded_file(folder: Path, name: str) -> Path:
    """Where an agent that has ended left the names of its modules."""
    return folder / f"{name}.modules"


@contextmanager
def ceiling(folder: Path, piles: list[dict[str, Any]]) -> Iterator[Process]:
    """Bare clients that do the reads which the agent does with these piles."""
    work = []
    for pile in piles:
        profile = load_profile(pile["model"])
        host, port = pile["address"].split(":")
        spans = Decoder(profile, pile["evses"]).each
        work.append(
            {
                "host": host,
                "port": int(port),
                "device_id": profile.device_id,
                "period_s": PERIOD_S,
                "blocks": [(span.function, span.address, span.count) for span in spans],
            }
        )
    path = folder / "ceiling.json"
    path.write_text(json.dumps(work))
    with running(folder / "ceiling.log", "bench.agent_ceiling", str(path)) as process:
        yield process


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"no broker listens on port {port}")
