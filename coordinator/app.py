"""The composition root: parts, servicers, loops; start, readiness, and an orderly end.

To add a service: make its parts in `parts.py`, its servicer in `serve_all`, its loop in `_run`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from coordinator.agent_parts import watch_certificates
from coordinator.config import Config
from coordinator.core.areas.assignment import Settings
from coordinator.door_parts import make_door
from coordinator.ending import end
from coordinator.gauges import gauges
from coordinator.jobs.arrival_hours import ArrivalHours
from coordinator.jobs.context_file import ContextFile
from coordinator.jobs.disk_watch import DiskWatch
from coordinator.jobs.loop_watch import LoopWatch, raise_descriptor_limit
from coordinator.jobs.replan import ReplanLoop
from coordinator.jobs.solver import WorkerSolver
from coordinator.listening import bind, blaming
from coordinator.metrics import Metrics
from coordinator.parts import Parts, build_parts
from coordinator.rpc.charging import ChargingServicer
from coordinator.rpc.district import DistrictServicer, Record
from coordinator.rpc.edge import EdgeServicer, add_edge_servicer
from coordinator.rpc.limits import LIMITS
from coordinator.rpc.operator import OperatorLive
from coordinator.rpc.operator_agents import OperatorAgents
from coordinator.rpc.operator_backup import OperatorBackup
from coordinator.rpc.operator_claims import OperatorClaims
from coordinator.rpc.operator_commands import OperatorCommands
from coordinator.rpc.operator_context import OperatorContext
from coordinator.rpc.operator_explain import OperatorExplain
from coordinator.rpc.operator_knowledge import OperatorKnowledge
from coordinator.rpc.operator_lists import OperatorLists
from coordinator.rpc.operator_models import OperatorModels
from coordinator.rpc.operator_people import OperatorPeople
from coordinator.rpc.operator_piles import OperatorPiles
from coordinator.rpc.operator_records import OperatorRecords
from coordinator.rpc.server import GuardedServer, RpcServer
from coordinator.store.postgres import PostgresClaims
from coordinator.usecases import retention
from coordinator.usecases.commanding import Commander
from coordinator.usecases.finding import Finder
from coordinator.usecases.summary import Summarizer
from pilewise.v1 import (
    charging_service_pb2_grpc,
    district_service_pb2_grpc,
    operator_service_pb2_grpc,
)

if TYPE_CHECKING:
    from coordinator.web_parts import Web

log = structlog.get_logger()

# A thread that finishes a commit must not wait long for the busy event loop's interpreter lock.
SWITCH_INTERVAL_S = 0.0005

# Answers make many short-lived objects and no cycles; the default looks for cycles every 700. A
# look takes as long as many are left, and all wait for it: so a few milliseconds at once.
GC_THRESHOLDS = (5_000, 80, 50)


class OperatorServicer(
    OperatorAgents,
    OperatorBackup,
    OperatorClaims,
    OperatorCommands,
    OperatorContext,
    OperatorExplain,
    OperatorKnowledge,
    OperatorLists,
    OperatorModels,
    OperatorPeople,
    OperatorPiles,
    OperatorRecords,
    OperatorLive,
):
    """The whole of `OperatorService` that is built."""


def serve_all(parts: Parts, guarded: GuardedServer) -> None:
    """Adds every servicer."""
    rules, knowledge = parts.config.recommend.rules(), parts.knowledge
    parts.brain.world.follow(rules, lambda: knowledge.iterations)
    parts.brain.intentions.keep_holidays(parts.config.coordinator.holidays)
    parts.brain.hold_at_piles(parts.district, parts.links, parts.fences)
    add_edge_servicer(_edge(parts), guarded)
    operator = OperatorServicer(
        parts.inventory,
        parts.view,
        parts.store,
        parts.links,
        parts.fences,
        parts.events,
        parts.counters,
        parts.clock,
    )
    operator.outgoing, operator.privacy = parts.outgoing, parts.privacy
    operator.register, operator.enroller = parts.register, parts.enroller
    operator.lists, operator.book = parts.lists, parts.book
    operator.knowledge, operator.district = parts.knowledge, parts.district
    operator.surroundings = parts.brain.surroundings
    operator.pile_keeper, operator.backup = parts.pile_keeper, parts.backup
    operator.switch, operator.shadow = parts.switch, parts.shadow
    operator.commander = Commander(parts.inventory, parts.links, parts.events)
    operator.happened = parts.happened
    operator.claims, operator.guidance = parts.brain.claims.table, parts.brain.guidance
    operator.clock, operator.claim_of = parts.clock, operator.newest
    charging = parts.brain.servicer(parts.district, parts.view, parts.models, parts.clock.speed)
    parts.charging = charging
    parts.on_stop.append(charging.stop)
    parts.switch.on_switch.append(lambda serving: charging.codec.name_models(serving.parts))
    operator.claim_store, operator.charging_codec = parts.brain.claims, charging.codec
    guarded.serve(charging_service_pb2_grpc.add_ChargingServiceServicer_to_server, charging)
    _serve_city(parts, guarded, charging, operator.record)
    guarded.serve(operator_service_pb2_grpc.add_OperatorServiceServicer_to_server, operator)


def _serve_city(
    parts: Parts, guarded: GuardedServer, charging: ChargingServicer, record: Record
) -> None:
    """What answers a city."""
    brain, name, clock = parts.brain, parts.config.coordinator.district, parts.clock
    claims, links = brain.claims.table, parts.links
    district = DistrictServicer(  # type: ignore[abstract]  # WatchClaims answers UNIMPLEMENTED
        Finder(name, parts.district, brain.world, brain.models, clock),
        charging.codec,
        brain.recommender,
        brain.guidance,
        brain.city_claims(parts.district),
        Summarizer(name, parts.view, claims, lambda: len(links.open), clock),
        record,
    )
    district.book, district.privacy, district.now_s = parts.book, parts.privacy, clock.now_s
    parts.on_stop.append(district.stop)
    guarded.serve(district_service_pb2_grpc.add_DistrictServiceServicer_to_server, district)


def _edge(parts: Parts) -> EdgeServicer:
    """What serves agents."""
    edge = EdgeServicer(
        parts.config.coordinator.district,
        parts.clock,
        parts.inventory,
        parts.ingest,
        parts.links,
        parts.fences,
        parts.events,
        parts.register,
    )
    edge.enroller = parts.enroller
    return edge


async def run(config: Config, path: Path) -> None:
    """Serves until SIGTERM or SIGINT, then ends in order.

    Raises `ConfigInvalid` if an address of the file cannot be listened at, `DirectoryBusy`, and
    store errors.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*GC_THRESHOLDS)
    raise_descriptor_limit()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    parts = build_parts(config)
    try:
        await _run(parts, path, stop)
    finally:
        parts.lock.note_files(are_open=False)
        parts.shadow.close()
        await parts.brain.close()
        await parts.store.close()
        parts.lock.release()


