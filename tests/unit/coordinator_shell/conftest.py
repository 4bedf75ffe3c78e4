"""Fixtures of the shell's unit tests: both telemetry engines, wired ingest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from wired_ingest import WiredIngest

from coordinator.store.memory import MemoryTelemetry
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.usecases.telemetry import TelemetryStore

Opener = Callable[[], TelemetryStore]


@pytest.fixture(params=["memory", "sqlite"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens the store; a second call after `close` opens what the first one left."""
    opened: list[TelemetryStore] = []
    memory = MemoryTelemetry()

    def open_one() -> TelemetryStore:
        if request.param == "memory":
            memory.reopen()
            store: TelemetryStore = memory
        else:
            store = SqliteTelemetry(tmp_path)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
async def ingest(open_store: Opener) -> AsyncIterator[WiredIngest]:
    """A running ingest over each engine."""
    wired = WiredIngest(open_store)
    await wired.start()
    yield wired
    await wired.stop()
