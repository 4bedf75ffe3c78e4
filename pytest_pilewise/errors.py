"""What can go wrong on a bench, split by what the reader of a report should do.

BenchError
├── BenchRefused    the simulator refuses a request: mend the test
├── DeviceSilent    a real device does not answer: look at cable, address, power
└── RoomFailed      a process did not start or ended: read its log
NotMet              an expectation was not met in time: the thing under test is at fault
"""

from __future__ import annotations


class BenchError(Exception):
    """Base of everything that is wrong with the bench rather than with what stands on it."""


class BenchRefused(BenchError):
    """The simulator refuses a request; carries what was asked and the gRPC code."""

    def __init__(self, method: str, code: str, why: str) -> None:
        self.method = method
        self.code = code
        super().__init__(f"{method} refused ({code}): {why}")


class DeviceSilent(BenchError):
    """A real device does not answer, or not with what its profile needs."""

    def __init__(self, device: str, why: str) -> None:
        self.device = device
        super().__init__(f"{device}: {why}\nhint: check cable, power, --pile-host and --pile-unit")


class RoomFailed(BenchError):
    """A process of the bench ended, or was never ready; carries the end of its log."""

    def __init__(self, room: str, why: str, log: str) -> None:
        self.room = room
        super().__init__(f"{room} {why}\n{log}".rstrip())


class NotMet(AssertionError):
    """What was expected did not come in time; the text says what was seen instead."""
