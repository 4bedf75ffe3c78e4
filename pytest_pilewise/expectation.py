"""Waits until what is read is as expected, on the bench's clock, and says what was seen if not.

Who reads what is the business of `pile.py`, `agent.py` and `coordinator.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_pilewise.clock import BenchClock
from pytest_pilewise.errors import NotMet

# So often it is looked within a limit; who is told of changes needs to look only for what creeps.
_LOOKS = 200
_SEEKS = 20
_SHORTEST_STEP_S = 0.01

# The words of OCPI that OCPP 1.6's stand for, so that a test may use either.
OCPI_OF = {
    "Available": "AVAILABLE",
    "Preparing": "CHARGING",
    "Charging": "CHARGING",
    "SuspendedEVSE": "CHARGING",
    "SuspendedEV": "CHARGING",
    "Finishing": "CHARGING",
    "Occupied": "CHARGING",
    "Reserved": "RESERVED",
    "Unavailable": "INOPERATIVE",
    "Faulted": "OUTOFORDER",
}


def wait_until(
    who: str,
    read: Callable[[], Any],
    wanted: Mapping[str, Any],
    within_s: float,
    clock: BenchClock,
    seek: Callable[[float], None] | None = None,
) -> float:
    """Simulated seconds until `read()` has every attribute as wanted; raises NotMet.

    A wanted value is compared with `==`; a function is asked; a tuple names what is allowed.
    `seek(s)` lets time pass up to the next change, at most so long; without it time is looked at
    in small steps.
    """
    __tracebackhide__ = True
    if not within_s >= 0:
        raise ValueError(f"within_s is a duration in seconds, not {within_s}")
    step_s = max(within_s / (_LOOKS if seek is None else _SEEKS), _SHORTEST_STEP_S)
    start_ms = clock.now_ms
    while True:
        seen = read()
        passed_s = (clock.now_ms - start_ms) / 1000
        missing = unlike(seen, wanted)
        # What comes true at the last look only because the machine was busy still came too late.
        if not missing and passed_s <= within_s:
            return passed_s
        if passed_s >= within_s:
            raise NotMet(_told(who, missing or list(wanted), wanted, within_s, passed_s, seen))
        (seek or clock.glance)(min(step_s, within_s - passed_s) if clock.stepped else step_s)


def unlike(seen: Any, wanted: Mapping[str, Any]) -> list[str]:
    """The names of what is not as wanted."""
    return [name for name, value in wanted.items() if not _meets(seen, name, value)]


def _meets(seen: Any, name: str, value: Any) -> bool:
    if seen is None:
        return False
    if name == "fault":
        return value in seen.faults
    found = getattr(seen, name)
    if callable(value):
        return found is not None and bool(value(found))
    if found == value:
        # Some fields are tuples themselves.
        return True
    if isinstance(value, tuple | set | frozenset | list):
        return any(_same(name, found, one) for one in value)
    return _same(name, found, value)


def _same(name: str, found: Any, value: Any) -> bool:
    if name != "status":
        return bool(found == value)
    return value in (found, OCPI_OF.get(str(found))) or OCPI_OF.get(str(value)) == found


def _told(
    who: str,
    missing: list[str],
    wanted: Mapping[str, Any],
    within_s: float,
    passed_s: float,
    seen: Any,
) -> str:
    asked = ", ".join(f"{name} {_word(wanted[name])}" for name in missing)
    shown = seen.line() if hasattr(seen, "line") else str(seen)
    return f"{who}: expected {asked} within {within_s:g} s; after {passed_s:.2f} s it is: {shown}"


def _word(value: Any) -> str:
    if callable(value):
        return f"as {getattr(value, '__name__', 'asked')} says"
    return str(value)
