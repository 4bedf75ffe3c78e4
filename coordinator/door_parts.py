"""The door of a running coordinator, put together from its parts; None where nobody is asked.

What a door does is in `rpc/door.py`.
"""

from __future__ import annotations

from typing import Any

from coordinator.core.caller import WORDS, Scope
from coordinator.parts import Parts
from coordinator.rpc.belongings import Belongings
from coordinator.rpc.door import Door
from coordinator.rpc.pacing import Pacing
from coordinator.rpc.peer import agent_identity
from coordinator.usecases.owners import Owners


def make_door(parts: Parts) -> Door | None:
    """The door that the section `[identity]` asks for."""
    if parts.bearers is None:
        return None
    settings, clock = parts.config.identity, parts.clock
    anonymous = Scope.NONE
    for word in settings.anonymous:
        anonymous |= WORDS[word]
    owners = Owners(parts.district, parts.brain.promises, parts.brain.claims)
    return Door(
        parts.bearers,
        Belongings(owners),
        Pacing(settings, clock.link_s, parts.counters),
        parts.counters,
        clock.system_s,
        _agent_of,
        anonymous,
    )


def _agent_of(context: Any) -> str:
    identity = agent_identity(context)
    return "" if identity is None else identity.agent_id
