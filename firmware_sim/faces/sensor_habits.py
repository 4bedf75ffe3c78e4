"""Turns what a sensor sees into what it really says, with the bad habits that it has now.

Publishing is in `mqtt.py`; which habits there are is in `core/sensor_faults.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from firmware_sim.core.sensor_faults import SensorFault

Reading = dict[str, bool | int]
_TOO_MANY_BYTES: Final = 2000
_JUNK: Final = b"\xff\xd8\xff\xe0 not JSON"


@dataclass(frozen=True, slots=True)
class Said:
    """One message: its bytes, and whether the broker is to keep it."""

    payload: bytes
    retain: bool = True


class Voice:
    """One topic of one sensor: what it said before matters to some habits."""

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._held: list[Said] = []

    def says(self, reading: Reading, faults: Sequence[SensorFault], flapped: bool) -> list[Said]:
        """The messages that go out for a reading; `flapped` turns its word around."""
        kinds = {fault.kind: fault for fault in faults}
        if "silent" in kinds:
            return []
        if "stuck" in kinds and self._last is not None:
            reading = {**self._last, "at_ms": reading["at_ms"]}
        self._last = reading
        if flapped != ("inverted" in kinds):
            reading = _turned(reading)
        reading = _timed(reading, kinds)
        said = Said(_payload(reading, kinds), "not_retained" not in kinds)
        out = [said, said] if "duplicate" in kinds else [said]
        if "out_of_order" in kinds:
            if not self._held:
                self._held = out
                return []
            out = [*out, *self._held]
        else:
            out = [*self._held, *out]
        self._held = []
        return out


def _turned(reading: Reading) -> Reading:
    turned = {**reading}
    for key, value in reading.items():
        if isinstance(value, bool):
            turned[key] = not value
        elif key != "at_ms":
            turned[key] = 0 if value else 1
    return turned


def _timed(reading: Reading, kinds: dict[str, SensorFault]) -> Reading:
    if "no_clock" in kinds:
        return {key: value for key, value in reading.items() if key != "at_ms"}
    off_s = kinds["clock"].value if "clock" in kinds else 0.0
    off_s -= kinds["stale"].value if "stale" in kinds else 0.0
    return {**reading, "at_ms": max(int(reading["at_ms"] + off_s * 1000), 0)}


def _payload(reading: Reading, kinds: dict[str, SensorFault]) -> bytes:
    if "junk" in kinds:
        return _JUNK
    told: dict[str, Any] = dict(reading)
    if "wrong_type" in kinds:
        told = {k: int(v) if isinstance(v, bool) else str(v) for k, v in reading.items()}
    if "oversized" in kinds:
        told["picture"] = "x" * _TOO_MANY_BYTES
    return json.dumps(told, separators=(",", ":")).encode()
