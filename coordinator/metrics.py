"""The Prometheus page: counts and gauges in base units, served by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
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


class Metrics:
    """A collector that reads when it is asked; nothing is counted twice."""

    def __init__(self, counters: Counters, view: DistrictView, links: AgentLinks) -> None:
        self._counters = counters
        self._view = view
        self._links = links
        self._server: tuple[WSGIServer, threading.Thread] | None = None

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        for name, value in self._counters.values().items():
            yield CounterMetricFamily(f"pilewise_{name}", name.replace("_", " "), value=value)
        statuses = self._view.statuses()
        evses = GaugeMetricFamily("pilewise_evses", "EVSEs by status", labels=["status"])
        for status in EvseStatus:
            evses.add_metric([status.name], float((statuses == status).sum()))
        yield evses
        connected = float(len(self._links.open))
        yield GaugeMetricFamily("pilewise_agents_connected", "agents connected", value=connected)

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
