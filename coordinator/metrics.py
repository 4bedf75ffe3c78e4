"""The Prometheus page: counts, durations and gauges, served by a thread of its own.

What each metric means is in `figures.py`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from coordinator.addresses import split_address
from coordinator.errors import AddressRefused
from coordinator.figures import FIGURES, OTHER_TEXT, PREFIX, TIMINGS
from coordinator.usecases.counters import BUCKETS_S, Counters, Timing

READ_TIMEOUT_S = 5.0
Samples = list[tuple[tuple[str, ...], float]]
Gauges = Callable[[], Mapping[str, Samples]]  # by name, read on the event loop


class Metrics:
    """A collector that reads when it is asked; nothing is counted twice."""

    def __init__(self, counters: Counters, gauges: Gauges, loop: asyncio.AbstractEventLoop) -> None:
        self._counters, self._gauges = counters, gauges
        self._loop = loop
        self._server: tuple[WSGIServer, threading.Thread] | None = None

    def collect(self) -> list[Metric]:
        """What Prometheus reads, taken on the event loop: nobody else may touch the district."""
        asked_s = time.perf_counter()
        return asyncio.run_coroutine_threadsafe(self._read(asked_s), self._loop).result(
            READ_TIMEOUT_S
        )

    async def _read(self, asked_s: float) -> list[Metric]:
        lag_s = time.perf_counter() - asked_s
        counted = dict(self._counters.values())
        read: dict[str, Samples] = {"loop_lag_seconds": [((), lag_s)], **self._gauges()}
        for name, figure in FIGURES.items():
            if figure.shows:
                read[name] = [((), counted.pop(figure.shows, 0.0))]
        made = [_family(name, samples) for name, samples in read.items()]
        made += [
            GaugeMetricFamily(f"{PREFIX}{name}", OTHER_TEXT, value=value)
            for name, value in counted.items()
        ]
        return made + list(_histograms(self._counters.timings))

    def describe(self) -> list[Metric]:
        """Nothing: names are known when they are read."""
        return []

    def start(self, address: str) -> str:
        """The address that is listened at; raises `AddressRefused`."""
        registry: Any = CollectorRegistry()
        registry.register(self)
        for standard in (ProcessCollector, PlatformCollector, GCCollector):
            standard(registry=registry)
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


def _family(name: str, samples: Samples) -> Metric:
    figure = FIGURES[name]
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    family = kind(PREFIX + name, figure.text, labels=figure.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _histograms(timings: dict[str, Timing]) -> Iterator[Metric]:
    bounds = [*map(str, BUCKETS_S), "+Inf"]
    for name, text in TIMINGS.items():
        timing = timings.get(name, Timing())
        buckets = list(zip(bounds, accumulate(timing.counts), strict=True))
        family = HistogramMetricFamily(PREFIX + name, text)
        family.add_metric((), buckets, timing.sum_s)
        yield family
