"""How the agent fares: figures for metrics, a status for commands, a line for systemd."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_agent.certificate_alarm import CertificateAlarm
from edge_agent.config import Config
from edge_agent.core.certificate import DAY_S
from edge_agent.core.reading import CLOCK_SANE_FROM_MS
from edge_agent.errors import SpoolError
from edge_agent.host_clock import HostClock
from edge_agent.metrics import Sample
from edge_agent.pulse import Pulse
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.spool_file import SpoolFile
from edge_agent.uplink.spool_schema import DATABASE
from edge_agent.watch import Watch
from pilewise.version import __version__

if TYPE_CHECKING:
    from edge_agent.piles.ocpp_server import OcppServer
    from edge_agent.piles.relay_figures import RelayFigures
    from edge_agent.sensors.mqtt import BaySensors

_PAGE_BYTES: Final = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class SpoolFigures:
    """What waits in the spool; `oldest_at_ms` is 0 where nothing does."""

    records: int
    gaps: int
    oldest_at_ms: int
    size_bytes: int


@dataclass(slots=True)
class Figures:
    """Reads the counters of all parts; `addresses` are what the ready line tells."""

    config: Config
    clock: HostClock
    watch: Watch
    reporter: Reporter
    spool: Spool
    sensors: BaySensors | None
    server: OcppServer | None
    alarm: CertificateAlarm
    pulse: Pulse | None = None
    started_s: float = 0.0
    addresses: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started_s = self.clock.now_s()

    def line(self) -> str:
        """One line: the uplink, the piles, the disk."""
        now_s = self.clock.now_s()
        piles = self.watch.tally.piles.values()
        heard = sum(1 for p in piles if p.heard_s is not None and now_s - p.heard_s < 60.0)
        link = "connected" if self.reporter.connected else "not connected"
        disk = f", spool failing: {self.spool.failing}" if self.spool.failing else ""
        return (
            f"{link} to {self.config.agent.coordinator}; "
            f"{heard} of {len(piles)} piles heard within a minute{disk}"
        )

    async def collect(self) -> list[Sample]:
        """All samples of the metrics page."""
        return [
            Sample("build_info", 1.0, (__version__,)),
            *self._piles(),
            *self._records(await self._spool_figures()),
            *self._outside(),
            *_relays(await self._relay_figures()),
            Sample("loop_lag_seconds", self.pulse.lag_s if self.pulse else 0.0),
            Sample("resident_memory_bytes", resident_bytes()),
            Sample("uptime_seconds", self.clock.now_s() - self.started_s),
        ]

    async def status(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to the command `status`."""
        now_s = self.clock.now_s()
        waits = await self._spool_figures()
        piles = {}
        for pile in self.watch.facts():
            tally = self.watch.tally.piles[pile.pile_id]
            piles[pile.pile_id] = {
                "readings": tally.readings,
                "failures": dict(tally.failures),
                "age_s": tally.age_s(now_s),
                "evses": {evse_id: self._evse(evse_id) for evse_id in pile.evse_ids},
            }
        return {
            "ok": True,
            "agent_id": self.config.agent.id,
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(now_s - self.started_s, 1),
            "connected": self.reporter.connected,
            "refused": self.reporter.refusals.count,
            "refused_why": self.reporter.refusals.newest,
            "skew_s": self.reporter.skew_s,
            "certificate_days_left": dict(self.alarm.days_left),
            "spool": {
                "records": waits.records if waits else None,
                "gaps": waits.gaps if waits else None,
                "size_bytes": waits.size_bytes if waits else None,
                "failing": self.spool.failing,
            },
            "piles": piles,
            "relays": [relay.told() for relay in await self._relay_figures()],
            "sensors_connected": self.sensors.connected.is_set() if self.sensors else None,
            "rss_bytes": resident_bytes(),
            **self.addresses,
        }

    def _evse(self, evse_id: str) -> dict[str, Any]:
        fused = self.watch.fused(evse_id)
        if fused is None:
            return {"status": "UNKNOWN", "reason": "NOT_HEARD_YET"}
        return {"status": fused.status.name, "reason": fused.reason, "bay": fused.bay.name}

    async def _relay_figures(self) -> Sequence[RelayFigures]:
        relays = self.server.relays if self.server is not None else None
        return () if relays is None else await relays()

    async def _spool_figures(self) -> SpoolFigures | None:
        folder = self.config.data_dir
        try:
            return await self.spool.call(lambda file: spool_figures(file, folder))
        except SpoolError:
            return None

    def _piles(self) -> Iterator[Sample]:
        now_s = self.clock.now_s()
        readings = sum(pile.readings for pile in self.watch.tally.piles.values())
        yield Sample("readings_total", readings)
        for pile_id, pile in self.watch.tally.piles.items():
            yield Sample("pile_readings_total", pile.readings, (pile_id,))
            for reason, count in pile.failures.items():
                yield Sample("pile_failures_total", count, (pile_id, reason))
            age_s = pile.age_s(now_s)
            if age_s is not None:
                yield Sample("pile_last_reading_age_seconds", age_s, (pile_id,))

    def _records(self, waits: SpoolFigures | None) -> Iterator[Sample]:
        yield Sample("records_committed_total", self.spool.committed)
        yield Sample("records_settled_total", self.reporter.acked)
        yield Sample("records_rejected_total", self.reporter.refusals.count)
        yield Sample("records_dropped_total", self.spool.dropped)
        yield Sample("records_thinned_total", self.spool.thinned)
        yield Sample("spool_failing", float(bool(self.spool.failing)))
        if waits is not None:
            yield Sample("spool_records", waits.records)
            yield Sample("spool_gaps", waits.gaps)
            yield Sample("spool_bytes", waits.size_bytes)
            # A stamp of a clock that was not set tells no age.
            known = waits.oldest_at_ms >= CLOCK_SANE_FROM_MS
            age_ms = self.clock.now_ms() - waits.oldest_at_ms if known else 0
            yield Sample("spool_oldest_age_seconds", max(0.0, age_ms / 1000.0))

    def _outside(self) -> Iterator[Sample]:
        yield Sample("connected", float(self.reporter.connected))
        yield Sample("connections_total", self.reporter.connections)
        yield Sample("acks_total", self.reporter.acks)
        yield Sample("clock_skew_seconds", self.reporter.skew_s)
        for key, days_left in self.alarm.days_left.items():
            yield Sample("certificate_left_seconds", days_left * DAY_S, (key,))
        if self.sensors is not None:
            yield Sample("sensors_connected", float(self.sensors.connected.is_set()))
            yield Sample("sensor_connections_total", self.sensors.connections)
            yield Sample("sensor_messages_total", self.sensors.heard)
            yield Sample("sensor_messages_refused_total", self.sensors.refused)
            yield Sample("sensor_messages_foreign_total", self.sensors.foreign)
            yield Sample("sensor_messages_superseded_total", self.sensors.inbox.superseded)
        if self.server is not None:
            yield Sample("ocpp_connections", self.server.connected)
            yield Sample("ocpp_handshakes_refused_total", self.server.refused)


def _relays(figures: Sequence[RelayFigures]) -> Iterator[Sample]:
    for relay in figures:
        pile = (relay.pile_id,)
        yield Sample("relay_connected", float(relay.connected), pile)
        yield Sample("relay_queue_messages", relay.messages, pile)
        yield Sample("relay_queue_bytes", relay.size_bytes, pile)
        yield Sample("relay_queue_oldest_age_seconds", relay.oldest_age_s, pile)
        for (kind, reason), count in relay.given_up.items():
            yield Sample("relay_given_up_total", count, (relay.pile_id, kind, reason))


def spool_figures(file: SpoolFile, folder: Path) -> SpoolFigures:
    """What waits in a spool; runs on the spool's thread."""
    oldest = file.connection.execute(
        "SELECT from_at_ms FROM block ORDER BY position LIMIT 1"
    ).fetchone()
    gaps = file.connection.execute("SELECT count(*) FROM gap").fetchone()
    sizes = [path.stat().st_size for path in folder.glob(f"{DATABASE}*") if path.is_file()]
    return SpoolFigures(file.numbers.depth(), gaps[0], oldest[0] if oldest else 0, sum(sizes))


def resident_bytes() -> int:
    """Memory that this process holds now."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * _PAGE_BYTES
