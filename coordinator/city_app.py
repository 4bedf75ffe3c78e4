"""The composition root of a city: districts, servicers, loops; start, and an orderly end.

A district's is `app.py`. A city keeps nothing on disk: promises are its districts'.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import structlog

from coordinator.brain import core_models
from coordinator.clock import Clock
from coordinator.config import Config
from coordinator.core.caller import WORDS, Scope
from coordinator.jobs.loop_watch import raise_descriptor_limit
from coordinator.listening import bind, blaming
from coordinator.metrics import Metrics, Samples
from coordinator.models.serving import open_models
from coordinator.people_parts import make_bearers
from coordinator.rpc.belongings import Belongings
from coordinator.rpc.city.charging import CityCharging
from coordinator.rpc.city.claiming import Claiming
from coordinator.rpc.city.directory import Directory
from coordinator.rpc.city.finding import CandidateFinder
from coordinator.rpc.city.moving import Mover
from coordinator.rpc.city.operator import CityOperator
from coordinator.rpc.city.promising import CityPromiser
from coordinator.rpc.city.trips import CityOwners, Trips
from coordinator.rpc.door import Door
from coordinator.rpc.pacing import Pacing
from coordinator.rpc.server import RpcServer
from coordinator.usecases.counters import Counters
from pilewise.v1 import charging_service_pb2_grpc, operator_service_pb2_grpc
from pilewise.version import __version__

log = structlog.get_logger()


@dataclass(slots=True)
class CityParts:
    """What a city is made of."""

    config: Config
    clock: Clock
    counters: Counters
    directory: Directory
    trips: Trips
    claiming: Claiming
    mover: Mover
    charging: CityCharging
    operator: CityOperator


def build_city(config: Config) -> CityParts:
    """All parts; nothing is dialled before the loops run. Call it on the event loop."""
    clock = Clock(config.clock.epoch_at_ms, config.clock.anchor_s, config.clock.speed)
    counters, rules = Counters(), config.recommend.rules()
    directory = Directory(config.city, clock.link_s)
    serving = open_models(config.models.bundle)
    for problem in serving.problems:
        log.warning("model missing", why=problem)
    finder = CandidateFinder(directory, core_models(serving), rules, clock)
    trips, claiming = Trips(directory, clock.link_s), Claiming(directory, clock.link_s)
    mover = Mover(directory, finder, claiming, clock.now_s, clock.link_s, counters)
    promiser = CityPromiser(finder, claiming, trips, clock, counters)
    operator = CityOperator(  # type: ignore[abstract]  # the rest answers UNIMPLEMENTED
        directory, trips, claiming, mover, clock.link_s
    )
    return CityParts(
        config, clock, counters, directory, trips, claiming, mover,
        CityCharging(directory, promiser, trips, mover, counters),
        operator,
    )  # fmt: skip


def city_door(parts: CityParts) -> Door | None:
    """Who may call, by the section `[identity]`; agents never do."""
    config, clock = parts.config, parts.clock
    bearers = make_bearers(config, clock)
    if bearers is None:
        return None
    anonymous = Scope.NONE
    for word in config.identity.anonymous:
        anonymous |= WORDS[word]
    return Door(
        bearers,
        Belongings(CityOwners(parts.trips)),
        Pacing(config.identity, clock.link_s, parts.counters),
        parts.counters,
        clock.system_s,
        lambda context: "",
        anonymous,
    )


def serve_city(parts: CityParts, server: RpcServer) -> None:
    """Adds the servicers."""
    guarded = server.guarded
    guarded.serve(charging_service_pb2_grpc.add_ChargingServiceServicer_to_server, parts.charging)
    guarded.serve(operator_service_pb2_grpc.add_OperatorServiceServicer_to_server, parts.operator)


async def run_city(config: Config, path: Path) -> None:
    """Serves until SIGTERM or SIGINT, then ends in order.

    Raises `ConfigInvalid` if an address of the file cannot be listened at.
    """
    raise_descriptor_limit()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    parts = build_city(config)
    settings = config.coordinator
    server = RpcServer(random.Random(), parts.counters, door=city_door(parts))
    serve_city(parts, server)
    addresses = bind(config, path, server)
    metrics = Metrics(parts.counters, lambda: gauges(parts), loop)
    await server.start()
    with blaming(path, "coordinator.metrics"):
        metrics_address = metrics.start(settings.metrics) if settings.metrics else ""
    async with asyncio.TaskGroup() as group:
        tasks = parts.directory.follow(group)
        ready = {"event": "ready", "city": settings.district, **addresses,
                 "metrics": metrics_address, "districts": list(parts.directory.links)}  # fmt: skip
        print(json.dumps(ready, separators=(",", ":")), flush=True)
        log.info("ready", **addresses)
        await stop.wait()
        log.info("stopping", grace_s=settings.grace_s)
        await server.say_ending()
        parts.charging.stop()
        await server.stop(settings.grace_s)
        for task in tasks:
            task.cancel()
    await parts.mover.close()
    await parts.claiming.close()
    await parts.directory.close()
    await asyncio.to_thread(metrics.stop)


def gauges(parts: CityParts) -> dict[str, Samples]:
    """Values by their names in `figures.py`; to be called on the event loop."""
    links = parts.directory.links.values()
    return {
        "build_info": [((__version__, parts.config.coordinator.district), 1.0)],
        "districts_up": [((link.name,), float(link.up)) for link in links],
    }
