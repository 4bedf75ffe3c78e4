"""The Prometheus page: counts and gauges in base units, served by a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from coordinator.config import split_address
from coordinator.core.pile import EvseStatus
from coordinator.errors import AddressRefused
from coordinator.usecases.counters import Counters
from coordinator.usecases.district_view import DistrictView
from coordinator.usecases.links import AgentLinks

READ_TIMEOUT_S = 5.0


class Metrics:
    """A collector that reads when it is asked; nothing is counted twice."""

    def __init__(
        self,
        counters: Counters,
        view: DistrictView,
        links: AgentLinks,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._counters = counters
        self._view = view
        self._links = links
        self._loop = loop
        self._server: tuple[WSGIServer, threading.Thread] | None = None

    def collect(self) -> list[Metric]:
        """What Prometheus reads, taken on the event loop: nobody else may touch the district."""
        return asyncio.run_coroutine_threadsafe(self._read(), self._loop).result(READ_TIMEOUT_S)

    async def _read(self) -> list[Metric]:
        metrics: list[Metric] = [
            CounterMetricFamily(f"pilewise_{name}", name.replace("_", " "), value=value)
            for name, value in self._counters.values().items()
        ]
        statuses = self._view.statuses()
        evses = GaugeMetricFamily("pilewise_evses", "EVSEs by status", labels=["status"])
        for status in EvseStatus:
            evses.add_metric([status.name], float((statuses == status).sum()))
        connected = float(len(self._links.open))
        agents = GaugeMetricFamily("pilewise_agents_connected", "agents open", value=connected)
        return [*metrics, evses, agents]

    def describe(self) -> list[Metric]:
        """Nothing: names are known when they are read."""
        return []

    def start(self, address: str) -> str:
        """The address that is listened at; raises `AddressRefused`."""
        registry: Any = CollectorRegistry()
        registry.register(self)
        host, port = split_address(address)
        try:
            self._server = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise AddressRefused(address, error.strerror or str(error)) from error
        return f"{host}:{self._server[0].server_port}"

    def stop(self) -> None:
        """Stops serving."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join()
            self._server = None
