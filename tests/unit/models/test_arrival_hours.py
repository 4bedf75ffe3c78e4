"""The arrival model is made ready for the hours to come before anybody asks."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from coordinator.core.ports import Approach, ModelUnavailable
from coordinator.jobs.arrival_hours import ArrivalHours
from coordinator.models.arrival_table import COLUMNS, ArrivalTable

NOON_S = 1_795_000_000.0 - 1_795_000_000.0 % 86_400.0 + 12 * 3600.0


@dataclass
class Clock:
    """A clock that stands still."""

    speed: float = 1.0

    def now_s(self) -> float:
        return NOON_S


class Prepared:
    """An arrival model that keeps what it was prepared for, and where."""

    def __init__(self, why: str = "") -> None:
        self.why, self.hours, self.threads = why, [], set()  # type: ignore[var-annotated]

    def chances(self, seen: Approach) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def prepare(self, hour: float) -> None:
        self.hours.append(hour)
        self.threads.add(threading.get_ident())
        if self.why:
            raise ModelUnavailable("arrival", self.why)


def hours(model: object, speed: float = 1.0) -> ArrivalHours:
    return ArrivalHours(lambda: model, lambda: 8.0, Clock(speed))  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(("speed", "ready"), [(1.0, 2), (60.0, 3), (1e4, 4)])
async def test_half_hours_to_come_are_prepared_off_the_loop(speed: float, ready: int) -> None:
    """This local half-hour and the next, more where domain time is fast, on another thread."""
    model = Prepared()

    await hours(model, speed).prepare()

    assert model.hours == [20.0 + 0.5 * step for step in range(ready)]
    assert threading.get_ident() not in model.threads


async def test_model_that_cannot_be_prepared_stops_nothing() -> None:
    """No model, one without a table, and one that fails leave the loop alive."""
    broken = Prepared("it gave a value that is not finite")
    for model in (None, object(), broken):
        await hours(model).prepare()

    assert len(broken.hours) == 1


async def test_loop_prepares_at_once_and_ends_when_cancelled() -> None:
    """The first half-hours are ready soon after the start."""
    model = Prepared()
    task = asyncio.create_task(hours(model).run())
    async with asyncio.timeout(60):
        while len(model.hours) < 2:
            await asyncio.sleep(0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_prepared_half_hour_is_not_filled_again() -> None:
    """A pass of that half-hour runs the model no more."""
    runs = []

    def model(states: np.ndarray) -> np.ndarray:
        runs.append(len(states))
        return np.stack([1.0 - states[:, 10], states[:, 0]], axis=1).astype(np.float32)

    table = ArrivalTable(model)
    table.prepare(19.9)
    filled = len(runs)
    one = np.ones((1, 1))
    seen = Approach(one.astype(np.int8), one > 0, one, one, one, 20.1 * one, one, np.zeros((1, 1)))
    table.look_up(seen)

    assert COLUMNS[10] == "failure_rate"
    assert filled > 0
    assert len(runs) == filled
