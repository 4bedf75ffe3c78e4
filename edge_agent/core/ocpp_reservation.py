"""A reservation that a charge point took: when it is used up, and what may be said of it.

Asking for one belongs to the piles; holding an EVSE for a claim is the coordinator's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

# Token types of OCPP 2.0.1 by their shape: card numbers of 4, 7 or 10 bytes, contract identifiers.
_CARD: Final = re.compile(r"(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{14}|[0-9A-Fa-f]{20})")
_CONTRACT: Final = re.compile(r"[A-Za-z]{2}-?[A-Za-z0-9]{3}-?[Cc][A-Za-z0-9]{8}(?:-?[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an EVSE is kept for at the charge point; `used` once its driver came."""

    number: int
    claim_id: str
    token: str
    until_ms: int
    used: bool = False

    def started(self, number: int | None) -> Reservation:
        """After a transaction began at this EVSE (OCPP 1.6), naming reservation `number` or none.

        In 1.6 the start of a transaction ends the reservation, whether it is named or not.
        """
        return self if number not in (None, self.number) else replace(self, used=True)

    def presented(self, token: str, number: int | None = None) -> Reservation:
        """After a token was shown (OCPP 2.0.1): only the one it was made for ends it.

        >>> Reservation(7, "c", "AB", 0).presented("ab").used
        True
        >>> Reservation(7, "c", "AB", 0).presented("CD").used
        False
        """
        # Tokens are case-insensitive in OCPP.
        mine = bool(token) and token.casefold() == self.token.casefold()
        return replace(self, used=True) if mine or number == self.number else self


def token_type(token: str) -> str:
    """The IdTokenEnumType that a driver's token most likely is.

    >>> token_type("04A1B2C3"), token_type("DE-8AA-C1234567-8"), token_type("app-77")
    ('ISO14443', 'Central', 'Central')
    >>> token_type("DE8AAC12345678X")
    'eMAID'
    """
    if _CARD.fullmatch(token):
        return "ISO14443"
    return "eMAID" if _CONTRACT.fullmatch(token) else "Central"
