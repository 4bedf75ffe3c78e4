"""The composition root: puts the agent together and runs it until it is told to stop.

Read this file first: it names every part and every task.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

import structlog

from edge_agent import parts
from edge_agent.certificate_alarm import CertificateAlarm, certificate_files
from edge_agent.config import Config
from edge_agent.config_checks import split_address
from edge_agent.control import Ask, ControlSocket, Recent
from edge_agent.core.energy_register import Carried
from edge_agent.core.picture import LivePicture
from edge_agent.drain import drain, flush
from edge_agent.errors import ConfigError
from edge_agent.figures import Figures
from edge_agent.host_clock import HostClock
from edge_agent.host_notify import ServiceNotify
from edge_agent.meeting_places import meeting_places
from edge_agent.metrics import Collect, serve_metrics
from edge_agent.parts_modbus import Buses, modbus_pile
from edge_agent.performers import Performers, tap_frames
from edge_agent.piles.port import Pile
from edge_agent.pulse import Pulse
from edge_agent.renewal import Renewal
from edge_agent.uplink import memory
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool
from edge_agent.watch import Watch

if TYPE_CHECKING:
    from edge_agent.piles.ocpp_server import OcppServer
    from edge_agent.sensors.mqtt import BaySensors

log: Final = structlog.get_logger("edge_agent.app")

Ready = Callable[[dict[str, Any]], None]


async def run_agent(
    config: Config,
    stop: asyncio.Event,
    ready: Ready,
    notify: ServiceNotify | None = None,
    renewal: Renewal | None = None,
) -> None:
    """Runs the agent until `stop` is set; `ready` gets the addresses once everything listens.

    `notify` is told when it is ready, alive and stopping.

    Raises `ConfigError` where a port or the data folder is taken, `SpoolError` for a bad spool.
    """
    clock = HostClock(parts.domain_clock(config))
    spool = Spool(config.data_dir, parts.new_id, config.uplink.spool_max_mib * 2**20)
    await _open(spool, config)
    try:
        agent = _assemble(config, clock, spool, await spool.call(memory.carried))
        agent.reporter.take_renewal(renewal)
        await _run(config, agent, stop, ready, notify or ServiceNotify(), renewal)
    finally:
        await spool.close()


@dataclass(frozen=True, slots=True)
class _Agent:
    """Everything that runs, put together."""

    watch: Watch
    piles: dict[str, Pile]
    reporter: Reporter
    spool: Spool
    sensors: BaySensors | None
    server: OcppServer | None
    figures: Figures
    control: ControlSocket
    alarm: CertificateAlarm

    def jobs(self) -> dict[str, Coroutine[Any, Any, NoReturn]]:
        """What runs beside the uplink, by the name of its task."""
        jobs: dict[str, Coroutine[Any, Any, NoReturn]] = {
            "watch": self.watch.run(),
            "certificates": self.alarm.run(),
        }
        jobs |= {f"pile-{name}": pile.run() for name, pile in self.piles.items()}
        if self.sensors is not None:
            jobs["sensors"] = self.sensors.run()
        if self.server is not None:
            jobs["ocpp"] = self.server.run()
        return jobs


def _assemble(
    config: Config, clock: HostClock, spool: Spool, carried: dict[str, Carried]
) -> _Agent:
    rng = random.Random()
    rules = parts.fusion_rules(config)
    heartbeat_s = config.agent.heartbeat_s
    picture = LivePicture(rules, heartbeat_s=heartbeat_s, new_id=parts.new_id, carried=carried)
    watch = Watch(picture, rules, [pile.facts for pile in config.piles], spool, clock)
    piles: dict[str, Pile] = {}
    by_evse: dict[str, Pile] = {}
    buses: Buses = {}
    for pile in config.piles:
        built: Pile = (
            parts.ocpp_pile(pile, config, watch, spool, clock)
            if not pile.profile.is_modbus
            else modbus_pile(pile, config, buses, watch, rng)
        )
        piles[pile.facts.pile_id] = built
        by_evse.update(dict.fromkeys(pile.facts.evse_ids, built))
    performers = Performers(by_evse, watch)
    desk = DirectiveDesk(spool, performers, clock.steady_ms, watch.__contains__)
    desk.set_service = watch.set_service
    desk.periods = parts.polled_periods(config)
    settings = parts.link_settings(config, clock)
    reporter = Reporter(settings, spool, desk, watch.facts, clock.now_ms, rng)
    watch.on_facts = reporter.inventory_changed
    sensors = parts.bay_sensors(config, watch, rng)
    server = parts.ocpp_server(config, piles, watch, spool, clock)
    performers.rings = tap_frames(config, piles, server, clock.now_ms)
    recent = Recent()
    watch.on_records = recent.add
    alarm = CertificateAlarm(certificate_files(config), watch.tell)
    figures = Figures(config, clock, watch, reporter, spool, sensors, server, alarm)
    asks: dict[str, Ask] = {"status": figures.status, "flush": partial(flush, spool, reporter)}
    control = ControlSocket(config.data_dir, recent, asks)
    return _Agent(watch, piles, reporter, spool, sensors, server, figures, control, alarm)


async def _run(
    config: Config,
    agent: _Agent,
    stop: asyncio.Event,
    ready: Ready,
    notify: ServiceNotify,
    renewal: Renewal | None,
) -> None:
    server = agent.server
    ocpp_url = await _listen(config, "ocpp.listen", server.start) if server else None
    agent.watch.meet(meeting_places(config, (server.url, server.tls_url) if server else ("", "")))
    metrics, stop_metrics = await _serve_metrics(config, agent.figures.collect)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(job, name=f"edge_agent:{name}")
                for name, job in agent.jobs().items()
            ]
            link = group.create_task(agent.reporter.run(), name="edge_agent:uplink")
            pulse = agent.figures.pulse = Pulse(notify, agent.spool, agent.figures.line)
            tasks.append(group.create_task(pulse.run(), name="edge_agent:pulse"))
            await agent.control.start()
            addresses = agent.figures.addresses = {"ocpp": ocpp_url, "metrics": metrics}
            told = {"event": "ready", "agent_id": config.agent.id, **addresses}
            ready({**told, "piles": list(agent.piles)})
            notify.ready(agent.figures.line())
            await stop.wait()
            log.info("stopping")
            notify.stopping(anew=renewal is not None and renewal.restart_wanted)
            await _end(tasks)
            if server is not None:
                await server.close()
            await drain(agent.spool, agent.reporter)
            await _end([link])
    finally:
        stop_metrics()
        agent.control.close()
        if server is not None:
            await server.close()


async def _open(spool: Spool, config: Config) -> None:
    try:
        await spool.start()
    except OSError as error:
        taken = isinstance(error, BlockingIOError)
        why = "is used by another agent" if taken else f"cannot be used: {error.strerror}"
        hint = "stop the other agent, or give this one its own data_dir" if taken else ""
        config.source.report("CFG-018", f"{config.data_dir} {why}", "agent.data_dir", hint=hint)
        raise ConfigError(config.source.problems) from error


async def _listen(config: Config, key: str, start: Callable[[], Any]) -> str:
    try:
        return str(await start())
    except OSError as error:
        parts.report_port(config, key, config.ocpp.listen if config.ocpp else "", error)
        raise ConfigError(config.source.problems) from error


async def _serve_metrics(config: Config, collect: Collect) -> tuple[str | None, Callable[[], None]]:
    address = split_address(config.agent.metrics) if config.agent.metrics else None
    if address is None:
        return None, lambda: None
    try:
        return serve_metrics(*address, collect)
    except OSError as error:
        parts.report_port(config, "agent.metrics", config.agent.metrics or "", error)
        raise ConfigError(config.source.problems) from error


async def _end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancels the tasks and returns when they have ended.

    Cancelled again each second: libraries that use `asyncio.wait_for` of Python 3.11 may swallow a
    cancellation that arrives together with a result.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1.0)
