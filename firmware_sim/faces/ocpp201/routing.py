"""The `ocpp` package's routing decorators for 2.0.1 with their types kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from ocpp.routing import after, on
from ocpp.v201.enums import Action

F = TypeVar("F", bound=Callable[..., Any])


def answers(action: Action) -> Callable[[F], F]:
    """Marks the method that answers `action`."""
    return cast(Callable[[F], F], on(action))


def follows(action: Action) -> Callable[[F], F]:
    """Marks the method that runs once `action` has been answered."""
    return cast(Callable[[F], F], after(action))
