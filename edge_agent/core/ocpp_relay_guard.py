"""Calls of the operator's system that would cut a pile off from the agent, and their refusals.

The pile's password and server are those of its link to the agent; the operator's are another link.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_KEYS_16: Final = frozenset({"authorizationkey", "securityprofile"})
_VARIABLES_201: Final = frozenset(
    {
        ("securityctrlr", "basicauthpassword"),
        ("securityctrlr", "identity"),
        ("securityctrlr", "securityprofile"),
        ("ocppcommctrlr", "networkconfigurationpriority"),
    }
)


def refusal(action: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer to a call that must not reach the pile; None for one that may.

    >>> refusal("ChangeConfiguration", {"key": "AuthorizationKey", "value": "00"})
    {'status': 'Rejected'}
    >>> refusal("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"})
    """
    if action == "ChangeConfiguration":
        guarded = str(payload.get("key", "")).casefold() in _KEYS_16
        return {"status": "Rejected"} if guarded else None
    if action == "SetNetworkProfile":
        return {"status": "Rejected"}
    if action == "SetVariables":
        wishes = [wish for wish in _listed(payload) if isinstance(wish, dict)]
        if any(_named(wish) in _VARIABLES_201 for wish in wishes):
            return {"setVariableResult": [_rejected(wish) for wish in wishes]}
    return None


def _listed(payload: Mapping[str, Any]) -> list[Any]:
    wishes = payload.get("setVariableData")
    return wishes if isinstance(wishes, list) else []


def _named(wish: Mapping[str, Any]) -> tuple[str, str]:
    names = (wish.get(part) for part in ("component", "variable"))
    component, variable = (
        str(part.get("name", "")).casefold() if isinstance(part, dict) else "" for part in names
    )
    return component, variable


def _rejected(wish: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: wish[name] for name in ("component", "variable", "attributeType") if name in wish}
    return {"attributeStatus": "Rejected", **kept}
