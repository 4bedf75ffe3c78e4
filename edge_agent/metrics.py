"""The agent's figures for Prometheus, on loopback, only where the configuration asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

NAMES: Final = {
    "pilewise_agent_readings_total": "Readings that piles gave.",
    "pilewise_agent_pile_failures_total": "Reads of piles that brought nothing.",
    "pilewise_agent_records_committed_total": "Records that became durable in the spool.",
    "pilewise_agent_records_settled_total": "Record numbers that the coordinator has stored.",
    "pilewise_agent_records_rejected_total": "Records that the coordinator refused.",
    "pilewise_agent_records_dropped_total": "Records given up because the disk took none.",
    "pilewise_agent_handshakes_refused_total": "OCPP connections that were turned away.",
    "pilewise_agent_sensor_messages_refused_total": "Sensor messages that could not be read.",
    "pilewise_agent_connected": "1 while the coordinator is connected.",
    "pilewise_agent_clock_skew_seconds": "Coordinator's system time minus ours.",
}

Read = Callable[[], dict[str, float]]


def serve_metrics(host: str, port: int, read: Read) -> tuple[str, Callable[[], None]]:
    """Serves what `read` gives at each scrape; the address bound and a function that stops it.

    Keys of `read` are those of `NAMES`. Raises OSError where the port is taken.
    """
    # Only paid for by those who want metrics.
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

    class Figures:
        def collect(self) -> Iterator[Metric]:
            figures = read()
            for name, text in NAMES.items():
                if name.endswith("_total"):
                    yield CounterMetricFamily(name, text, value=figures[name])
                else:
                    yield GaugeMetricFamily(name, text, value=figures[name])

    registry = CollectorRegistry()
    collector: Any = Figures()
    registry.register(collector)
    server, _ = start_http_server(port, addr=host, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return f"{host}:{server.server_port}", stop
