"""Ends runs of models that take too long: one thread watches, and sleeps while nothing runs.

What counts is the processor time of the run: that a machine is busy with something else is no fault
of the model. What becomes of a model that was ended is decided in `onnx.py`.
"""

from __future__ import annotations

import threading
import time
import weakref

import onnxruntime

# How often the thread looks: each look takes the interpreter from who answers. A run is ended at
# most so long after its budget.
TICK_S = 0.1
# Without a run for so long, the thread sleeps until the next one.
QUIET_S = 1.0
# By the clock on the wall a run may take so many budgets; then it is ended all the same.
MOST_WALL = 5.0


class Deadline:
    """The budget of one model's runs; `options` goes into each run and is the handle to end it."""

    __slots__ = (
        "__weakref__", "_cpu_clock", "_cpu_started_s", "budget_s", "options", "running",
        "started_s",
    )  # fmt: skip

    def __init__(self, budget_s: float) -> None:
        self.budget_s = budget_s
        self.options = onnxruntime.RunOptions()
        self.running = False
        self.started_s = 0.0
        self._cpu_clock: int | None = None
        self._cpu_started_s = 0.0
        WATCH.add(self)

    def begin(self, started_s: float) -> None:
        """A run starts at this reading of `time.perf_counter`."""
        self.started_s = started_s
        self._cpu_clock = _clock_of_this_thread()
        self._cpu_started_s = time.thread_time()
        self.running = True
        if WATCH.asleep:
            WATCH.wake()

    def over(self, now_s: float) -> bool:
        """Whether the run that began last has used up its budget at this `time.perf_counter`."""
        wall_s = now_s - self.started_s
        if wall_s <= self.budget_s or self._cpu_clock is None:
            return wall_s > self.budget_s
        try:
            used_s = time.clock_gettime(self._cpu_clock) - self._cpu_started_s
        except OSError:  # the thread is gone, and its run with it
            return False
        return used_s > self.budget_s or wall_s > MOST_WALL * self.budget_s

    def again(self) -> None:
        """Lets runs begin anew after one was ended."""
        self.options.terminate = False


def _clock_of_this_thread() -> int | None:
    """The clock of the processor time of the thread that asks; None where there is none."""
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    return None if clock_of is None else int(clock_of(threading.get_ident()))


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
                if deadline.running and deadline.over(now_s):
                    deadline.options.terminate = True
                    newest_s = now_s
            if now_s - newest_s > QUIET_S:
                # Whoever begins a run from here on sees this, and wakes the thread.
                self.asleep = True
        return not self.asleep


WATCH = _Watch()
