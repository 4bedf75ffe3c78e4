"""One name for all that a request leads to, in the logs of car, coordinator and agent.

It is the trace-id of the W3C `traceparent` that the car sends; without one, the recommendation's
own id, which has as many digits.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Final

HEADER: Final = "traceparent"
_FORM = re.compile(r"^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

# Of the call that is being answered; empty in what happens by itself.
TRACE: ContextVar[str] = ContextVar("pilewise_trace", default="")


def trace_of(traceparent: str) -> str:
    """The trace-id of a header; empty for one that is none.

    >>> trace_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '0af7651916cd43dd8448eb211c80319c'
    >>> trace_of("00-00000000000000000000000000000000-b7ad6b7169203331-01")
    ''
    """
    found = _FORM.match(traceparent)
    return "" if found is None else found[1]
