"""Store-and-forward for the event loop: a writer thread that commits in groups.

Nothing here touches the disk on the event loop. Records are durable before the reporter sees them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

import structlog

from edge_agent.core.reading import Record
from edge_agent.core.reporting import expendable
from edge_agent.errors import SpoolError, SpoolVolatile
from edge_agent.uplink.memory import carry
from edge_agent.uplink.spool_disk import SpoolDisk
from edge_agent.uplink.spool_file import SpoolFile
from edge_agent.uplink.spool_lost import Dropped, merged
from edge_agent.uplink.spool_schema import IdSource, lay_ballast

T = TypeVar("T")
log: Final = structlog.get_logger("edge_agent.spool")

# Telemetry waits this long for company, so that 64 piles do not cost 64 fsyncs a second.
LINGER_S: Final = 0.2
# Records that may wait for a disk that does not answer; beyond, measurements are given up.
BACKLOG_RECORDS: Final = 20_000
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

    def __init__(self, folder: Path, new_id: IdSource, max_bytes: int = 0) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._disk: SpoolDisk | None = None
        self._guard: TextIO | None = None
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
        try:
            self._guard = (self._folder / "agent.lock").open("w")
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Nobody writes there, so nobody has to be kept away.
            if error.errno not in (errno.EROFS, errno.ENOSPC):
                raise
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
        if self._guard is not None:
            self._guard.close()

    @property
    def generation(self) -> int:
        """Changes when the spool moves between disk and memory: old positions mean nothing then."""
        return self._disk.generation if self._disk is not None else 0

    @property
    def thinned(self) -> int:
        """Records given up because the room for them ended."""
        return self._disk.thinned if self._disk is not None else 0

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
        kept = [record for record in self._buffer if not expendable(record)]
        lost = [record.observed_at_ms for record in self._buffer if expendable(record)]
        self._buffer = kept
        if not lost:
            return
        self.dropped += len(lost)
        with self._lock:
            self._dropped = merged(self._dropped, Dropped(len(lost), min(lost), max(lost)))

    # -- writer thread ---------------------------------------------------------------------------

    def _run(self, opened: asyncio.Future[None]) -> None:
        try:
            self._disk = disk = SpoolDisk(self._folder, self._new_id, self._max_bytes)
        except Exception as error:  # noqa: BLE001 - the thread's top: handed to `start`
            self._tell(opened, error=error)
            return
        self.failing = disk.trouble
        self._tell(opened)
        held: list[_Append] = []
        while True:
            jobs = self._drain(RETRY_S if held or disk.file.volatile else None)
            if disk.come_back():
                self._tell_committed(disk, 0, urgent=True)
            appends = held + [job for job in jobs if isinstance(job, _Append)]
            held = self._append(disk, appends) if appends else held
            for job in jobs:
                if isinstance(job, _Call):
                    self._answer(job, disk)
            if None in jobs:
                with contextlib.suppress(Exception):
                    disk.file.close()
                return

    def _drain(self, timeout_s: float | None) -> list[_Append | _Call | None]:
        jobs: list[_Append | _Call | None] = []
        with contextlib.suppress(queue.Empty):
            jobs.append(self._jobs.get(timeout=timeout_s))
            # A call stands between the appends before and after it.
            while isinstance(jobs[-1], _Append):
                jobs.append(self._jobs.get_nowait())
        return jobs

    def _append(self, disk: SpoolDisk, appends: list[_Append]) -> list[_Append]:
        """Commits the appends as one group; gives back those that have to be tried again."""
        if disk.file.volatile:
            appends = self._only_offered(appends, SpoolVolatile(disk.trouble))
        records = [record for job in appends for record in job.records]
        with self._lock:
            dropped, self._dropped = self._dropped, None
        try:
            disk.with_room(lambda f: f.append(records, dropped, lambda c: carry(c, records)))
        except SpoolError as error:
            with self._lock:
                self._dropped = merged(dropped, self._dropped)
            # What somebody waited for was refused and will come again; telemetry is kept here.
            held = self._only_offered(appends, error)
            disk.mend(error)
            return held
        except Exception as error:  # noqa: BLE001 - one bad record must not end the thread
            self._give_up(appends, dropped, error)
            return []
        for done in [job.done for job in appends if job.done is not None]:
            self._tell(done)
        self._tell_committed(disk, len(records), any(record.urgent for record in records))
        if self.failing and not disk.file.volatile:
            lay_ballast(self._folder)
        return []

    def _only_offered(self, appends: list[_Append], error: SpoolError) -> list[_Append]:
        """The appends that nobody waits for; the others are refused."""
        for job in appends:
            if job.done is not None:
                self._tell(job.done, error=error)
        refused = sum(len(job.records) for job in appends if job.done is not None)
        with contextlib.suppress(RuntimeError):  # the loop is already closed
            self._loop.call_soon_threadsafe(self._failed, str(error), refused)
        return [job for job in appends if job.done is None]

    def _give_up(self, appends: list[_Append], dropped: Dropped | None, error: Exception) -> None:
        count = sum(len(job.records) for job in appends)
        with self._lock:
            self._dropped = merged(merged(dropped, self._dropped), Dropped(count, 0, 0))
        for job in appends:
            if job.done is not None:
                self._tell(job.done, error=SpoolError(str(error)))
        log.error("records could not be written", count=count, error=repr(error))
        self._loop.call_soon_threadsafe(self._failed, repr(error), count)

    def _answer(self, job: _Call, disk: SpoolDisk) -> None:
        before = disk.file.next_record_seq
        try:
            result = disk.with_room(job.work)
        except Exception as error:  # noqa: BLE001 - handed to the caller
            self._tell(job.done, error=error)
            disk.mend(error)
        else:
            self._tell(job.done, result)
            if disk.file.next_record_seq > before:
                self._tell_committed(disk, 0, urgent=True)

    def _tell_committed(self, disk: SpoolDisk, count: int, urgent: bool) -> None:
        file = disk.file
        position = file.numbers.current.position(file.next_record_seq - 1)
        trouble = disk.trouble
        with contextlib.suppress(RuntimeError):  # the loop is already closed
            self._loop.call_soon_threadsafe(self._succeeded, position, count, urgent, trouble)

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

    def _succeeded(self, position: int, count: int, urgent: bool, trouble: str) -> None:
        if self.failing and not trouble:
            log.info("spool writes again")
        self.failing = trouble
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