async def _run(parts: Parts, path: Path, stop: asyncio.Event) -> None:
    settings = parts.config.coordinator
    taken = {n: getattr(parts.config.limits, n) for n in ("connections", "connections_per_peer")}
    limits = replace(LIMITS, **taken)
    server = RpcServer(random.Random(), parts.counters, limits, make_door(parts))
    serve_all(parts, server.guarded)
    await parts.brain.start()
    metrics = Metrics(parts.counters, partial(gauges, parts), asyncio.get_running_loop())
    addresses = bind(parts.config, path, server)
    await server.start()
    with blaming(path, "coordinator.metrics"):
        metrics_address = metrics.start(settings.metrics) if settings.metrics else ""
    web = _web(parts, path)
    watch = LoopWatch(parts.counters, parts.events, server.degrade)
    for problem in parts.models.problems:
        log.warning("model missing", why=problem)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(parts.ingest.run(), name="coordinator:ingest"),
            group.create_task(parts.brain.watchman.run(), name="coordinator:watchman"),
            group.create_task(parts.brain.roads.run(), name="coordinator:roads"),
            group.create_task(parts.brain.run_holds(), name="coordinator:holds"),
            group.create_task(parts.brain.intentions.run(), name="coordinator:intentions"),
            group.create_task(
                retention.run(
                    parts.brain.claims, parts.store, parts.people, parts.clock, parts.config.privacy
                ),
                name="coordinator:retention",
            ),
            group.create_task(
                DiskWatch(parts.disk, parts.events, parts.counters).run(), name="coordinator:disk"
            ),
            group.create_task(parts.knowledge.run(), name="coordinator:knowledge"),
            group.create_task(parts.tastes.run(), name="coordinator:tastes"),
            group.create_task(parts.switch.run(), name="coordinator:models"),
            group.create_task(_hours(parts).run(), name="coordinator:arrival"),
            group.create_task(watch.run(), name="coordinator:loop"),
        ]
        tasks += _configured(parts, group)
        tasks += web.run(group) if web else []
        _say_ready(parts, addresses, metrics_address, web.url if web else "")
        await stop.wait()
        await end(parts, server, web, metrics)
        for task in tasks:
            task.cancel()
    await parts.ingest.flush()


