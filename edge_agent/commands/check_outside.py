"""What the doctor looks at beyond the gateway: coordinator, broker, and every pile."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, cast

from edge_agent import parts
from edge_agent.commands.check_host import Status
from edge_agent.commands.finding import Finding, error, ok, warning
from edge_agent.config import Config, PileConfig
from edge_agent.config_ocpp import dial_url
from edge_agent.core.reading import Reading
from edge_agent.errors import LinkError
from edge_agent.host_clock import HostClock
from edge_agent.parts_modbus import modbus_pile
from edge_agent.uplink.greet import Greeting, greet
from edge_agent.watch import Watch

READ_S: Final = 8.0
BROKER_S: Final = 8.0
# Shares of failed reads of a running agent that are worth a word, and that are no service.
WARNING_SHARE: Final = 0.01
ERROR_SHARE: Final = 0.5


async def ask_coordinator(config: Config) -> Greeting | Finding:
    """The coordinator's welcome, or why there is none."""
    settings = parts.link_settings(config, HostClock(parts.domain_clock(config)))
    try:
        return await greet(settings, f"doctor-{parts.new_id()}")
    except LinkError as fault:
        hint = "look at agent.coordinator, the firewall, and whether the coordinator runs"
        if "UNAUTHENTICATED" in str(fault) or "PERMISSION_DENIED" in str(fault):
            hint = "this agent is not enrolled there, or its certificate was revoked"
        return error("coordinator", f"{config.agent.coordinator}: {fault}", hint)


def check_uplink(config: Config, status: Status) -> Iterator[Finding]:
    """How the running agent's own stream fares."""
    if status["connected"]:
        yield ok("coordinator", f"the running agent is connected to {config.agent.coordinator}")
    else:
        hint = "see why in its log: journalctl -u pilewise-agent"
        text = f"the running agent is not connected to {config.agent.coordinator}"
        yield error("coordinator", text, hint)
    if status["refused"]:
        text = f"the coordinator refused {status['refused']} records: {status['refused_why']}"
        yield warning("coordinator", text, "refused records are kept there, and never sent again")
    waits = status["spool"]
    if waits["failing"]:
        yield error("spool", f"the disk takes no records: {waits['failing']}", "look at the disk")
    elif waits["records"] is not None:
        yield ok("spool", f"{waits['records']} records wait for the coordinator")


async def check_broker(config: Config, status: Status) -> AsyncIterator[Finding]:
    """Whether the sensors' broker answers."""
    section = config.bay_sensors
    if section is None:
        return
    if status.get("sensors_connected"):
        yield ok("broker", f"the running agent is connected to {section.mqtt}")
        return
    from edge_agent.sensors.mqtt import BaySensors

    sensors = parts.bay_sensors(config, cast(Watch, _Ear()), random.Random())
    assert isinstance(sensors, BaySensors)  # there is a section
    task = asyncio.create_task(sensors.run(), name="edge_agent:doctor-broker")
    try:
        await asyncio.wait_for(sensors.connected.wait(), BROKER_S)
    except TimeoutError:
        hint = "look at [bay_sensors], its login, and: systemctl status mosquitto"
        yield error("broker", f"{section.mqtt} does not let us in within {BROKER_S:.0f} s", hint)
    else:
        yield ok("broker", f"{section.mqtt} is reached")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def check_dialling(config: Config, addresses: tuple[str, ...]) -> Iterator[Finding]:
    """The URL to type into each pile that dials in; `addresses` are those of this gateway."""
    for pile in config.piles:
        urls = {dial_url(config, pile, address) for address in addresses or ("",)} - {""}
        if urls:
            version = ", ".join(pile.door.subprotocols) if pile.door is not None else ""
            yield ok(
                "url", f"type into {pile.facts.pile_id}: {' or '.join(sorted(urls))} ({version})"
            )


def check_places(config: Config) -> Iterator[Finding]:
    """Piles that no coordinator can put on a map."""
    for pile in config.piles:
        if pile.facts.latitude_deg is None and not pile.section.station_id:
            yield warning(
                "place",
                f"{pile.facts.pile_id} has no position and no station",
                "write latitude_deg and longitude_deg, or station_id of a station that the"
                " coordinator knows; else it refuses what this pile says",
            )


def check_counts(config: Config, status: Status) -> Iterator[Finding]:
    """Each pile's error budget, from the counts of the running agent."""
    for pile in config.piles:
        pile_id = pile.facts.pile_id
        counts: Mapping[str, Any] = status["piles"].get(pile_id, {})
        readings, failures = counts.get("readings", 0), counts.get("failures", {})
        failed = sum(failures.values())
        share = failed / (readings + failed) if readings + failed else 0.0
        why = ", ".join(f"{count} x {reason}" for reason, count in failures.items())
        age_s = counts.get("age_s")
        text = f"{pile_id}: {readings} readings, {failed} failed ({share:.1%})"
        text += f": {why}" if why else ""
        if age_s is None:
            yield error("pile", f"{text}; never heard", _hint(pile, config))
        elif share >= ERROR_SHARE:
            yield error("pile", f"{text}; last heard {age_s:.0f} s ago", _hint(pile, config))
        elif share > WARNING_SHARE:
            yield warning("pile", f"{text}; last heard {age_s:.0f} s ago", _hint(pile, config))
        else:
            yield ok("pile", f"{text}; last heard {age_s:.1f} s ago")


async def check_reads(config: Config) -> list[Finding]:
    """One live read of each pile that is read; piles that dial in are waited for by the agent."""
    buses: Any = {}
    read = [pile for pile in config.piles if pile.profile.is_modbus]
    return list(await asyncio.gather(*(_read(pile, config, buses) for pile in read)))


class _Ear:
    """A sink that waits for the first word of one pile."""

    def __init__(self) -> None:
        self.first: asyncio.Future[Reading | str] = asyncio.get_running_loop().create_future()

    def __contains__(self, evse_id: object) -> bool:
        return False

    def serves(self, pile_id: str) -> bool:
        return False

    def observe(self, reading: Reading) -> None:
        self._say(reading)

    def miss(self, evse_id: str, reason: str) -> None:
        self._say(reason)

    def learn(self, pile_id: str, told: Mapping[str, str], source: str) -> None:
        return None

    def _say(self, word: Reading | str) -> None:
        if not self.first.done():
            self.first.set_result(word)


async def _read(pile: PileConfig, config: Config, buses: Any) -> Finding:
    ear = _Ear()
    pile_id = pile.facts.pile_id
    device = modbus_pile(pile, config, buses, cast(Watch, ear), random.Random())
    begun_s = time.monotonic()
    task = asyncio.create_task(device.run(), name=f"edge_agent:doctor-{pile_id}")
    try:
        word = await asyncio.wait_for(ear.first, READ_S)
    except TimeoutError:
        word = "TIMEOUT"
    finally:
        took_s = time.monotonic() - begun_s
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if isinstance(word, Reading):
        return ok("pile", f"{pile_id}: read within {took_s * 1000:.0f} ms: {word.status.name}")
    return error("pile", f"{pile_id}: {word} after {took_s:.1f} s", _hint(pile, config))


def _hint(pile: PileConfig, config: Config) -> str:
    if pile.profile.is_modbus:
        where = pile.section.host or pile.section.serial_line
        return f"look at power, cable and device id; then: pilewise agent probe {where}"
    return f"in the pile's menu set {dial_url(config, pile)}"
