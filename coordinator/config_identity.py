"""The section `[identity]`: whose tokens are taken, who may go without, how often to call.

Without a key file and a token file nobody is asked for a token. Other sections are in `config.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from coordinator.errors import Problem
from coordinator.key_set import KeySetWrong, read_keys
from coordinator.token_file import TokenFileWrong, read_grants

Positive = Annotated[float, msgspec.Meta(gt=0)]
Word = Literal["car", "fleet", "operator.read", "operator.write", "admin", "agent", "district"]


class IdentitySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who callers are."""

    # JWKS of the operator's identity provider: Ed25519 and P-256 keys, public parts.
    jwks_file: str = ""
    # Only keys of these names; empty means all of the file.
    kids: tuple[str, ...] = ()
    # The provider, as it stands in iss; empty means that iss is not looked at.
    issuer: str = ""
    # This coordinator, as it stands in aud; needed with jwks_file.
    audience: str = ""
    # Lines of name, token and scopes, for operators and districts without a provider.
    token_file: str = ""
    # What callers on this machine may do who show nothing, e.g. ["operator.read", "agent"].
    anonymous: tuple[Word, ...] = ()
    leeway_s: Annotated[float, msgspec.Meta(ge=0, le=300)] = 30.0
    # From iat to exp: of cars and fleets, and of everybody else.
    longest_car_s: Positive = 900.0
    longest_operator_s: Positive = 43_200.0
    # Calls a second that each may make over time, and at once after a rest.
    vehicle_per_s: Positive = 5.0
    vehicle_burst: Positive = 20.0
    fleet_per_s: Positive = 500.0
    fleet_burst: Positive = 1_000.0
    agent_per_s: Positive = 20.0
    agent_burst: Positive = 40.0
    operator_per_s: Positive = 50.0
    operator_burst: Positive = 200.0

    @property
    def configured(self) -> bool:
        """Whether anybody is asked for a token at all."""
        return bool(self.jwks_file or self.token_file)


def identity_faults(section: Any, where: Callable[[str], str]) -> Iterator[Problem]:
    """What its types cannot show; `where` gives file and line of a key. A value of the wrong type
    is told elsewhere."""
    if not isinstance(section, dict):
        return
    jwks_file, token_file = section.get("jwks_file"), section.get("token_file")
    kids = section.get("kids", ())
    names = [kid for kid in kids if isinstance(kid, str)] if isinstance(kids, list) else ()
    if isinstance(jwks_file, str) and jwks_file:
        try:
            read_keys(Path(jwks_file), names)
        except KeySetWrong as error:
            text = f"jwks_file: {error}"
            yield Problem("CFG-005", where("jwks_file"), text, hint=error.hint)
        if not section.get("audience"):
            text, hint = "audience is missing", "the aud that tokens for this coordinator have"
            yield Problem("CFG-004", where("jwks_file"), text, hint=hint)
    if isinstance(token_file, str) and token_file:
        try:
            read_grants(Path(token_file))
        except TokenFileWrong as error:
            text = f"token_file: {error}"
            yield Problem("CFG-005", where("token_file"), text, hint=error.hint)
    if section.get("anonymous") and not (jwks_file or token_file):
        text, hint = "anonymous: nobody is asked for a token", "name jwks_file or token_file"
        yield Problem("CFG-005", where("anonymous"), text, hint=hint)
