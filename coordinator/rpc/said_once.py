"""Which calls were made with which token: the same words with the same token count once.

Only calls that would do harm if repeated are kept; for how long is the token's affair.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

KEPT = 10_000


def imprint(token_id: str, method: str, request: Any) -> bytes:
    """What stands for a call made with a token."""
    said = request.SerializeToString(deterministic=True)
    return hashlib.sha256(f"{token_id}\0{method}\0".encode() + said).digest()


class SaidOnce:
    """Remembers imprints until their tokens end."""

    def __init__(self) -> None:
        self._until_s: OrderedDict[bytes, float] = OrderedDict()

    def first(self, mark: bytes, until_s: float, now_s: float) -> bool:
        """Whether this was not said before; it is noted."""
        if now_s < self._until_s.get(mark, float("-inf")):
            return False
        self._until_s[mark] = until_s
        if len(self._until_s) > KEPT:
            self._until_s.popitem(last=False)
        return True

    def unsaid(self, mark: bytes) -> None:
        """Nothing came of it."""
        self._until_s.pop(mark, None)
