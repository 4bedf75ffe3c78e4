"""Firmware updates and log uploads that only pretend: their statuses come in the right order.

Nothing is fetched and nothing sent; which message carries a status is the version's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from firmware_sim.core.url import url_parts

UPDATE: Final = ("Downloading", "Downloaded", "Installing", "Installed")
SIGNED_UPDATE: Final = (
    "Downloading",
    "Downloaded",
    "SignatureVerified",
    "Installing",
    "InstallRebooting",
    "Installed",
)
UPLOAD: Final = ("Uploading", "Uploaded")
# A place whose host begins so cannot be reached, or gives what cannot be used.
_UNREACHABLE: Final = "unreachable"
_BROKEN: Final = "broken"


def update_steps(location: str, *, signed: bool) -> Sequence[str]:
    """The statuses of an update from there.

    >>> update_steps("ftp://unreachable.example/fw.bin", signed=False)
    ('Downloading', 'DownloadFailed')
    """
    host = url_parts(location).hostname or ""
    steps = SIGNED_UPDATE if signed else UPDATE
    if not host or host.startswith(_UNREACHABLE):
        return ("Downloading", "DownloadFailed")
    if host.startswith(_BROKEN):
        return (*steps[:2], "InvalidSignature" if signed else "InstallationFailed")
    return steps


def upload_steps(location: str, failed: str) -> Sequence[str]:
    """The statuses of an upload to there; `failed` is the version's word for a failure."""
    host = url_parts(location).hostname or ""
    return ("Uploading", failed) if not host or host.startswith(_UNREACHABLE) else UPLOAD


class Job:
    """Something that goes on by itself, step by step; a new one takes the place of the old."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._task: asyncio.Task[None] | None = None
        self.status = "Idle"

    @property
    def is_running(self) -> bool:
        """Whether steps are still to come."""
        return self._task is not None and not self._task.done()

    def begin(
        self, steps: Sequence[str], on_step: Callable[[str], None], wait_s: float = 0
    ) -> None:
        """Goes through the steps, the first after `wait_s` real seconds."""
        self.end()
        self._task = asyncio.create_task(self._run(steps, on_step, wait_s), name="firmware_sim:job")

    def end(self) -> None:
        """Breaks it off."""
        if self._task is not None:
            self._task.cancel()
        self.status = "Idle"

    async def _run(
        self, steps: Sequence[str], on_step: Callable[[str], None], wait_s: float
    ) -> None:
        await asyncio.sleep(wait_s)
        for step in steps:
            self.status = step
            on_step(step)
            await asyncio.sleep(self._step_s)
        self.status = "Idle"
