"""What every test starts from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# A machine under load draws examples slowly; that says nothing about the code.
settings.register_profile("pilewise", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pilewise")


@pytest.fixture(autouse=True, scope="session")
def _logs_stay_with_their_process() -> Iterator[None]:
    """Keeps a `main()` that a test calls from tying the log to that test's captured stderr.

    The stream is closed after the test, and every later log line of this process would then raise.
    """
    patch = pytest.MonkeyPatch()
    patch.setattr(structlog, "configure", lambda **settings: None)
    yield
    patch.undo()
