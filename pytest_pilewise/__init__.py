"""A bench for pytest: piles that a test plugs into, breaks and reads, simulated or real.

What pytest itself meets (options, markers, fixtures) is in `plugin.py`. Nothing is loaded before it
is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_pilewise.clock import BenchClock
    from pytest_pilewise.detection import Detection, detection_cases
    from pytest_pilewise.errors import BenchError, BenchRefused, NotMet, RoomFailed
    from pytest_pilewise.pile import Pile
    from pytest_pilewise.states import PileState, Register

__all__ = [
    "BenchClock",
    "BenchError",
    "BenchRefused",
    "Detection",
    "NotMet",
    "Pile",
    "PileState",
    "Register",
    "RoomFailed",
    "detection_cases",
]

_HOMES = {
    "BenchClock": "clock",
    "BenchError": "errors",
    "BenchRefused": "errors",
    "Detection": "detection",
    "NotMet": "errors",
    "Pile": "pile",
    "PileState": "states",
    "Register": "states",
    "RoomFailed": "errors",
    "detection_cases": "detection",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'pytest_pilewise' has no attribute {name!r}")
    return getattr(import_module(f"pytest_pilewise.{_HOMES[name]}"), name)
