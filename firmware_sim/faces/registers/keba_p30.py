"""The KEBA P30's and P40's registers: holding only, unit 255, one value of two registers per read.

Source: register facts 4.2. Which exception a longer read gets is not published; here it is 3, and 2
for a read that cuts a value. Energy counts are tenths of a watt-hour, as masters in the field read
them; a P40 with firmware below 1.2.1 counts whole ones. The product codes say: with a meter and a
card reader.
"""

from __future__ import annotations

from firmware_sim.core.evse import Evse, Pilot
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import Field, Reader, RegisterMap, Watchdog, Writer
from firmware_sim.faces.registers.orders import fallback_kw, limit_current, only, release, setting
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    fixed,
    has_ended,
    is_locked,
    kept,
    of,
    offered_a,
    starting_as,
    stop_numbers,
    volts,
)

_START_UP, _NOT_READY, _READY, _CHARGING, _ERROR, _INTERRUPTED = 0, 1, 2, 3, 4, 5
_CABLE_AT_STATION, _CABLE_AT_EV, _CABLE_LOCKED_AT_EV = 1, 5, 7
_P30, _P40 = 314_011, 4_100_111
_P40_OF_TENTHS = (1, 2, 1)
_MOST_A = 63.0
_ERROR_GROUP = 0x40000


def keba_p30(spec: PileSpec) -> RegisterMap:
    """The map of a P30; its firmware is told in bytes."""
    major, minor, patch = _version(spec.firmware or "3.10.13")
    firmware = major << 24 | minor << 16 | patch << 8
    fields = [
        *_readable(spec, _P30, firmware, counts_per_wh=10),
        *_writable(limit_current(1000, most_a=_MOST_A, zero_pauses=False)),
        Field(5014, 1, "enable", None, write=release()),
    ]
    return _map("keba-p30", fields)


def keba_p40(spec: PileSpec) -> RegisterMap:
    """The map of a P40: firmware in decimal digits, 0 A switches off, no enable register."""
    version = _version(spec.firmware or "1.2.1")
    major, minor, patch = version
    firmware = major * 10_000 + minor * 100 + patch
    fields = [
        *_readable(spec, _P40, firmware, counts_per_wh=10 if version >= _P40_OF_TENTHS else 1),
        *_writable(limit_current(1000, most_a=_MOST_A)),
    ]
    return _map("keba-p40", fields)


def _map(model: str, fields: list[Field]) -> RegisterMap:
    watchdog = Watchdog(
        lambda device: device.kept.get("failsafe_s", 0), fallback_kw("failsafe_ma", 0.0, 1000)
    )
    return RegisterMap(
        model, 255, frozenset({3, 6}), fields, watchdog, most_read=2, whole_reads=True
    )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _readable(spec: PileSpec, product: int, firmware: int, counts_per_wh: int) -> list[Field]:
    def energy(address: int, name: str, read: Reader) -> Field:
        return Field(address, 2, name, read, "Wh", 1 / counts_per_wh)

    return [
        Field(1000, 2, "charging_state", starting_as(_START_UP, of(_state))),
        Field(1004, 2, "cable_state", of(_cable)),
        Field(1006, 2, "error_code", of(_error)),
        *by_phase(Field(1008, 2, "current", None, "A", 0.001), 2, amps, 1000),
        Field(1014, 2, "serial", fixed(int(spec.serial[:7], 16))),
        Field(1016, 2, "product", fixed(product)),
        Field(1018, 2, "firmware", fixed(firmware)),
        Field(1020, 2, "active_power", of(lambda e: e.power_kw * 1e6), "W", 0.001),
        energy(1036, "total_energy", of(lambda e: int(e.meter.total_wh * counts_per_wh))),
        *by_phase(Field(1040, 2, "voltage", None, "V"), 2, volts),
        Field(1046, 2, "power_factor", of(lambda e: 1000 if e.power_kw else 0), "%", 0.1),
        Field(1100, 2, "max_current", of(lambda e: offered_a(e) * 1000), "A", 0.001),
        Field(
            1110,
            2,
            "hardware_max_current",
            of(lambda e: e.spec.rated_current_a * 1000),
            "A",
            0.001,
        ),
        Field(1500, 2, "rfid", fixed(0)),
        energy(1502, "session_energy", of(lambda e: int(e.session_wh * counts_per_wh))),
        Field(1550, 2, "phase_source", kept("phase_source", 0)),
        Field(1552, 2, "phase_state", fixed(int(spec.supply.phases == 3))),
        Field(1600, 2, "failsafe_current", kept("failsafe_ma", 0), "A", 0.001),
        Field(1602, 2, "failsafe_timeout", kept("failsafe_s", 0), "s"),
    ]


def _writable(limit: Writer) -> list[Field]:
    return [
        Field(5004, 1, "set_current", None, "A", 0.001, limit),
        Field(5010, 1, "set_energy", None, "Wh", 10, setting("energy")),
        Field(5012, 1, "unlock", None, write=only(0)),
        Field(5016, 1, "set_failsafe_current", None, "A", 0.001, setting("failsafe_ma", 0, 63_000)),
        Field(5018, 1, "set_failsafe_timeout", None, "s", 1, setting("failsafe_s")),
        Field(5020, 1, "persist_failsafe", None, write=only(0, 1)),
        Field(5050, 1, "set_phase_source", None, write=setting("phase_source", 0, 4)),
        Field(5052, 1, "set_phases", None, write=only(0, 1)),
    ]


def _state(evse: Evse) -> int:
    if evse.is_broken:
        return _ERROR
    if evse.relay_closed:
        return _CHARGING
    if evse.pilot in (Pilot.F, Pilot.B1) or has_ended(evse):
        return _NOT_READY
    return _INTERRUPTED if evse.pilot is Pilot.C1 else _READY


def _cable(evse: Evse) -> int:
    if evse.car is None:
        return _CABLE_AT_STATION
    return _CABLE_LOCKED_AT_EV if is_locked(evse) else _CABLE_AT_EV


def _error(evse: Evse) -> int:
    numbers = stop_numbers(evse)
    return _ERROR_GROUP + numbers[0] if numbers else 0
