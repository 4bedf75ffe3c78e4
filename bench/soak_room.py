"""A coordinator that remembers little, so that a soak soon sees what is left beside its memories.

The product keeps thousands of closed promises, answers and ended claims for late questions; until
they are full its memory grows, which says nothing of leaks. `KEPT` comes first in the arguments.
"""

from __future__ import annotations

import sys

import coordinator.core.areas.claim_table as claim_table
import coordinator.store.claims_sqlite as claims_sqlite
import coordinator.usecases.promises as promises
from coordinator.__main__ import main


def remember(count: int) -> None:
    """Has everything that is kept for late questions hold so many."""
    promises.KEPT_CLOSED = claims_sqlite.SqliteClaims.remembered = claim_table.KEPT_ENDED = count


if __name__ == "__main__":
    remember(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
