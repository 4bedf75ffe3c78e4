"""Whether a driver's token may charge when nobody above is asked; alike for all OCPP versions."""

from __future__ import annotations

from collections.abc import Collection


def may_charge(policy: str, token: str, tokens: Collection[str], *, cached: bool = False) -> bool:
    """True where the policy lets a token charge.

    `accept` takes all, `list` those of `tokens`, `reject` none; `cached` those that the operator's
    system accepted before and whose acceptance has not run out, which the caller looks up. Case
    does not matter (OCPP 1.6 CiString20Type, OCPP 2.0.1 identifierString of IdTokenType).

    >>> may_charge("list", "a", {"A"}), may_charge("cached", "A", (), cached=False)
    (True, False)
    """
    if policy == "list":
        return token.casefold() in {known.casefold() for known in tokens}
    if policy == "cached":
        return cached
    return policy == "accept"
