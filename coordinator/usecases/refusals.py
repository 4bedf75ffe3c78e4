"""Refusals that protect a district from its callers: too much, too late, too slow.

Other errors, and what they have in common, are in `coordinator/errors.py`.
"""

from __future__ import annotations

from coordinator.errors import FieldInvalid, Overloaded, Permanent, Retryable


class MessageUnfit(FieldInvalid):
    """Bytes that are no message of the contract, or one beyond its limits."""


class MessageTooLarge(Permanent):
    """A message has more bytes than its service takes."""

    code = "DATA-011"
    hint = "send less at once"

    def __init__(self, what: str, size: int, most: int) -> None:
        super().__init__(f"{what} has {size} bytes, at most {most}")
        self.size = size


class DeadlinePassed(Retryable):
    """Nobody waits for the answer any more, so the work was not done."""

    code = "LOAD-002"

    def __init__(self, why: str = "no answer in time") -> None:
        super().__init__(why)


class WaitTooLong(Overloaded):
    """A request would be answered too late to be of use."""

    def __init__(self, wait_s: float, most_s: float, again_s: float) -> None:
        Retryable.__init__(self, f"requests wait {wait_s:.1f} s, at most {most_s:g} s")
        self.retry_after_s = again_s


class Crowded(Overloaded):
    """An address has more connections open than it may have."""

    def __init__(self, count: int, most: int, again_s: float) -> None:
        text = f"connections of this address: {count} open, at most {most}"
        Retryable.__init__(self, text)
        self.retry_after_s = again_s


class ReaderTooSlow(Retryable):
    """Whoever opened a stream does not read it; it is cut so that nothing piles up."""

    code = "LOAD-003"
    hint = "open it again, and read what comes"

    def __init__(self, write_s: float) -> None:
        super().__init__(f"a message of this stream was not taken within {write_s:g} s")


class GoingDown(Retryable):
    """The coordinator ends; calls that it has taken are answered, new ones are not taken."""

    code = "LOAD-004"
    retry_after_s = 5.0

    def __init__(self) -> None:
        super().__init__("the coordinator is going down")


class DistrictAway(Retryable):
    """A district of the city does not answer; what it has promised stands in its own ledger."""

    code = "CITY-001"
    hint = "try again; pilewise coordinator districts shows which are away, and why"

    def __init__(self, district: str, why: str) -> None:
        super().__init__(f"district {district} does not answer: {why}")
        self.district = district
