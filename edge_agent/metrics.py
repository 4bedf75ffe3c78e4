"""The agent's figures as a page for Prometheus, on loopback, only where the configuration asks.

Names are `pilewise_agent_<noun>_<unit>` in base units; labels name piles and reasons, never people.
Where the figures come from belongs to `figures.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

COLLECT_S: Final = 5.0


class Metric(NamedTuple):
    """What a figure means and which labels its samples have."""

    text: str
    labels: tuple[str, ...] = ()


METRICS: Final = {
    "build_info": Metric("1; the version of the software.", ("version",)),
    "readings_total": Metric("Readings that all piles gave."),
    "pile_readings_total": Metric("Readings that a pile gave.", ("pile",)),
    "pile_failures_total": Metric("Reads of a pile that brought nothing.", ("pile", "reason")),
    "pile_last_reading_age_seconds": Metric("Since a pile was heard.", ("pile",)),
    "records_committed_total": Metric("Records that became durable in the spool."),
    "records_settled_total": Metric("Record numbers that the coordinator has stored."),
    "records_rejected_total": Metric("Records that the coordinator refused."),
    "records_dropped_total": Metric("Records given up because the disk took none."),
    "records_thinned_total": Metric("Records given up because the room for them ended."),
    "spool_records": Metric("Record numbers not settled yet, gaps included."),
    "spool_gaps": Metric("Lost runs of records that the coordinator has not been told yet."),
    "spool_bytes": Metric("Size of the spool's files."),
    "spool_oldest_age_seconds": Metric("Age of the oldest record that waits; 0 if none does."),
    "spool_failing": Metric("1 while the disk takes no records."),
    "connected": Metric("1 while the coordinator is connected."),
    "connections_total": Metric("Streams that the coordinator welcomed."),
    "acks_total": Metric("Acks that came."),
    "clock_skew_seconds": Metric("Coordinator's system time minus ours."),
    "certificate_left_seconds": Metric("Until a certificate ends; below 0 it has.", ("key",)),
    "sensors_connected": Metric("1 while the MQTT broker is connected."),
    "sensor_connections_total": Metric("Connections to the MQTT broker."),
    "sensor_messages_total": Metric("Sensor messages that came."),
    "sensor_messages_refused_total": Metric("Sensor messages that could not be read."),
    "sensor_messages_foreign_total": Metric("Sensor messages about bays of other agents."),
    "sensor_messages_superseded_total": Metric("Sensor words that gave way to newer ones."),
    "ocpp_connections": Metric("Charge points that are connected."),
    "ocpp_handshakes_refused_total": Metric("OCPP connections that were turned away."),
    "relay_connected": Metric("1 while the operator's system answers a pile.", ("pile",)),
    "relay_queue_messages": Metric("Messages that wait for the operator's system.", ("pile",)),
    "relay_queue_bytes": Metric("Size of what waits for the operator's system.", ("pile",)),
    "relay_queue_oldest_age_seconds": Metric("Age of the oldest such message.", ("pile",)),
    "relay_given_up_total": Metric(
        "Messages that never reached the operator's system.", ("pile", "kind", "reason")
    ),
    "loop_lag_seconds": Metric("Greatest delay of the event loop within the last minute."),
    "resident_memory_bytes": Metric("Memory that the process holds."),
    "uptime_seconds": Metric("Since the agent became ready."),
}
PREFIX: Final = "pilewise_agent_"


class Sample(NamedTuple):
    """One figure: a name of `METRICS`, its value, and the values of its labels in order."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


Collect = Callable[[], Awaitable[Sequence[Sample]]]


def serve_metrics(host: str, port: int, collect: Collect) -> tuple[str, Callable[[], None]]:
    """Serves what `collect` gives at each scrape; the address bound and a function that stops it.

    `collect` runs on the event loop that called; a loop that hangs shows as a scrape that fails.
    Raises OSError where the port is taken.
    """
    # Only paid for by those who want metrics.
    from prometheus_client import CollectorRegistry, start_http_server

    loop = asyncio.get_running_loop()

    class Figures:
        def describe(self) -> list[Any]:
            return []

        def collect(self) -> Iterator[Any]:
            gathered = asyncio.run_coroutine_threadsafe(_gather(collect), loop)
            return _families(gathered.result(COLLECT_S))

    registry = CollectorRegistry()
    collector: Any = Figures()
    registry.register(collector)
    server, _ = start_http_server(port, addr=host, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return f"{host}:{server.server_port}", stop


async def _gather(collect: Collect) -> Sequence[Sample]:
    return await collect()


def _families(samples: Sequence[Sample]) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    for name, metric in METRICS.items():
        if name not in by_name:
            continue
        family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        made = family(PREFIX + name, metric.text, labels=metric.labels)
        for sample in by_name[name]:
            made.add_metric(sample.labels, sample.value)
        yield made
