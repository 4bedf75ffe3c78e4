"""What the doctor looks at on the gateway itself: clock, disk, SQLite, secrets, ports, lines."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import edge_agent
from edge_agent.commands.finding import Finding, error, ok, warning
from edge_agent.config import Config
from edge_agent.config_checks import split_address
from edge_agent.core.reading import CLOCK_SANE_FROM_MS

# Below this the spool cannot even give up old records in good order.
LEAST_FREE_BYTES: Final = 64 << 20
FIXED_SQLITE: Final = (3, 51, 3)
SKEW_WARNING_S: Final = 5.0
SKEW_ERROR_S: Final = 60.0

Status = Mapping[str, Any]
"""What the running agent said of itself; empty where none runs."""


def check_clock(skew_s: float | None) -> Iterator[Finding]:
    """Whether the system's time can be right, and how far the coordinator's is away."""
    hint = "set the clock and keep it set: timedatectl set-ntp true"
    now = datetime.fromtimestamp(time.time(), UTC)
    installed = datetime.fromtimestamp(Path(edge_agent.__file__).stat().st_mtime, UTC)
    if now.timestamp() * 1000 < CLOCK_SANE_FROM_MS:
        yield error("clock", f"the system's time is {now:%Y-%m-%d}: the clock was never set", hint)
    elif now.timestamp() + 86_400 < installed.timestamp():
        text = f"it is {now:%Y-%m-%d}, but this software was installed on {installed:%Y-%m-%d}"
        yield error("clock", text, hint)
    else:
        yield ok("clock", f"system time {now:%Y-%m-%d %H:%M:%S} UTC")
    if skew_s is None:
        return
    text = f"the coordinator's clock is {abs(skew_s):.1f} s {'ahead' if skew_s > 0 else 'behind'}"
    if abs(skew_s) > SKEW_ERROR_S:
        more = "" if abs(skew_s) < 86_400 else "; certificates may seem expired or not yet valid"
        yield error("clock", text + more, hint)
    elif abs(skew_s) > SKEW_WARNING_S:
        yield warning("clock", text, hint)
    else:
        yield ok("clock", text)


def check_disk(folder: Path, budget_bytes: int) -> Iterator[Finding]:
    """Whether the spool may grow to its budget, and may be written at all."""
    if not folder.is_dir():
        hint = "it is made when the agent starts; systemd makes it with StateDirectory="
        yield warning("disk", f"{folder} is not there yet", hint)
        return
    used = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    free = shutil.disk_usage(folder).free
    room = f"{_mib(free)} free, {_mib(used)} used"
    budget = f"the spool may grow to {_mib(budget_bytes)}"
    hint = f"free space on the disk of {folder}, or lower the spool's budget"
    if not os.access(folder, os.W_OK):
        yield error("disk", f"{folder} cannot be written", "look at mount and owner")
    elif free < LEAST_FREE_BYTES:
        yield error("disk", f"{room}; {budget}", hint)
    elif used + free < budget_bytes:
        yield warning("disk", f"{room}; {budget}: history would be thinned early", hint)
    else:
        yield ok("disk", f"{room}; {budget}")


def check_sqlite() -> Iterator[Finding]:
    """Whether SQLite has the fault of WAL resets, and why it is harmless here."""
    if sqlite3.sqlite_version_info >= FIXED_SQLITE:
        yield ok("sqlite", f"SQLite {sqlite3.sqlite_version}")
        return
    yield warning(
        "sqlite",
        f"SQLite {sqlite3.sqlite_version} can damage a WAL database when two connections write or "
        "checkpoint at once (mended in 3.51.3); harmless here, because the spool has exactly one "
        "writing connection and readers never checkpoint",
        "never open spool.db for writing; copy it with its -wal file while the agent is stopped",
    )


def check_secrets(config: Config) -> Iterator[Finding]:
    """Whether the data folder and the secret files are private; the file's check refused others."""
    folder = config.data_dir
    if folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & 0o002:
        yield error("secrets", f"everybody may write in {folder}", f"chmod 700 {folder}")
    named = [config.tls.key_file if config.tls else None]
    named += [config.bay_sensors.password_file if config.bay_sensors else None]
    named += [pile.section.password_file for pile in config.piles]
    count = sum(1 for name in named if name)
    yield ok("secrets", f"{count} secret files named, none open to others")


def check_ports(config: Config, status: Status) -> Iterator[Finding]:
    """Whether the ports are free, or in use by the agent itself."""
    wanted = {"agent.metrics": config.agent.metrics}
    if config.ocpp is not None:
        wanted |= {"ocpp.listen": config.ocpp.listen, "ocpp.listen_tls": config.ocpp.listen_tls}
    for key, address in wanted.items():
        parts = split_address(address) if address else None
        if parts is None or parts[1] == 0:
            continue
        why = _why_taken(parts)
        if not why and status:
            text = f"{key} {address} is free, though the agent runs"
            yield warning("ports", text, "its file was changed since it started; restart it")
        elif not why:
            yield ok("ports", f"{key} {address} is free")
        elif status:
            yield ok("ports", f"{key} {address} is listened on by the running agent")
        else:
            hint = f"see who has it: ss -ltnp 'sport = :{parts[1]}'"
            yield error("ports", f"{key} {address} cannot be listened on: {why}", hint)


def _why_taken(address: tuple[str, int]) -> str:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with contextlib.closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as fault:
            return fault.strerror or str(fault)
    return ""


def check_lines(lines: Mapping[str, str]) -> Iterator[Finding]:
    """Whether serial lines are there, may be opened, and are named by what lasts.

    `lines` maps a pile to the path of its line.
    """
    by_id = _names_by_id()
    for pile_id, line in lines.items():
        path = Path(line)
        lasting = by_id.get(path.resolve())
        if not path.exists():
            known = ", ".join(map(str, by_id.values())) or "none is plugged in"
            yield error("serial", f"{pile_id}: {line} is not there", f"known lines: {known}")
        elif not os.access(path, os.R_OK | os.W_OK):
            hint = "add the user to the group dialout, or install the drop-in for serial lines"
            yield error("serial", f"{pile_id}: {line} may not be opened", hint)
        elif lasting is not None and path != lasting:
            text = f"{pile_id}: {line} changes its name with the order of plugging"
            yield warning("serial", text, f"write {lasting}")
        else:
            yield ok("serial", f"{pile_id}: {line}")


def _names_by_id() -> dict[Path, Path]:
    folder = Path("/dev/serial/by-id")
    return {path.resolve(): path for path in folder.iterdir()} if folder.is_dir() else {}


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
