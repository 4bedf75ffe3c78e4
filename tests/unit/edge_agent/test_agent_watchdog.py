"""What systemd hears of the agent, over a real datagram socket."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from notify_socket import Systemd

from edge_agent.host_notify import ServiceNotify, from_environment
from edge_agent.pulse import Pulse
from edge_agent.uplink.spool import Spool


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "abstract":
        return f"@pilewise-test-{uuid.uuid4()}"
    return str(tmp_path / "notify.sock")


@pytest.fixture
def systemd(address: str) -> Iterator[Systemd]:
    made = Systemd(address)
    yield made
    made.close()


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(tmp_path / "data", lambda: str(uuid.uuid4()))
    await made.start()
    yield made
    await made.close()


def test_messages_are_those_of_the_protocol(address: str, systemd: Systemd) -> None:
    """Ready, alive and stopping are said in systemd's words, each with a status."""
    notify = ServiceNotify(address, 3.0)

    notify.ready("all well")
    notify.alive("still well")
    notify.stopping()
    notify.stopping(anew=True)

    assert systemd.heard() == [
        "READY=1\nSTATUS=all well",
        "WATCHDOG=1\nSTATUS=still well",
        "STOPPING=1\nSTATUS=stopping",
        "RELOADING=1\nSTATUS=starting anew",
    ]


def test_nothing_is_said_where_nobody_listens(tmp_path: Path) -> None:
    """Without systemd, or after its socket vanished, telling it does nothing and harms nothing."""
    ServiceNotify().ready("x")
    ServiceNotify(str(tmp_path / "gone.sock")).ready("x")

    assert from_environment({}, 7).feed_every_s is None
    assert from_environment({"WATCHDOG_USEC": "0"}, 7).feed_every_s is None


@pytest.mark.slow
async def test_E15_watchdog_is_fed_only_while_the_spool_thread_moves(
    address: str, systemd: Systemd, spool: Spool
) -> None:
    """A spool thread that hangs starves the watchdog; it is fed again once the thread goes on."""
    pulse = Pulse(ServiceNotify(address, 0.3), spool, lambda: "well")
    task = asyncio.create_task(pulse.run(), name="test:pulse")
    assert await systemd.next("WATCHDOG=1") == "WATCHDOG=1\nSTATUS=well"

    release = threading.Event()
    hanging = asyncio.create_task(spool.call(lambda file: release.wait(20)), name="test:hang")
    await asyncio.sleep(0.15)  # a sign of life may have been on its way
    systemd.heard()
    with pytest.raises(TimeoutError):
        await systemd.next("WATCHDOG=1", within_s=0.6)
    release.set()
    await hanging

    await systemd.next("WATCHDOG=1")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.slow
async def test_E15_blocked_loop_feeds_nobody_and_shows_as_lag(tmp_path: Path, spool: Spool) -> None:
    """While the event loop is blocked nothing is said, and afterwards the delay is known."""
    systemd = Systemd(str(tmp_path / "s.sock"))
    pulse = Pulse(ServiceNotify(str(tmp_path / "s.sock"), 0.3), spool, lambda: "well")
    task = asyncio.create_task(pulse.run(), name="test:pulse")
    await systemd.next("WATCHDOG=1")
    systemd.heard()

    time.sleep(0.7)  # noqa: ASYNC251 - the fault itself
    while_blocked = systemd.heard()
    await systemd.next("WATCHDOG=1")

    assert while_blocked == []
    assert pulse.lag_s > 0.5
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    systemd.close()
