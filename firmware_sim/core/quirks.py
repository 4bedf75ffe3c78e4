"""What real charge points do differently from the book, each switched on by its name.

Where a quirk shows is in the faces.
"""

from __future__ import annotations

from typing import Literal

Quirk = Literal[
    "no_subprotocol",
    "no_boot",
    "reserve_unreported",
    "reserve_not_implemented",
    "reserve_occupied",
    "faulted_no_error",
    "stamps_1970",
    "stamps_local",
    "stamps_offset",
    "stamps_missing",
]
"""`no_subprotocol`: the handshake offers none. `no_boot`: never introduces itself, as after the
central system was restarted. `reserve_unreported`: takes reservations and never shows Reserved.
`reserve_not_implemented`: answers ReserveNow with CALLERROR. `reserve_occupied`: says Occupied to
each ReserveNow, as while somebody presents a card there. `faulted_no_error`: Faulted without saying
why. `stamps_...`: a clock that was never set, local time (UTC+2) marked Z, an offset without
minutes, statuses of 1.6 without timestamp."""
