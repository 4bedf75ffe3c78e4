"""Store-and-forward for the event loop: a writer thread that commits in groups.

Nothing here touches the disk on the event loop. Records are durable before the reporter sees them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from edge_agent.core.reading import Record, RecordKind
from edge_agent.errors import SpoolBroken, SpoolError, SpoolFull
from edge_agent.uplink.memory import carry
from edge_agent.uplink.spool_file import DISK_FULL, Dropped, SpoolFile, merged
from edge_agent.uplink.spool_schema import IdSource, drop_ballast, lay_ballast

T = TypeVar("T")
log: Final = structlog.get_logger("edge_agent.spool")

# Telemetry waits this long for company, so that 64 piles do not cost 64 fsyncs a second.
LINGER_S: Final = 0.2
# Records that may wait for a disk that does not answer; beyond, measurements are given up.
BACKLOG_RECORDS: Final = 20_000
THIN_RECORDS: Final = 5_000
RETRY_S: Final = 1.0


@dataclass(slots=True)
class _Append:
    records: list[Record]
    done: asyncio.Future[None] | None


@dataclass(slots=True)
class _Call:
    work: Callable[[SpoolFile], Any]
    done: asyncio.Future[Any]


class Spool:
    """The agent's spool: `offer` telemetry, `commit` what must be durable, `call` for the rest.

    `news` is set after each commit; `committed_through` is the position of the newest record,
    `urgent_through` that of the newest one that closes its batch at once. `failing` is the present
    trouble with the disk, or "".
    """

    def __init__(self, folder: Path, new_id: IdSource) -> None:
        self._folder = folder
        self._new_id = new_id
        self._jobs: queue.SimpleQueue[_Append | _Call | None] = queue.SimpleQueue()
        self._buffer: list[Record] = []
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = 0
        self._dropped: Dropped | None = None
        self._lock = threading.Lock()
        self.news = asyncio.Event()
        self.committed_through = 0
        self.urgent_through = 0
        self.committed = 0
        self.dropped = 0
        self.failing = ""

    async def start(self) -> None:
        """Opens the spool; raises `SpoolError`, or OSError where another agent uses the folder."""
        self._loop = asyncio.get_running_loop()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._guard = (self._folder / "agent.lock").open("w")
        fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(opened,), name="edge_agent:spool", daemon=True
        )
        self._thread.start()
        await opened

    async def close(self) -> None:
        """Commits what waits and closes the file."""
        self._flush()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, 10.0)
        self._guard.close()

    def offer(self, records: Sequence[Record]) -> None:
        """Takes records to be committed soon: at once if one is urgent, else within 0.2 s."""
        if not records:
            return
        self._buffer.extend(records)
        if self._waiting + len(self._buffer) > BACKLOG_RECORDS:
            self._give_up_measurements()
        if any(record.urgent for record in records):
            self._arm(0.0)
        else:
            self._arm(LINGER_S)

    async def commit(self, records: Sequence[Record]) -> None:
        """Returns when the records are durable; raises `SpoolError` where they are not."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._flush()
        self._put(_Append(list(records), done))
        await done

    async def call(self, work: Callable[[SpoolFile], T]) -> T:
        """What `work` gives back on the spool's own thread, after everything put before it."""
        self._flush()
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Call(work, done))
        return await done

    def _arm(self, delay_s: float) -> None:
        if self._timer is not None:
            if delay_s >= self._timer.when() - self._loop.time():
                return
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._buffer:
            self._put(_Append(self._buffer, None))
            self._buffer = []

    def _put(self, job: _Append) -> None:
        self._waiting += len(job.records)
        self._jobs.put(job)

    def _give_up_measurements(self) -> None:
        kept = [record for record in self._buffer if record.kind is not RecordKind.METER]
        lost = [record.observed_at_ms for record in self._buffer if record.kind is RecordKind.METER]
        self._buffer = kept
        if not lost:
            return
        self.dropped += len(lost)
        with self._lock:
            self._dropped = merged(self._dropped, Dropped(len(lost), min(lost), max(lost)))

    # -- writer thread ---------------------------------------------------------------------------

    def _run(self, opened: asyncio.Future[None]) -> None:
        try:
            file = SpoolFile(self._folder, self._new_id)
            lay_ballast(self._folder)
        except Exception as error:  # noqa: BLE001 - the thread's top: handed to `start`
            self._tell(opened, error=error)
            return
        self._tell(opened)
        held: list[_Append] = []
        while True:
            jobs = self._drain(RETRY_S if held else None)
            appends = held + [job for job in jobs if isinstance(job, _Append)]
            file, held = self._append(file, appends) if appends else (file, held)
            for job in jobs:
                if isinstance(job, _Call):
                    self._answer(job, file)
            if None in jobs:
                with contextlib.suppress(Exception):
                    file.close()
                return

    def _drain(self, timeout_s: float | None) -> list[_Append | _Call | None]:
        jobs: list[_Append | _Call | None] = []
        with contextlib.suppress(queue.Empty):
            jobs.append(self._jobs.get(timeout=timeout_s))
            # A call stands between the appends before and after it.
            while isinstance(jobs[-1], _Append):
                jobs.append(self._jobs.get_nowait())
        return jobs

    def _append(self, file: SpoolFile, appends: list[_Append]) -> tuple[SpoolFile, list[_Append]]:
        """Commits the appends as one group; gives back those that have to be tried again."""
        records = [record for job in appends for record in job.records]
        with self._lock:
            dropped, self._dropped = self._dropped, None
        try:
            self._with_room(file, lambda f: f.append(records, dropped, lambda c: carry(c, records)))
        except SpoolError as error:
            with self._lock:
                self._dropped = merged(dropped, self._dropped)
            for job in appends:
                if job.done is not None:
                    self._tell(job.done, error=error)
            # What somebody waited for was refused and will come again; telemetry is kept here.
            held = [job for job in appends if job.done is None]
            refused = sum(len(job.records) for job in appends if job.done is not None)
            self._loop.call_soon_threadsafe(self._failed, str(error), refused)
            return self._reopened(file, error), held
        except Exception as error:  # noqa: BLE001 - one bad record must not end the thread
            self._give_up(appends, dropped, error)
            return file, []
        for job in appends:
            if job.done is not None:
                self._tell(job.done)
        urgent = any(record.urgent for record in records)
        self._tell_committed(file, len(records), urgent)
        if self.failing:
            lay_ballast(self._folder)
        return file, []

    def _give_up(self, appends: list[_Append], dropped: Dropped | None, error: Exception) -> None:
        count = sum(len(job.records) for job in appends)
        with self._lock:
            self._dropped = merged(merged(dropped, self._dropped), Dropped(count, 0, 0))
        for job in appends:
            if job.done is not None:
                self._tell(job.done, error=SpoolError(str(error)))
        log.error("records could not be written", count=count, error=repr(error))
        self._loop.call_soon_threadsafe(self._failed, repr(error), count)

    def _with_room(self, file: SpoolFile, work: Callable[[SpoolFile], T]) -> T:
        """What `work` gives back, tried again after making room where the disk is full."""
        try:
            return work(file)
        except SpoolFull:
            # Deleting needs room as well: the ballast gives it.
            drop_ballast(self._folder)
            file.thin(THIN_RECORDS, DISK_FULL)
            return work(file)

    def _reopened(self, file: SpoolFile, error: SpoolError) -> SpoolFile:
        """The file opened anew after an I/O error: what its connection believes is not durable."""
        if not isinstance(error, SpoolBroken):
            return file
        with contextlib.suppress(Exception):
            file.connection.close()
        try:
            return SpoolFile(self._folder, self._new_id)
        except Exception:  # noqa: BLE001 - tried again with the next append
            return file

    def _answer(self, job: _Call, file: SpoolFile) -> None:
        before = file.next_record_seq
        try:
            result = self._with_room(file, job.work)
        except Exception as error:  # noqa: BLE001 - handed to the caller
            self._tell(job.done, error=error)
        else:
            self._tell(job.done, result)
            if file.next_record_seq > before:
                self._tell_committed(file, 0, urgent=True)

    def _tell_committed(self, file: SpoolFile, count: int, urgent: bool) -> None:
        position = file.numbers.current.position(file.next_record_seq - 1)
        with contextlib.suppress(RuntimeError):  # the loop is already closed
            self._loop.call_soon_threadsafe(self._succeeded, position, count, urgent)

    def _tell(
        self, done: asyncio.Future[Any], result: Any = None, error: Exception | None = None
    ) -> None:
        def settle() -> None:
            if done.done():
                return
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)

        with contextlib.suppress(RuntimeError):  # the loop is already closed
            self._loop.call_soon_threadsafe(settle)

    # -- event loop ------------------------------------------------------------------------------

    def _succeeded(self, position: int, count: int, urgent: bool) -> None:
        if self.failing:
            log.info("spool writes again")
        self.failing = ""
        self._waiting -= count
        self.committed += count
        self.committed_through = position
        if urgent:
            self.urgent_through = position
        self.news.set()

    def _failed(self, error: str, refused: int) -> None:
        self._waiting -= refused
        if not self.failing:
            log.error("spool cannot write", error=error, waiting=self._waiting)
        self.failing = error
