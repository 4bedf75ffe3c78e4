"""Replaces a function, a value or a method everywhere in the simulator, and puts it back.

For breaking the product on purpose, from outside; what is broken is in `mutations.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

_ROOM = "firmware_sim"
# Whoever breaks things must keep what it breaks.
_SPARED = f"{_ROOM}.bench.scenario.mutation"


@contextmanager
def replaced(original: object, new: object) -> Iterator[None]:
    """Every module of the simulator that has `original` under some name has `new` instead."""
    places = [
        (module, name)
        for module_name, module in sorted(sys.modules.items())
        if module_name.split(".")[0] == _ROOM and not module_name.startswith(_SPARED)
        for name, value in list(vars(module).items())
        if value is original
    ]
    if not places:
        raise LookupError(f"{original!r} is nowhere in {_ROOM}")
    for module, name in places:
        setattr(module, name, new)
    try:
        yield
    finally:
        for module, name in places:
            setattr(module, name, original)


@contextmanager
def changed(owner: Any, name: str, new: object) -> Iterator[None]:
    """A class or a module has another attribute."""
    original = vars(owner)[name]
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def entry(table: dict[str, Any], key: str, new: object) -> Iterator[None]:
    """A dictionary has another entry."""
    original = table[key]
    table[key] = new
    try:
        yield
    finally:
        table[key] = original


def wrapped(
    original: Callable[..., Any], change: Callable[..., Any]
) -> AbstractContextManager[None]:
    """`original` replaced by a function that is given it first, then the arguments."""

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return change(original, *args, **kwargs)

    return replaced(original, stand_in)
