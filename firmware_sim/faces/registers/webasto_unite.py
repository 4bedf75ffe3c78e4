"""The Webasto Unite's registers, a Vestel EVC04: measured values are input registers, unit 255.

The numbers are those of the Webasto Next, but the states and widths are others. One master only;
which of two it serves is not published, here the newer one. Failsafe current and time-out as they
come from the works are not published either, here 6 A and 20 s, nor are the fault numbers, here
those of MREC. Source: register facts 4.5.
"""

from __future__ import annotations

from firmware_sim.core.evse import AC_MIN_CURRENT_A, Evse
from firmware_sim.core.pile import PileSpec
from firmware_sim.core.status import ocpp_status
from firmware_sim.faces.registers.map import INPUT, Device, Field, Reader, RegisterMap, Watchdog
from firmware_sim.faces.registers.orders import fallback_kw, limit_current, only, setting
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    cable_a,
    fixed,
    in_all_w,
    is_locked,
    kept,
    of,
    offered_a,
    session_s,
    stop_numbers,
    text,
    volts,
    watts,
)

_STATES = (
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEVSE",
    "SuspendedEV",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
)
_SAFE_A, _TIMEOUT_S = 6, 20
_ALIVE = 6000


def webasto_unite(spec: PileSpec) -> RegisterMap:
    """The map of one pile."""
    fields = [*_identity(spec), *_state_fields(), *_measured(), *_written()]
    watchdog = Watchdog(
        lambda device: device.kept.get("timeout", _TIMEOUT_S),
        fallback_kw("safe_current", _SAFE_A),
        frozenset({_ALIVE}),
    )
    return RegisterMap(
        "webasto-unite", 255, frozenset({3, 4, 6, 16}), fields, watchdog, clients="newest"
    )


def _input(
    address: int, width: int, name: str, read: Reader, unit: str = "", scale: float = 1.0
) -> Field:
    return Field(address, width, name, read, unit, scale, table=INPUT)


def _identity(spec: PileSpec) -> list[Field]:
    return [
        _input(100, 25, "serial", lambda d: d.pile.spec.serial.encode()),
        _input(130, 50, "charge_point_id", lambda d: d.pile.spec.pile_id.encode()),
        _input(190, 10, "brand", text("Webasto")),
        _input(210, 5, "model", text("Unite")),
        _input(230, 50, "firmware", text(spec.firmware or "3.187.0")),
        _input(290, 2, "date", fixed(261126), "yymmdd"),
        _input(294, 2, "time", _hhmmss, "hhmmss"),
        _input(400, 2, "max_power", of(lambda e: e.spec.max_power_kw * 1000), "W"),
        _input(404, 1, "phases", of(lambda e: int(e.spec.supply.phases == 3))),
    ]


def _state_fields() -> list[Field]:
    return [
        _input(1000, 1, "charge_point_state", of(lambda e: _STATES.index(ocpp_status(e)))),
        _input(1001, 1, "charging_state", of(lambda e: int(e.relay_closed))),
        _input(1002, 1, "equipment_state", of(lambda e: 2 if e.is_broken else 1)),
        _input(1004, 1, "cable_state", of(_cable)),
        _input(1006, 2, "fault", of(_fault)),
    ]


def _measured() -> list[Field]:
    return [
        *by_phase(Field(1008, 1, "current", None, "A", 0.001, table=INPUT), 2, amps, 1000),
        *by_phase(Field(1014, 1, "voltage", None, "V", table=INPUT), 2, volts),
        _input(1020, 2, "power", of(in_all_w), "W"),
        *by_phase(Field(1024, 2, "power", None, "W", table=INPUT), 4, watts),
        _input(1036, 2, "total_energy", of(lambda e: int(e.meter.total_wh / 100)), "kWh", 0.1),
        _input(1100, 1, "session_max_current", of(offered_a), "A"),
        _input(1102, 1, "evse_min_current", fixed(int(AC_MIN_CURRENT_A)), "A"),
        _input(1104, 1, "evse_max_current", of(lambda e: e.spec.rated_current_a), "A"),
        _input(1106, 1, "cable_max_current", of(cable_a), "A"),
        _input(1502, 2, "session_energy", of(lambda e: int(e.session_wh)), "Wh"),
        _input(1504, 2, "session_start", fixed(0), "hhmmss"),
        _input(1508, 2, "session_duration", of(session_s), "s"),
        _input(1512, 2, "session_end", fixed(0), "hhmmss"),
    ]


def _written() -> list[Field]:
    return [
        Field(
            2000,
            1,
            "failsafe_current",
            kept("safe_current", _SAFE_A),
            "A",
            write=setting("safe_current", 0, 32),
        ),
        Field(
            2002, 1, "failsafe_timeout", kept("timeout", _TIMEOUT_S), "s", write=setting("timeout")
        ),
        Field(5004, 1, "set_current", of(offered_a), "A", write=limit_current(1, most_a=32)),
        Field(_ALIVE, 1, "alive", fixed(0), write=only(0, 1)),
    ]


def _cable(evse: Evse) -> int:
    if evse.car is None:
        return 0
    return 3 if is_locked(evse) else 2


def _fault(evse: Evse) -> int:
    return next(iter(stop_numbers(evse)), 0)


def _hhmmss(device: Device) -> int:
    minutes, seconds = divmod(device.time_s % 86_400, 60)
    hours, minutes = divmod(minutes, 60)
    return hours * 10_000 + minutes * 100 + seconds
