"""Which batch goes next: fresh gaps, then live records, then history; and what is on its way.

Live records overtake history after an outage; where much waits, so does its newest end, which
holds what the piles said just before the stream stood. Gaps of the history go up in their place, so
that the coordinator's numbers close as they come. Reading goes through the spool's
own thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_agent.core.ranges import Run, Runs, covers, normalise
from edge_agent.errors import SpoolError
from edge_agent.uplink.codec import to_batch, to_gap_batches
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.spool_blocks import StoredRun
from edge_agent.uplink.spool_file import SpoolFile
from edge_agent.uplink.spool_lost import StoredGap
from pilewise.v1 import edge_service_pb2 as edge

_END: Final = 1 << 62
# Acks name at most 16 later runs. Near that, history goes first until the holes have closed.
MAX_LATER_RUNS: Final = 14
GAP_LOOK_S: Final = 5.0
# Where so many records wait, so many of the newest go up before the others.
MUCH_RECORDS: Final = 2_000
NEWEST_RECORDS: Final = 200
# Gaps in one batch, at most.
MAX_GAPS: Final = 64


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch closes: records, bytes of spool rows, or seconds since its first record."""

    records: int = 200
    row_bytes: int = 64 * 1024
    linger_s: float = 0.5


@dataclass(slots=True)
class _Flying:
    spool_id: str
    runs: Runs
    sent_s: float


class Lanes:
    """What of the spool still has to go over one stream.

    `limits` may be changed between batches. `credit` is how many batches may fly without an ack.
    """

    def __init__(self, spool: Spool, limits: BatchLimits) -> None:
        self._spool = spool
        self.limits = limits
        self.credit = 1
        self._flying: list[_Flying] = []
        self._told_gaps: set[tuple[str, int, int]] = set()
        self._generation = spool.generation
        self._history = 0
        self._boundary = 0
        self._begun = 0
        self._live = 0
        self._live_since_s: float | None = None
        self._history_first = False
        self._look_for_gaps_s = 0.0

    async def begin(self, stored: Runs, credit: int) -> bool:
        """Squares the spool with what the coordinator has; False where a new spool was begun."""

        def square(file: SpoolFile) -> tuple[bool, int, int]:
            before = file.spool_id
            file.reconcile(stored)
            current, following = file.numbers.current, file.next_record_seq
            newest = NEWEST_RECORDS if file.numbers.depth() >= MUCH_RECORDS else 0
            start = current.position(max(1, following - newest))
            return file.spool_id == before, start, current.position(following)

        self._generation = self._spool.generation
        same, self._boundary, self._begun = await self._spool.call(square)
        self._live = self._boundary
        self._history_first = len(stored) > MAX_LATER_RUNS
        self.credit = max(1, credit)
        return same

    async def take(self, now_s: float) -> edge.ReportBatch | None:
        """The next batch that may leave now, counted as flying; None where there is none."""
        if self._generation != self._spool.generation:
            raise SpoolError("the spool moved between disk and memory: a fresh hello is due")
        if len(self._flying) >= self.credit:
            return None
        gaps = await self._take_gaps(now_s)
        if gaps is not None:
            return gaps
        if self._history_first:
            return await self._take_history(now_s) or await self._take_live(now_s)
        return await self._take_live(now_s) or await self._take_history(now_s)

    def patience_s(self, now_s: float) -> float | None:
        """Seconds until lingering live records have to leave; None where nothing lingers."""
        if self._live_since_s is None or len(self._flying) >= self.credit:
            return None
        return max(0.0, self._live_since_s + self.limits.linger_s - now_s)

    async def settle(self, spool_id: str, stored: Runs, credit: int) -> int:
        """Takes an ack; gives back how many numbers became settled."""
        self.credit = max(1, credit) if credit else self.credit
        self._flying = [
            batch
            for batch in self._flying
            if batch.spool_id != spool_id or not all(covers(stored, *run) for run in batch.runs)
        ]
        return await self._spool.call(lambda file: file.settle(spool_id, stored))

    def oldest_flight_s(self, now_s: float) -> float:
        """Seconds that the oldest batch has waited for its ack; 0 where none flies."""
        return max((now_s - batch.sent_s for batch in self._flying), default=0.0)

    async def _take_gaps(self, now_s: float) -> edge.ReportBatch | None:
        # Gaps are rare: on connecting, and a look now and then.
        if now_s < self._look_for_gaps_s:
            return None
        behind, beyond = self._history, self._boundary
        gaps = await self._spool.call(lambda file: file.gaps(200, behind, beyond))
        fresh = [gap for gap in gaps if _name(gap) not in self._told_gaps]
        if not fresh:
            self._look_for_gaps_s = now_s + GAP_LOOK_S
            return None
        some = [gap for gap in fresh if gap.spool_id == fresh[0].spool_id]
        return self._tell(some, now_s)

    def _tell(self, gaps: list[StoredGap], now_s: float) -> edge.ReportBatch:
        """A batch of gaps of one spool, counted as flying."""
        self._told_gaps.update(map(_name, gaps))
        runs = normalise((gap.first, gap.last) for gap in gaps)
        self._flying.append(_Flying(gaps[0].spool_id, runs, now_s))
        return to_gap_batches(gaps)[0]

    async def _take_live(self, now_s: float) -> edge.ReportBatch | None:
        waiting = max(self._spool.committed_through + 1, self._begun) - self._live
        if waiting <= 0:
            self._live_since_s = None
            return None
        if self._live_since_s is None:
            self._live_since_s = now_s
        due = (
            waiting >= self.limits.records
            or self._live < self._begun
            or self._spool.urgent_through >= self._live
            or now_s - self._live_since_s >= self.limits.linger_s
        )
        if not due:
            return None
        run = await self._read(self._live, _END)
        if run is None:
            self._live_since_s = None
            return None
        self._live = run.position + len(run.records)
        self._live_since_s = None
        return self._fly(run, now_s)

    async def _take_history(self, now_s: float) -> edge.ReportBatch | None:
        if self._history >= self._boundary:
            return None
        start, before, limits = self._history, self._boundary, self.limits

        def look(file: SpoolFile) -> tuple[StoredRun | None, list[StoredGap]]:
            run = file.read_run(start, before, limits.records, limits.row_bytes)
            until = before if run is None else run.position
            return run, file.gaps(MAX_GAPS, until, start=start)

        run, gaps = await self._spool.call(look)
        if gaps:
            # What was lost before the next record goes first.
            some = [gap for gap in gaps if gap.spool_id == gaps[0].spool_id]
            self._history = some[-1].position + some[-1].last - some[-1].first + 1
            return self._tell(some, now_s)
        if run is None:
            self._history = self._boundary
            return None
        self._history = run.position + len(run.records)
        return self._fly(run, now_s)

    async def _read(self, start: int, before: int) -> StoredRun | None:
        limits = self.limits
        return await self._spool.call(
            lambda file: file.read_run(start, before, limits.records, limits.row_bytes)
        )

    def _fly(self, run: StoredRun, now_s: float) -> edge.ReportBatch:
        numbers: Run = (run.first_record_seq, run.first_record_seq + len(run.records) - 1)
        self._flying.append(_Flying(run.spool_id, (numbers,), now_s))
        return to_batch(run.spool_id, run.first_record_seq, run.records)


def _name(gap: StoredGap) -> tuple[str, int, int]:
    # A gap that has grown is told again.
    return gap.spool_id, gap.first, gap.last
