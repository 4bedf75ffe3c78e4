"""A second bundle scores what the first one scored, later, in a thread of its own.

On the way of an answer only a reference is put aside, and not even that while many are waiting.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import structlog
from numpy.typing import NDArray

from coordinator.core.ports import ModelUnavailable
from coordinator.models.bundle import Bundle
from coordinator.models.comparison import Comparison
from coordinator.models.kept import write_file

log = structlog.get_logger()

Array = NDArray[Any]

# Runs that may wait; more are left out.
WAITING = 64
# How often the thread looks for some, and how often it writes down what it found.
LOOK_S = 0.05
WRITE_S = 10.0
_END_S = 1.0
_NICE = 10


class Record(msgspec.Struct):
    """Two bundles, by the hashes of their manifests, and how their parts differ."""

    active: str = ""
    shadow: str = ""
    since_s: float = 0.0
    parts: dict[str, Comparison] = msgspec.field(default_factory=dict)


class Shadow:
    """Compares pairs of bundles, one pair at a time; used by the event loop only."""

    def __init__(self, path: Path, system_s: Callable[[], float]) -> None:
        self._path = path
        self._system_s = system_s
        self._pair: _Pair | None = None

    def follow(self, active: Bundle | None, shadow: Bundle | None) -> None:
        """Compares these two from now on; a pair that was compared before goes on where it was."""
        if self._pair is not None:
            self._pair.end()
            self._pair = None
        if active is None or shadow is None:
            return
        both = active.manifest_sha256, shadow.manifest_sha256
        record = self._read()
        if (record.active, record.shadow) != both:
            record = Record(*both, self._system_s())
        shared = [name for name in active.sessions if name in shadow.sessions]
        record.parts = {name: record.parts.get(name, Comparison()) for name in shared}
        self._pair = _Pair(active, shadow, record, self._path)

    def snapshot(self) -> Record:
        """What was found of the present pair so far."""
        return self._pair.snapshot() if self._pair is not None else Record()

    def close(self) -> None:
        """Ends the comparison, and waits a moment until what was found is kept."""
        if self._pair is not None:
            self._pair.end()
            self._pair.thread.join(_END_S)
            self._pair = None

    def _read(self) -> Record:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(self._path.read_bytes(), type=Record)
        return Record()


class _Pair:
    """Two bundles and the thread that scores with the second what the first scored."""

    def __init__(self, active: Bundle, shadow: Bundle, record: Record, path: Path) -> None:
        self._active = active
        self._shadow = shadow
        self._record = record
        self._path = path
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._waiting: deque[tuple[str, Mapping[str, Array], Array, float]] = deque()
        for name in record.parts:
            active.sessions[name].tap = self._tap(name)
        self.thread = threading.Thread(
            target=self._run, name="coordinator:model-shadow", daemon=True
        )
        self.thread.start()

    def snapshot(self) -> Record:
        """The record as it is, safe from the thread."""
        with self._lock:
            return msgspec.json.decode(msgspec.json.encode(self._record), type=Record)

    def end(self) -> None:
        """Nothing is put aside any more; the thread writes what it found, and ends soon."""
        for name in self._record.parts:
            self._active.sessions[name].tap = None
        self._stop.set()

    def _tap(self, name: str) -> Callable[[Mapping[str, Array], list[Array], float], None]:
        waiting, comparison = self._waiting, self._record.parts[name]

        def tap(feed: Mapping[str, Array], outputs: list[Array], took_s: float) -> None:
            if len(waiting) < WAITING:
                waiting.append((name, feed, outputs[0], took_s))
            else:
                comparison.dropped += 1

        return tap

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            # Where threads have a priority of their own: cars go first.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        written_s = perf_counter()
        while not self._stop.wait(LOOK_S):
            while self._waiting and not self._stop.is_set():
                self._score(*self._waiting.popleft())
            if perf_counter() - written_s > WRITE_S:
                self._write()
                written_s = perf_counter()
        self._write()

    def _score(self, name: str, feed: Mapping[str, Array], active: Array, active_s: float) -> None:
        comparison = self._record.parts[name]
        started_s = perf_counter()
        try:
            scores = self._shadow.sessions[name].finite(feed)
        except ModelUnavailable:
            comparison.failed += 1
            return
        with self._lock:
            comparison.add(feed, active, scores, active_s, perf_counter() - started_s)

    def _write(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self._path, msgspec.json.encode(self.snapshot()))
        except OSError as error:
            log.warning("comparison not written", path=str(self._path), why=error.strerror)
