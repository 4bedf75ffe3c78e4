"""What a condition can look at: fields of an EVSE, registers, messages, sensors, the master.

How a value is compared is in `condition.py`; whence it comes is the world's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Final

from firmware_sim.bench.scenario.condition import Value
from firmware_sim.core.evse import Evse
from firmware_sim.core.status import charging_state, connector_status, ocpp_error, ocpp_status

# Looked up when asked for, so that a bench may put something else in their place.
EVSE_FIELDS: Final[Mapping[str, Callable[[Evse], Value]]] = {
    "status": lambda e: ocpp_status(e),
    "connector_status": lambda e: connector_status(e),
    "charging_state": lambda e: charging_state(e),
    "error": lambda e: ocpp_error(e)[0],
    "vendor_error": lambda e: ocpp_error(e)[1],
    "pilot": lambda e: e.pilot.value,
    "letter": lambda e: e.pilot.letter,
    "power_kw": lambda e: e.power_kw,
    "offered_kw": lambda e: e.offered_kw,
    "current_a": lambda e: e.current_a,
    "voltage_v": lambda e: e.voltage_v,
    "meter_wh": lambda e: e.meter.total_wh,
    "session_wh": lambda e: e.session_wh,
    "soc_pct": lambda e: e.car.battery.soc_pct if e.car else None,
    "done": lambda e: e.car is not None and e.car.is_done,
    "plugged": lambda e: e.car is not None,
    "phase": lambda e: e.session.phase.value if e.session else None,
    "end_reason": lambda e: e.session.end_reason if e.session else None,
    "running": lambda e: e.is_running,
    "relay_closed": lambda e: e.relay_closed,
    "faults": lambda e: ", ".join(sorted(fault.kind.name for fault in e.faults)),
    "broken": lambda e: e.is_broken,
    "operative": lambda e: e.is_operative,
    "reserved_for": lambda e: e.reservation.token if e.reservation else None,
    "limit_kw": lambda e: e.limit_kw,
    "fallback_kw": lambda e: e.fallback_kw,
    "share_kw": lambda e: e.share_kw,
    "parked": lambda e: e.parked,
    "bay_occupied": lambda e: e.bay_occupied,
    "queue_length": lambda e: e.queue_length,
    "sessions": lambda e: e.sessions_begun,
    "offered_a": lambda e: e.offered_a,
    "car_kw": lambda e: e.car_kw,
    "contactor": lambda e: e.contactor.value,
    "lock": lambda e: e.lock.value,
    "temperature_c": lambda e: e.temperature_c,
    "cable_c": lambda e: e.cable_c,
    "residual_ma": lambda e: e.residual_ma,
    "isolation_kohm": lambda e: e.isolation_kohm,
    "duty_pct": lambda e: e.duty_pct,
    "pilot_v": lambda e: e.pilot_v,
    "dark": lambda e: e.is_dark,
}
PILE_FIELDS: Final = ("power_kw", "meter_wh", "wire", "charging")
MASTER_FIELDS: Final = ("outcome", "value", "requests", "failures", "drops")
SENSOR_FIELDS: Final = ("occupied", "queue_length")
CENTRAL_FIELDS: Final = (
    "connected",
    "connections",
    "displaced",
    "in_order",
    "repeated",
    "malformed",
)
# What charge points say of their own accord, in 1.6 and in 2.0.1.
MESSAGES: Final = (
    "Authorize",
    "BootNotification",
    "DataTransfer",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "NotifyEvent",
    "NotifyReport",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
    "TransactionEvent",
)
_SENT = re.compile(r"sent\.(?P<action>\w+)(?:\[(?P<filter>[^\]]*)\])?(?:\.(?P<path>[\w.]+))?")


class Sent:
    """`sent.Action[key=value,...].path`: how many such messages, or a field of the last."""

    __slots__ = ("action", "path", "wanted")

    def __init__(self, text: str) -> None:
        found = _SENT.fullmatch(text)
        if found is None:
            raise ValueError(f"not a message: {text!r}; write sent.Action[key=value].field")
        self.action = found["action"]
        self.path = found["path"]
        pairs = [part.partition("=") for part in (found["filter"] or "").split(",") if part]
        if any(not sign for _, sign, _ in pairs):
            raise ValueError(f"not a filter: [{found['filter']}]; write [key=value,key=value]")
        self.wanted = {key.strip(): value.strip() for key, _, value in pairs}

    def fits(self, payload: Mapping[str, object]) -> bool:
        """Whether a message has what the filter asks for."""
        return all(str(at_path(payload, key)) == value for key, value in self.wanted.items())


def at_path(payload: object, path: str) -> Value:
    """A field inside a message; lists are entered by number, a missing field is None.

    >>> at_path({"meterValue": [{"timestamp": "t"}]}, "meterValue.0.timestamp")
    't'
    """
    for word in path.split("."):
        if isinstance(payload, Mapping):
            payload = payload.get(word)
        elif isinstance(payload, list) and word.lstrip("-").isdecimal():
            number = int(word)
            payload = payload[number] if -len(payload) <= number < len(payload) else None
        else:
            return None
    if payload is None or isinstance(payload, str | bool | int | float):
        return payload
    return str(payload)


def unknown(name: str, known: Mapping[str, object] | tuple[str, ...] | list[str]) -> str:
    """What to say of a name that does not exist: the nearest one, or all."""
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
