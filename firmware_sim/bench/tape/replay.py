"""Plays a tape: devices answer, charge points speak and sensors publish as they did, at speed.

Each protocol's part is in `replay_modbus.py` and `replay_ocpp.py`; the tape itself in `tape.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiomqtt

from firmware_sim.bench.tape.differences import Differences
from firmware_sim.bench.tape.replay_modbus import RecordedDevice
from firmware_sim.bench.tape.replay_ocpp import RecordedChargePoint
from firmware_sim.bench.tape.tape import MOST_TOLD, Entry, read_tape
from firmware_sim.errors import TapeError

_TIMEOUT_S = 10.0
# Answers on their way when the tape ends are waited for.
_GRACE_S = 0.5


@dataclass(frozen=True, slots=True)
class Where:
    """Where a replay is shown: ports of piles (free ones otherwise), central system, broker."""

    central: str = ""
    mqtt: str = ""
    listen: dict[str, str] = field(default_factory=dict)
    speed: float = 1.0


class Replay:
    """One replay of one tape; its figures are kept while it runs."""

    def __init__(self, path: Path, where: Where) -> None:
        self._path = path
        self._where = where
        self.differences = Differences()
        self.bad: list[tuple[int, str]] = []
        self.bad_lines = 0
        self.entries = 0
        self.published = 0
        self.skipped = 0
        self._devices: dict[str, RecordedDevice] = {}
        self._points: dict[str, RecordedChargePoint] = {}

    async def run(self, on_ready: Callable[[dict[str, Any]], None], stop: asyncio.Event) -> None:
        """Plays to the end of the tape or until `stop`. Raises TapeError or BindError."""
        self._look_through()
        async with AsyncExitStack() as stack:
            told = []
            for pile, device in sorted(self._devices.items()):
                told.append({"pile_id": pile, "face": "modbus", "address": await device.start()})
                stack.push_async_callback(device.close)
            for point in self._points.values():
                stack.push_async_callback(point.close)
            client = await self._broker(stack)
            on_ready({"event": "ready", "piles": told, "charge_points": sorted(self._points)})
            await self._play(client, stop)

    def summary(self) -> dict[str, Any]:
        """What was played and what was otherwise."""
        return {
            "entries": self.entries,
            "bad_lines": self.bad_lines,
            "first_bad": [f"line {number}: {why}" for number, why in self.bad],
            "modbus_requests": sum(device.requests for device in self._devices.values()),
            "ocpp_sent": sum(point.sent for point in self._points.values()),
            "mqtt_published": self.published,
            "skipped": self.skipped,
            "differences": self.differences.count,
            "first_differences": self.differences.told,
        }

    def _look_through(self) -> None:
        """Learns which piles there are, and what each question was answered with first."""
        for entry in read_tape(self._path, self._note_bad):
            if entry.proto == "modbus":
                device = self._devices.get(entry.pile)
                if device is None:
                    listen = self._where.listen.get(entry.pile, "127.0.0.1:0")
                    device = RecordedDevice(entry.pile, listen, self.differences)
                    self._devices[entry.pile] = device
                device.learn(entry, keep_older=True)
            elif entry.proto == "ocpp" and self._where.central and entry.pile not in self._points:
                point = RecordedChargePoint(entry.pile, self._where.central, self.differences)
                self._points[entry.pile] = point
        for device in self._devices.values():
            device.rewind()
        unknown = self._where.listen.keys() - self._devices.keys()
        if unknown:
            has = ", ".join(sorted(self._devices)) or "no Modbus pile"
            raise TapeError(str(self._path), f"has no {', '.join(sorted(unknown))}; it has {has}")

    async def _play(self, client: aiomqtt.Client | None, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        stopped = asyncio.create_task(stop.wait(), name="firmware_sim:replay stop")
        try:
            for entry in read_tape(self._path, lambda *_: None):
                due_s = began_s + entry.t_s / self._where.speed
                if due_s > loop.time():
                    await asyncio.wait((stopped,), timeout=due_s - loop.time())
                elif self.entries % 100 == 0:
                    await asyncio.sleep(0)
                if stop.is_set():
                    return
                self.entries += 1
                await self._do(entry, client)
            await asyncio.wait((stopped,), timeout=_GRACE_S)
        finally:
            stopped.cancel()

    async def _do(self, entry: Entry, client: aiomqtt.Client | None) -> None:
        if entry.proto == "modbus":
            self._devices[entry.pile].learn(entry)
        elif entry.proto == "ocpp" and entry.pile in self._points:
            await self._points[entry.pile].play(entry)
        elif entry.proto == "mqtt" and client is not None:
            await client.publish(entry.topic, entry.data, qos=1, retain=True, timeout=_TIMEOUT_S)
            self.published += 1
        else:
            self.skipped += 1

    async def _broker(self, stack: AsyncExitStack) -> aiomqtt.Client | None:
        if not self._where.mqtt:
            return None
        parts = urlsplit(self._where.mqtt)
        client = aiomqtt.Client(parts.hostname or "127.0.0.1", parts.port or 1883)
        return await stack.enter_async_context(client)

    def _note_bad(self, number: int, why: str) -> None:
        self.bad_lines += 1
        if len(self.bad) < MOST_TOLD:
            self.bad.append((number, why))