def _web(parts: Parts, path: Path) -> Web | None:
    """The operator's page, listening, where one is configured."""
    if not parts.config.web.listen:
        return None
    # Imported late, because only this needs a web server.
    from coordinator.web_parts import make_web

    web = make_web(parts)
    with blaming(path, "web.listen"):
        web.start(parts.config.web.listen)
    return web


def _hours(parts: Parts) -> ArrivalHours:
    """What keeps the arrival model that serves ready for the hours to come."""
    brain = parts.brain
    return ArrivalHours(lambda: brain.models.now.arrival, brain.intentions.offset_h, parts.clock)


def _configured(parts: Parts, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
    """The tasks that the configuration asks for."""
    tasks, settings, replan = [], parts.config.coordinator, parts.config.replan
    if settings.context_file:
        watched = Path(settings.context_file)
        file = ContextFile(watched, parts.brain.surroundings, parts.clock, parts.events)
        tasks.append(group.create_task(file.run(), name="coordinator:context"))
    if parts.config.tls.enabled:
        parts.certificates = watch_certificates(parts.config, parts.events, parts.clock)
        tasks.append(group.create_task(parts.certificates.run(), name="coordinator:certificates"))
    if isinstance(claims := parts.brain.claims, PostgresClaims):
        following = claims.follow(parts.brain.recommender.moment)
        tasks.append(group.create_task(following, name="coordinator:claims"))
    if replan.enabled:
        parts.brain.replanner.settings = matching = Settings(weighted=replan.weighted)
        parts.brain.plan_on_a_thread()
        solver = WorkerSolver(matching, replan.budget_s)
        loop = ReplanLoop(parts.brain.replanner, parts.clock, replan.period_s, solver)
        tasks.append(group.create_task(loop.run(), name="coordinator:replan"))
    return tasks


def _say_ready(parts: Parts, addresses: dict[str, str], metrics: str, web: str) -> None:
    """Prints the one line that parents wait for."""
    ready: dict[str, Any] = {
        "event": "ready",
        "district": parts.config.coordinator.district,
        **addresses,
        "metrics": metrics,
        "web": web,
        "evses": len(parts.district),
        "models": [
            {"name": part.name, "version": part.version, "sha256": part.sha256}
            for part in parts.models.parts
        ],
    }
    print(json.dumps(ready, separators=(",", ":")), flush=True)
    log.info("ready", **addresses, web=web, evses=len(parts.district))
