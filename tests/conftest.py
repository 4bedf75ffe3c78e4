"""What every test starts from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from pilewise.patience import QUIET

# A machine under load draws examples slowly; that says nothing about the code.
settings.register_profile("pilewise", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pilewise")


# Whole rooms on real sockets and clocks, several at once on however few cores there are.
HERE = Path(__file__).parent
LIVING = (HERE / "contract", HERE / "flows")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of living rooms that failed is tried once more, and the summary names it (RERUN).

    One that fails twice has failed. Where nothing depends on time, there is no second try.
    """
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in LIVING):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(autouse=True)
def _quiet_ends_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command with -q tells the room that it becomes by the environment of this process."""
    monkeypatch.delenv(QUIET, raising=False)


@pytest.fixture(autouse=True, scope="session")
def _logs_stay_with_their_process() -> Iterator[None]:
    """Keeps a `main()` that a test calls from tying the log to that test's captured stderr.

    The stream is closed after the test, and every later log line of this process would then raise.
    """
    patch = pytest.MonkeyPatch()
    patch.setattr(structlog, "configure", lambda **settings: None)
    yield
    patch.undo()
