"""Ends runs of models that take too long: one thread watches, and sleeps while nothing runs.

What becomes of a model that was ended is decided in `onnx.py`.
"""

from __future__ import annotations

import threading
import time
import weakref

import onnxruntime

# How often the thread looks. A run is ended at most so long after its budget.
TICK_S = 0.02
# Without a run for so long, the thread sleeps until the next one.
QUIET_S = 1.0


class Deadline:
    """The budget of one model's runs; `options` goes into each run and is the handle to end it."""

    __slots__ = ("__weakref__", "budget_s", "options", "running", "started_s")

    def __init__(self, budget_s: float) -> None:
        self.budget_s = budget_s
        self.options = onnxruntime.RunOptions()
        self.running = False
        self.started_s = 0.0
        WATCH.add(self)

    def begin(self, started_s: float) -> None:
        """A run starts at this reading of `time.perf_counter`."""
        self.started_s = started_s
        self.running = True
        if WATCH.asleep:
            WATCH.wake()

    def again(self) -> None:
        """Lets runs begin anew after one was ended."""
        self.options.terminate = False


class _Watch:
    """The thread and what it looks at."""

    def __init__(self) -> None:
        self.asleep = True
        self._deadlines: weakref.WeakSet[Deadline] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        """Watches this one too."""
        with self._lock:
            self._deadlines.add(deadline)

    def wake(self) -> None:
        """Something runs."""
        with self._lock:
            self.asleep = False
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="coordinator:model-watch", daemon=True
                )
                self._thread.start()
            self._news.set()

    def _run(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            while self._look():
                time.sleep(TICK_S)

    def _look(self) -> bool:
        """Ends what is late; gives whether something ran lately."""
        now_s = time.perf_counter()
        with self._lock:
            newest_s = 0.0
            for deadline in self._deadlines:
                newest_s = max(newest_s, deadline.started_s)
                if deadline.running and now_s - deadline.started_s > deadline.budget_s:
                    deadline.options.terminate = True
                    newest_s = now_s
            if now_s - newest_s > QUIET_S:
                # Whoever begins a run from here on sees this, and wakes the thread.
                self.asleep = True
        return not self.asleep


WATCH = _Watch()
