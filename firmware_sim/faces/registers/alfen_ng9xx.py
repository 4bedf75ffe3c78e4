"""The Alfen Eve NG9xx's registers: holding only, each socket at a unit id, the station at 200.

Source: register facts 4.3; the station's unit id is not among them. A set-point lapses: how long
one counts is not published either, here 60 s from each write, shown in 1208; then the safe current
holds until somebody writes again. A meter of 2021 or later does not have all values: what it has
not is NaN. Behind the letters of the state there is junk, as seen on real devices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import STATION, Device, Field, Reader, RegisterMap, Watchdog
from firmware_sim.faces.registers.orders import availability, fallback_kw, limit_current, setting
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    fixed,
    in_all_w,
    kept,
    limit_a,
    of,
    offered_a,
    temperature_c,
    text,
    volts,
    watts,
)
from firmware_sim.faces.registers.words import Raw

_STATION_UNIT = 200
_SAFE_A, _VALID_S = 6.0, 60
_SETPOINT = 1210
_JUNK = b"\0\xf5d"
# What a meter since 2021 leaves out, each with the registers that it would stand in.
_LEFT_OUT = (
    (312, 2, "voltage_l1_l2"),
    (314, 2, "voltage_l2_l3"),
    (316, 2, "voltage_l3_l1"),
    (318, 2, "current_n"),
    *((328 + 2 * n, 2, f"power_factor_{n}") for n in range(4)),
    *((346 + 2 * n, 2, f"apparent_power_{n}") for n in range(4)),
    *((354 + 2 * n, 2, f"reactive_power_{n}") for n in range(4)),
    *((362 + 4 * n, 4, f"energy_delivered_l{n + 1}") for n in range(3)),
    *((378 + 4 * n, 4, f"energy_consumed_{n}") for n in range(4)),
)


def alfen_ng9xx(spec: PileSpec) -> RegisterMap:
    """The map of an Eve with one or two sockets."""
    fields = _station(spec)
    for index in range(spec.evse_count):
        fields += [replace(field, socket=index) for field in (*_meter(index), *_socket(index))]
    watchdog = Watchdog(
        lambda device: _VALID_S,
        fallback_kw("safe_current", _SAFE_A),
        frozenset({_SETPOINT}),
        by_socket=True,
    )
    return RegisterMap(
        "alfen-ng9xx",
        1,
        frozenset({3, 6, 16}),
        fields,
        watchdog,
        station_unit=_STATION_UNIT,
    )


def _float(
    address: int, width: int, name: str, read: Reader, unit: str, scale: float = 1.0
) -> Field:
    return Field(address, width, name, read, unit, scale, form="float")


def _meter(index: int) -> list[Field]:
    def real(value: Callable[[Evse], float]) -> Reader:
        return of(value, index)

    return [
        Field(300, 1, "meter_state", fixed(3)),
        Field(301, 4, "meter_age", fixed(250), "s", 0.001),
        Field(305, 1, "meter_type", fixed(0)),
        *by_phase(Field(306, 2, "voltage", None, "V", form="float"), 2, volts, index=index),
        *by_phase(Field(320, 2, "current", None, "A", form="float"), 2, amps, index=index),
        _float(326, 2, "current_sum", real(lambda e: sum(amps(e, n) for n in range(3))), "A"),
        _float(336, 2, "frequency", fixed(50.0), "Hz"),
        *by_phase(Field(338, 2, "power", None, "W", form="float"), 2, watts, index=index),
        _float(344, 2, "power_sum", real(in_all_w), "W"),
        _float(374, 4, "energy_delivered", real(lambda e: e.meter.total_wh), "Wh"),
        *(_float(address, width, name, fixed(None), "") for address, width, name in _LEFT_OUT),
    ]


def _socket(index: int) -> list[Field]:
    return [
        Field(
            1200,
            1,
            "availability",
            of(lambda e: int(e.is_operative), index),
            write=availability(index=index),
        ),
        Field(1201, 5, "mode3_state", of(_state, index)),
        _float(1206, 2, "applied_max_current", of(offered_a, index), "A"),
        Field(1208, 2, "setpoint_valid", _valid_s(index), "s"),
        Field(
            _SETPOINT,
            2,
            "setpoint_current",
            of(limit_a, index),
            "A",
            write=limit_current(1, index=index),
            form="float",
        ),
        Field(
            1212,
            2,
            "safe_current",
            kept("safe_current", _SAFE_A),
            "A",
            write=setting("safe_current", 0, 80),
            form="float",
        ),
        Field(1214, 1, "setpoint_accounted", lambda d: int(_valid_s(index)(d) != 0)),
        Field(
            1215, 1, "phases", kept(f"phases {index}", 3), write=setting(f"phases {index}", 1, 3)
        ),
    ]


def _station(spec: PileSpec) -> list[Field]:
    firmware = spec.firmware or "4.2.0"
    fields = [
        Field(100, 17, "name", lambda d: d.pile.spec.pile_id.encode()),
        Field(117, 5, "maker", text("Alfen NV")),
        Field(122, 1, "table_version", fixed(1)),
        Field(123, 17, "firmware", text(firmware)),
        Field(140, 17, "platform", text("NG910")),
        Field(157, 11, "serial", lambda d: d.pile.spec.serial.encode()),
        *(
            Field(168 + n, 1, name, _clock(n))
            for n, name in enumerate(("year", "month", "day", "hour", "minute", "second"))
        ),
        Field(174, 4, "uptime", lambda d: d.time_s % 86_400 * 1000, "s", 0.001),
        Field(178, 1, "utc_offset", fixed(0), "min", form="signed"),
        _float(1100, 2, "station_max_current", of(lambda e: e.spec.rated_current_a), "A"),
        _float(1102, 2, "temperature", of(temperature_c), "C"),
        Field(1104, 1, "backoffice_connected", fixed(0)),
        Field(1105, 1, "sockets", lambda d: len(d.pile.evses)),
    ]
    return [replace(field, socket=STATION) for field in fields]


def _state(evse: Evse) -> bytes:
    letter = evse.pilot.value.encode()
    return (b"A" if letter == b"A1" else letter) + _JUNK


def _valid_s(index: int) -> Callable[[Device], int]:
    def read(device: Device) -> int:
        silent_s = device.silent_s.get(index)
        return 0 if silent_s is None else max(round(_VALID_S - silent_s), 0)

    return read


def _clock(part: int) -> Reader:
    def read(device: Device) -> Raw:
        return datetime.fromtimestamp(device.time_s, UTC).timetuple()[part]

    return read
