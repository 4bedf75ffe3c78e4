"""What a mutation is: one way in which a simulated pile is broken on purpose, from outside.

Which ones there are is in `mutations_pile.py` and `mutations_faces.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

Patch = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way to be broken: what is wrong, and which scenarios are sure to notice."""

    name: str
    meaning: str
    noticed_by: tuple[str, ...]
    apply: Patch


def same(value: Any, *_: Any, **__: Any) -> Any:
    """What a function gives that changes nothing."""
    return value


def nothing(*_: Any, **__: Any) -> None:
    """What a function does that does nothing."""
