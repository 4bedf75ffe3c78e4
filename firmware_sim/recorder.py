"""Records what is said: taps in front of real devices, or in front of the simulator's own piles.

How each protocol is tapped is in `taps.py`; the file is written by `tape.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import msgspec

from firmware_sim.app import Simulator
from firmware_sim.bench.tape.record_config import TapConfig
from firmware_sim.bench.tape.tape import TapeWriter
from firmware_sim.bench.tape.taps import ModbusTap, MqttTap, OcppTap
from firmware_sim.config_tables import PileConfig, SimConfig
from firmware_sim.errors import ConfigError, Finding

Ready = Callable[[dict[str, Any]], None]


async def record_taps(
    config: TapConfig, tape: TapeWriter, stop: asyncio.Event, on_ready: Ready
) -> None:
    """Records until `stop` is set; tells `on_ready` the addresses of the taps."""
    async with AsyncExitStack() as stack:
        told: list[dict[str, str]] = []
        for table in config.modbus:
            tap = ModbusTap(tape, table.pile_id, table.listen, table.target, table.framing)
            address = await tap.start()
            stack.push_async_callback(tap.close)
            told.append({"pile_id": table.pile_id, "face": "modbus", "address": address})
        for line in config.ocpp:
            server = OcppTap(tape, line.listen, line.target)
            address = await server.start()
            stack.push_async_callback(server.close)
            told.append({"face": "ocpp", "address": f"ws://{address}", "target": line.target})
        async with asyncio.TaskGroup() as group:
            tasks = []
            if config.mqtt is not None:
                listener = MqttTap(tape, config.mqtt.url, config.mqtt.topics)
                tasks.append(group.create_task(listener.run(), name="firmware_sim:mqtt tap"))
            on_ready({"event": "ready", "taps": told})
            await stop.wait()
            for task in tasks:
                task.cancel()


async def record_simulator(
    config: SimConfig, tape: TapeWriter, stop: asyncio.Event, on_ready: Ready
) -> None:
    """Runs simulated piles and records every one of them; the ready line names the taps."""
    async with AsyncExitStack() as stack:
        lines = await _ocpp_taps(config, tape, stack)
        inner = msgspec.structs.replace(
            config, piles=tuple(_behind(pile, lines) for pile in config.piles)
        )
        simulator = Simulator(inner)
        asked_for = {pile.spec.pile_id: pile.table for pile in config.piles}
        bound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def tap_ports() -> None:
            ready = await bound.get()
            for row in ready["piles"]:
                table = asked_for[row["pile_id"]]
                if row["face"] == "modbus":
                    framing = "tcp" if table.transport == "tcp" else "rtu"
                    tap = ModbusTap(tape, row["pile_id"], table.listen, row["address"], framing)
                    row["address"] = await tap.start()
                    stack.push_async_callback(tap.close)
                else:
                    row["address"] = table.url
            on_ready(ready)

        async with asyncio.TaskGroup() as group:
            group.create_task(tap_ports(), name="firmware_sim:taps")
            tasks = []
            if config.mqtt is not None:
                topics = [f"{config.mqtt.prefix}/#"]
                listener = MqttTap(tape, config.mqtt.url, topics)
                tasks.append(group.create_task(listener.run(), name="firmware_sim:mqtt tap"))
            await simulator.run(stop, bound.put_nowait)
            for task in tasks:
                task.cancel()


def check_recordable(file: str, config: SimConfig) -> None:
    """Raises ConfigError for piles that no tap can stand in front of."""
    findings = []
    for pile in config.piles:
        if pile.table.face != "modbus" and urlsplit(pile.table.url).scheme == "wss":
            text = f"{pile.spec.pile_id} dials wss, which cannot be listened in on"
            hint = "use ws:// for the recording, or tap the central system"
            findings.append(Finding("REC-001", text, "pile", 1, hint=hint))
        if pile.table.face == "modbus" and (pile.table.transport == "rtu" or pile.table.bus):
            text = f"{pile.spec.pile_id} is on a line or bus that it shares"
            hint = "give it a port of its own: transport tcp, without bus"
            findings.append(Finding("REC-002", text, "pile", 1, hint=hint))
    if findings:
        raise ConfigError(file, findings)


async def _ocpp_taps(config: SimConfig, tape: TapeWriter, stack: AsyncExitStack) -> dict[str, str]:
    """A tap for each central system: its address by the central system's."""
    taps: dict[str, str] = {}
    for pile in config.piles:
        parts = urlsplit(pile.table.url)
        target = f"{parts.scheme}://{parts.netloc}"
        if pile.table.face == "modbus" or target in taps:
            continue
        tap = OcppTap(tape, "127.0.0.1:0", target)
        taps[target] = f"ws://{await tap.start()}"
        stack.push_async_callback(tap.close)
    return taps


def _behind(pile: PileConfig, lines: dict[str, str]) -> PileConfig:
    """The pile as it is run behind its tap."""
    if pile.table.face == "modbus":
        table = msgspec.structs.replace(pile.table, listen="127.0.0.1:0")
    else:
        parts = urlsplit(pile.table.url)
        tap = lines[f"{parts.scheme}://{parts.netloc}"]
        table = msgspec.structs.replace(pile.table, url=f"{tap}{parts.path}")
    return msgspec.structs.replace(pile, table=table)
