"""Bad habits of sensors on the site's MQTT bus, by name.

How one is carried out is in `faces/sensor_habits.py`; broken parts of the pile are in `faults.py`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Final

PREFIX: Final = "mqtt:"
KNOWN: Final = {
    "offline": "loses the broker without a farewell, with all sensors of this simulator",
    "silent": "says nothing any more",
    "stuck": "says for ever what it said last",
    "inverted": "says the opposite of what is there",
    "flapping": "changes its word every so many real seconds",
    "duplicate": "says everything twice",
    "out_of_order": "says the older of two words after the newer one",
    "stale": "says with retain what was true so many seconds ago",
    "clock": "has a clock that is wrong by so many seconds",
    "no_clock": "says no instant",
    "not_retained": "says it to those only who listen now",
    "junk": "says what is no JSON",
    "wrong_type": "says numbers as text and truth as numbers",
    "oversized": "says more than 1 KiB",
}
_NEEDS_VALUE: Final = frozenset({"flapping", "stale", "clock"})
_MOST: Final = 4e9
_WORD: Final = re.compile(r"(?P<kind>[a-z_]+)(?::(?P<value>-?[0-9.]+))?")


@dataclass(frozen=True, slots=True)
class SensorFault:
    """One that is present; `remaining_s` is domain time, None lasts until cleared."""

    kind: str
    value: float = 0.0
    remaining_s: float | None = None

    @property
    def name(self) -> str:
        """The word that injects it, e.g. `mqtt:clock:-3600`."""
        word = f"{PREFIX}{self.kind}"
        return f"{word}:{self.value:g}" if self.kind in _NEEDS_VALUE else word

    def later(self, dt_s: float) -> SensorFault | None:
        """The fault `dt_s` seconds of domain time later; None once it is over."""
        if self.remaining_s is None:
            return self
        left_s = self.remaining_s - dt_s
        return replace(self, remaining_s=left_s) if left_s > 1e-9 else None


def parse_sensor_fault(text: str, remaining_s: float | None = None) -> SensorFault:
    """The fault that `text` names, with or without `mqtt:`; raises ValueError.

    >>> parse_sensor_fault("mqtt:flapping:2").value
    2.0
    """
    word = _WORD.fullmatch(text.removeprefix(PREFIX))
    kind = word["kind"] if word else ""
    if word is None or kind not in KNOWN:
        raise ValueError(f"unknown sensor fault {text!r}; known are {', '.join(KNOWN)}")
    if bool(word["value"]) != (kind in _NEEDS_VALUE):
        wanted = f"wants a value: {kind}:SECONDS" if kind in _NEEDS_VALUE else "takes no value"
        raise ValueError(f"{kind} {wanted} ({KNOWN[kind]})")
    try:
        value = float(word["value"] or 0)
    except ValueError:
        value = math.nan
    low = -_MOST if kind == "clock" else 0.0
    if not low <= value <= _MOST or (kind == "flapping" and value < 0.05):
        raise ValueError(f"{kind} wants a number of seconds, not {word['value']!r}")
    return SensorFault(kind, value, remaining_s)
