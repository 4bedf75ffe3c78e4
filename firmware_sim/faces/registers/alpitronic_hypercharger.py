"""The Alpitronic Hypercharger's registers: input for reading, holding for limits, unit 1.

A connector's registers begin at its number times 100; those of the station at 0.
Source: register facts 4.14. Registers between known fields read as 0; the fallback of a silent
master is not published and therefore not simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.controller import set_limit, stop
from firmware_sim.core.evse import DC_MIN_POWER_KW, Evse, Pilot
from firmware_sim.core.pile import PileSpec
from firmware_sim.core.status import ocpp_status
from firmware_sim.faces.registers.map import INPUT, Device, Field, Reader, RegisterMap, Writer
from firmware_sim.faces.registers.words import Value

_CCS2 = 1
# The model's own numbers for the OCPP words.
_STATE = {
    "Available": 0,
    "Preparing": 2,
    "Charging": 3,
    "SuspendedEV": 4,
    "SuspendedEVSE": 5,
    "Finishing": 6,
    "Reserved": 7,
    "Unavailable": 8,
    "Faulted": 10,
}
_TAG_READY = 1
_STATION_UNAVAILABLE, _STATION_FAULT = 8, 10
_U16_MAX = 0xFFFF


def alpitronic_hypercharger(spec: PileSpec) -> RegisterMap:
    """The map of a Hypercharger with as many connectors as the pile has EVSEs."""
    fields = _station_fields()
    for index in range(spec.evse_count):
        fields.extend(_connector_fields(index))
    return RegisterMap("alpitronic-hypercharger", 1, frozenset({3, 4, 6, 16}), fields)


def _station_fields() -> list[Field]:
    version = (2, 7, 4)
    return _with_gaps(
        0,
        49,
        [
            Field(0, 2, "unix_time", lambda d: d.time_s, "s", table=INPUT),
            Field(2, 1, "connector_count", lambda d: len(d.pile.evses), table=INPUT),
            Field(3, 1, "station_state", _station_state, table=INPUT),
            Field(4, 2, "station_power", _station_w, "W", table=INPUT),
            Field(6, 12, "serial", lambda d: d.pile.spec.serial.encode(), table=INPUT),
            Field(18, 1, "load_management", lambda d: int(len(d.pile.evses) > 1), table=INPUT),
            Field(30, 16, "charge_point_id", lambda d: d.pile.spec.pile_id.encode(), table=INPUT),
            *(
                Field(46 + n, 1, f"version_{word}", _constant(version[n]), table=INPUT)
                for n, word in enumerate(("major", "minor", "patch"))
            ),
        ],
    )


def _connector_fields(index: int) -> list[Field]:
    base, prefix = (index + 1) * 100, f"connector_{index + 1}_"

    def of(at: int, width: int, name: str, value: Callable[[Evse], int | bytes]) -> Field:
        word, _, unit = name.partition(" ")
        scale, _, unit = unit.rpartition(" ")
        return Field(
            base + at,
            width,
            prefix + word,
            _reader(index, value),
            unit,
            float(scale or 1),
            table=INPUT,
        )

    readable = [
        of(0, 1, "state", _state),
        of(1, 2, "voltage 0.01 V", lambda e: round(e.voltage_v * 100)),
        of(3, 1, "current 0.01 A", lambda e: round(e.current_a * 100)),
        of(4, 2, "power 1 W", lambda e: round(e.power_kw * 1000)),
        of(6, 1, "charging_time 1 s", lambda e: min(_charging_s(e), _U16_MAX)),
        of(7, 1, "session_energy 0.01 kWh", lambda e: int(e.session_wh / 10)),
        of(8, 1, "soc 0.01 %", lambda e: round(e.car.battery.soc_pct * 100) if e.car else 0),
        of(9, 1, "connector_type", lambda e: _CCS2),
        of(10, 2, "max_power_dc 1 W", lambda e: round(e.spec.max_power_kw * 1000)),
        of(12, 2, "min_power 1 W", lambda e: round(DC_MIN_POWER_KW * 1000)),
        of(18, 4, "vehicle_id", lambda e: b""),
        of(
            22,
            10,
            "id_tag",
            lambda e: (e.session.granted_token or "").encode() if e.session else b"",
        ),
        of(32, 4, "total_energy 1 Wh", lambda e: int(e.meter.total_wh)),
        of(36, 2, "max_power_ac 1 W", lambda e: round(e.spec.max_power_kw * 1000 / 0.94)),
    ]
    limits = [
        Field(base, 2, prefix + "limit", _reader(index, _limit_w), "W", write=_limiter(index)),
        Field(base + 2, 2, prefix + "reactive_limit", _constant(0), "var", write=_ignore),
    ]
    return [*_with_gaps(base, base + 38, readable), *limits]


def _with_gaps(start: int, end: int, fields: list[Field]) -> list[Field]:
    filled, at = [], start
    for field in fields:
        if field.address > at:
            filled.append(
                Field(at, field.address - at, f"reserved_{at}", _constant(0), table=INPUT)
            )
        filled.append(field)
        at = field.address + field.width
    if at < end:
        filled.append(Field(at, end - at, f"reserved_{at}", _constant(0), table=INPUT))
    return filled


def _constant(value: int) -> Reader:
    return lambda device: value


def _reader(index: int, value: Callable[[Evse], int | bytes]) -> Reader:
    return lambda device: value(device.pile.evses[index])


def _state(evse: Evse) -> int:
    status = ocpp_status(evse)
    if status == "Preparing" and evse.car is None:
        return _TAG_READY
    return _STATE[status]


def _station_state(device: Device) -> int:
    if all(evse.is_broken for evse in device.pile.evses):
        return _STATION_FAULT
    if all(evse.pilot is Pilot.F for evse in device.pile.evses):
        return _STATION_UNAVAILABLE
    return 0


def _station_w(device: Device) -> int:
    return round(sum(evse.power_kw for evse in device.pile.evses) * 1000)


def _charging_s(evse: Evse) -> int:
    return int(evse.session.charging_s) if evse.session else 0


def _limit_w(evse: Evse) -> int:
    limit_kw = evse.spec.max_power_kw if evse.limit_kw is None else evse.limit_kw
    return round(limit_kw * 1000)


def _limiter(index: int) -> Writer:
    def write(device: Device, raw_w: Value) -> Device:
        evse_id = device.pile.evses[index].spec.evse_id

        def change(evse: Evse) -> Evse:
            # 0 aborts the session and leaves no limit behind for the next one.
            if raw_w == 0:
                return set_limit(stop(evse, "Remote"), None)
            return set_limit(evse, min(raw_w / 1000, evse.spec.max_power_kw))

        return replace(device, pile=device.pile.with_evse(evse_id, change))

    return write


def _ignore(device: Device, _: Value) -> Device:
    return device
