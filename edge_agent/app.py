"""The composition root: puts the agent together and runs it until it is told to stop.

Read this file first: it names every part and every task.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import structlog

from edge_agent import parts
from edge_agent.config import Config
from edge_agent.config_checks import split_address
from edge_agent.core.picture import LivePicture
from edge_agent.errors import ConfigError
from edge_agent.host_clock import HostClock
from edge_agent.metrics import serve_metrics
from edge_agent.piles.port import Pile
from edge_agent.uplink import memory
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool
from edge_agent.watch import Watch

log: Final = structlog.get_logger("edge_agent.app")
DRAIN_S: Final = 1.0

Ready = Callable[[dict[str, Any]], None]


async def run_agent(config: Config, stop: asyncio.Event, ready: Ready) -> None:
    """Runs the agent until `stop` is set; `ready` gets the addresses once everything listens.

    Raises `ConfigError` where a port or the data folder is taken, `SpoolError` for a bad spool.
    """
    clock = HostClock(parts.domain_clock(config))
    spool = Spool(config.data_dir, parts.new_id)
    await _open(spool, config)
    try:
        await _run(config, clock, spool, stop, ready)
    finally:
        await spool.close()


async def _run(
    config: Config, clock: HostClock, spool: Spool, stop: asyncio.Event, ready: Ready
) -> None:
    rng = random.Random()
    rules = parts.fusion_rules(config)
    picture = LivePicture(
        rules,
        heartbeat_s=config.agent.heartbeat_s,
        new_id=parts.new_id,
        carried=await spool.call(memory.carried),
    )
    watch = Watch(picture, rules, [pile.facts for pile in config.piles], spool, clock)
    piles: dict[str, Pile] = {}
    by_evse: dict[str, Pile] = {}
    for pile in config.piles:
        built: Pile = (
            parts.ocpp_pile(pile, config, watch, spool, clock)
            if pile.profile.transport == "ocpp1.6"
            else parts.modbus_pile(pile, config, watch, rng)
        )
        piles[pile.facts.pile_id] = built
        by_evse.update(dict.fromkeys(pile.facts.evse_ids, built))
    desk = DirectiveDesk(spool, parts.Performers(by_evse, watch), clock.now_ms, watch.__contains__)
    settings = parts.link_settings(config, clock)
    reporter = Reporter(settings, spool, desk, watch.facts, clock.now_ms, rng)
    watch.on_facts = reporter.inventory_changed
    sensors = parts.bay_sensors(config, watch, rng)
    server = parts.ocpp_server(config, piles)
    ocpp_url = await _listen(config, "ocpp.listen", server.start) if server else None

    def figures() -> dict[str, float]:
        return {
            "pilewise_agent_readings_total": watch.readings,
            "pilewise_agent_pile_failures_total": sum(
                getattr(pile, "failures", 0) for pile in piles.values()
            ),
            "pilewise_agent_records_committed_total": spool.committed,
            "pilewise_agent_records_settled_total": reporter.acked,
            "pilewise_agent_records_rejected_total": reporter.rejected,
            "pilewise_agent_records_dropped_total": spool.dropped,
            "pilewise_agent_handshakes_refused_total": server.refused if server else 0,
            "pilewise_agent_sensor_messages_refused_total": sensors.refused if sensors else 0,
            "pilewise_agent_connected": float(reporter.connected),
            "pilewise_agent_clock_skew_seconds": reporter.skew_s,
        }

    metrics, stop_metrics = await _serve_metrics(config, figures)
    try:
        async with asyncio.TaskGroup() as group:
            jobs: Mapping[str, Any] = {
                "watch": watch.run(),
                **{f"pile-{name}": pile.run() for name, pile in piles.items()},
                **({"sensors": sensors.run()} if sensors else {}),
            }
            tasks = [group.create_task(job, name=f"edge_agent:{n}") for n, job in jobs.items()]
            link = group.create_task(reporter.run(), name="edge_agent:uplink")
            ready(
                {
                    "event": "ready",
                    "agent_id": config.agent.id,
                    "ocpp": ocpp_url,
                    "metrics": metrics,
                    "piles": list(piles),
                }
            )
            await stop.wait()
            log.info("stopping")
            await _end(tasks)
            if server is not None:
                await server.close()
            await _drain(spool, reporter)
            await _end([link])
    finally:
        stop_metrics()
        if server is not None:
            await server.close()


async def _open(spool: Spool, config: Config) -> None:
    try:
        await spool.start()
    except OSError as error:
        taken = isinstance(error, BlockingIOError)
        why = "is used by another agent" if taken else f"cannot be used: {error.strerror}"
        config.source.report("CFG-018", f"{config.data_dir} {why}", "agent.data_dir")
        raise ConfigError(config.source.problems) from error


async def _listen(config: Config, key: str, start: Callable[[], Any]) -> str:
    try:
        return str(await start())
    except OSError as error:
        parts.report_port(config, key, config.ocpp.listen if config.ocpp else "", error)
        raise ConfigError(config.source.problems) from error


async def _serve_metrics(
    config: Config, read: Callable[[], dict[str, float]]
) -> tuple[str | None, Callable[[], None]]:
    address = split_address(config.agent.metrics) if config.agent.metrics else None
    if address is None:
        return None, lambda: None
    try:
        return serve_metrics(*address, read)
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


async def _drain(spool: Spool, reporter: Reporter) -> None:
    """Gives the last records a moment to reach the coordinator; what does not stays spooled."""
    deadline_s = asyncio.get_running_loop().time() + DRAIN_S
    while reporter.connected and asyncio.get_running_loop().time() < deadline_s:
        if await spool.call(lambda file: file.numbers.depth()) == 0:
            return
        await asyncio.sleep(0.05)
