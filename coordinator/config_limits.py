"""The section `[limits]`: how many connections a server takes.

All other limits of the server are figures in `rpc/limits.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec

from coordinator.errors import Problem

Count = Annotated[int, msgspec.Meta(ge=1)]


class LimitsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Connections that are open at once."""

    # At each address that is listened at; more are closed as they come.
    connections: Count = 10_000
    # From one address; more are refused, and those that never asked anything are closed.
    connections_per_peer: Count = 2_000


def limits_faults(section: Any, where: Callable[[str], str]) -> Iterator[Problem]:
    """Figures that contradict each other; `where` gives file and line of a key."""
    try:
        limits = msgspec.convert(section or {}, LimitsSection)
    except msgspec.ValidationError:
        return  # told elsewhere
    if limits.connections_per_peer > limits.connections:
        text = f"connections_per_peer is above connections = {limits.connections}"
        hint = "one address cannot have more than all"
        yield Problem("CFG-005", where("connections_per_peer"), text, hint=hint)
