"""Callers who are turned away: unknown, not allowed, too many at once, or heard before.

What a caller is told never says what was wrong with a token; `why` is for the log. All other errors
are in `errors.py`.
"""

from __future__ import annotations

from coordinator.errors import Permanent, Retryable


class Unauthenticated(Permanent):
    """No proof, or none that is good here; the text is the same whatever was wrong."""

    code = "AUTH-020"
    hint = "send metadata authorization: Bearer TOKEN with a token that is good now"

    def __init__(self, why: str) -> None:
        super().__init__("the call needs a valid token")
        self.why = why


class Forbidden(Permanent):
    """The caller is known, and this is not theirs to do."""

    code = "AUTH-021"

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


class TooOften(Retryable):
    """The caller asks more often than anybody may."""

    code = "AUTH-022"

    def __init__(self, who: str, per_s: float, retry_after_s: float) -> None:
        super().__init__(f"{who} calls more than {per_s:g} times a second")
        self.retry_after_s = retry_after_s


class HeardBefore(Permanent):
    """The very same call was made with this token before."""

    code = "AUTH-023"
    hint = "get a new token if it is to be done again"

    def __init__(self, method: str) -> None:
        super().__init__(f"{method} was called with this token and message already")
