"""Stands in for a coordinator and remembers everything that an agent reports.

It keeps nothing on disk: what it acknowledges is gone with the test.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc

from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import edge_service_pb2_grpc as rpc
from pilewise.v1 import types_pb2 as nouns

_CREDIT = 8
_WORKERS = 8
_MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Reported:
    """What an agent (or a coordinator) says of one EVSE: OCPI status, MREC names of its faults."""

    evse_id: str
    status: str
    faults: tuple[str, ...] = ()
    power_kw: float | None = None
    reason: str = ""

    def line(self) -> str:
        """It for people, in one line."""
        faults = f", faults {', '.join(self.faults)}" if self.faults else ", no faults"
        return f"{self.status}{f' ({self.reason})' if self.reason else ''}{faults}"


class Upstream(rpc.EdgeServiceServicer):
    """An EdgeService on a free loopback port for one agent."""

    def __init__(self) -> None:
        self.rows: deque[Reported] = deque(maxlen=_MOST_ROWS)
        self._faults: dict[str, dict[str, None]] = {}
        self._latest: dict[str, Reported] = {}
        self._stored: dict[str, set[int]] = {}
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(_WORKERS, "pilewise-upstream"))
        rpc.add_EdgeServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def latest(self, evse_id: str) -> Reported | None:
        """The newest of one EVSE; None before the first report."""
        with self._lock:
            return self._latest.get(evse_id)

    def close(self) -> None:
        """Stops serving; open streams are cut."""
        self._server.stop(0).wait(5.0)

    def Connect(  # noqa: N802 - the contract gives the method its name
        self, request_iterator: Iterator[edge.ConnectRequest], context: Any
    ) -> Iterator[edge.ConnectResponse]:
        """One agent's stream: a welcome, then an ack for each batch and a beat for each beat."""
        hello = next(request_iterator).hello
        welcome = edge.Welcome(
            district_id="bench",
            credit=_CREDIT,
            stored=self._ranges(hello.spool_id),
            clock=hello.clock,
        )
        welcome.server_time.GetCurrentTime()
        yield edge.ConnectResponse(welcome=welcome)
        for message in request_iterator:
            kind = message.WhichOneof("message")
            if kind == "batch":
                self._take(message.batch)
                stored = self._ranges(message.batch.spool_id)
                ack = edge.Ack(spool_id=message.batch.spool_id, stored=stored, credit=_CREDIT)
                yield edge.ConnectResponse(ack=ack)
            elif kind == "beat":
                yield edge.ConnectResponse(beat=edge.Beat())

    def _take(self, batch: edge.ReportBatch) -> None:
        with self._lock:
            stored = self._stored.setdefault(batch.spool_id, set())
            for row in range(batch.record_count):
                number = batch.first_record_seq + row
                if number not in stored:
                    stored.add(number)
                    self._note(batch, row)
            for gap in batch.gaps:
                stored.update(range(gap.range.first, gap.range.last + 1))

    def _note(self, batch: edge.ReportBatch, row: int) -> None:
        evse_id = batch.evse_ids[batch.evse_index[row]]
        index = batch.detail_index_plus_one[row] if batch.detail_index_plus_one else 0
        detail = batch.details[index - 1] if index else edge.RecordDetail()
        faults = self._faults.setdefault(evse_id, {})
        if batch.kind[row] == edge.RECORD_KIND_FAULT:
            faults[detail.fault_code] = None
        elif batch.kind[row] == edge.RECORD_KIND_FAULT_CLEARED:
            faults.pop(detail.fault_code, None)
        said = Reported(
            evse_id,
            nouns.EvseStatus.Name(batch.status[row]).removeprefix("EVSE_STATUS_"),
            tuple(faults),
            _value(batch.power_kw, row),
            detail.reason,
        )
        self.rows.append(said)
        self._latest[evse_id] = said

    def _ranges(self, spool_id: str) -> edge.StoredRanges:
        with self._lock:
            runs: list[list[int]] = []
            for number in sorted(self._stored.get(spool_id, ())):
                if runs and runs[-1][1] == number - 1:
                    runs[-1][1] = number
                else:
                    runs.append([number, number])
        through = runs.pop(0)[1] if runs and runs[0][0] == 1 else 0
        later = [nouns.SeqRange(first=first, last=last) for first, last in runs[:16]]
        return edge.StoredRanges(acked_through=through, ranges=later)


def _value(column: edge.FloatColumn, row: int) -> float | None:
    if row >= len(column.values):
        return None
    here = not column.presence or column.presence[row // 8] >> row % 8 & 1
    return column.values[row] if here else None
