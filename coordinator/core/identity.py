"""Who an agent is: the name in its certificate, a SPIFFE id in the URI of the alternative names.

How a certificate gets here, and what an agent may do, is decided elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SCHEME = "spiffe://"
_NAME = r"[A-Za-z0-9._:*-]{1,64}"
_ID = re.compile(rf"{_SCHEME}(?P<district>{_NAME})/agent/(?P<agent>{_NAME})")


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """An agent as its certificate names it; `serial` is the certificate's own number."""

    district_id: str
    agent_id: str
    serial: int = 0


def agent_uri(district_id: str, agent_id: str) -> str:
    """The name that stands in an agent's certificate.

    >>> agent_uri("west", "gw-7")
    'spiffe://west/agent/gw-7'
    """
    return f"{_SCHEME}{district_id}/agent/{agent_id}"


def read_agent_uri(uri: str) -> tuple[str, str] | None:
    """District and agent of such a name; None for any other.

    >>> read_agent_uri("spiffe://west/agent/gw-7")
    ('west', 'gw-7')
    >>> read_agent_uri("spiffe://west/agent/gw-7/more"), read_agent_uri("https://west/agent/gw-7")
    (None, None)
    """
    found = _ID.fullmatch(uri)
    return (found["district"], found["agent"]) if found else None
