"""Register words worked out by hand from the datasheet facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import (
    authorise_ahead,
    inject,
    plug_in,
    reserve,
    set_limit,
    set_operative,
    stop,
)
from firmware_sim.core.evse import Car, Evse, Reservation, Supply
from firmware_sim.core.faults import FAULTS
from firmware_sim.core.pile import Pile, PileSpec, build_pile
from firmware_sim.faces.registers.map import (
    HOLDING,
    INPUT,
    Device,
    IllegalAddressError,
    IllegalFunctionError,
    IllegalValueError,
)
from firmware_sim.faces.registers.models import REGISTER_MAPS

ABB = PileSpec("A-01", "abb-terra-ac", 11.04, Supply.AC_3, serial="0123456789ABCDEF")
HYC = PileSpec("D-01", "alpitronic-hypercharger", 150.0, Supply.DC, evse_count=2, serial="S24")
Change = Callable[[Evse], Evse]


def device(spec: PileSpec, *changes: Change, number: int = 1, **facts: int) -> Device:
    pile: Pile = build_pile(spec)
    for change in changes:
        pile = pile.with_evse(f"{spec.pile_id}*{number}", change)
    return Device(pile, **facts)


def plugged(soc_pct: float = 30.0, token: str = "") -> Change:
    car = Car(Battery(60.0, soc_pct, 150.0), 80.0)
    return lambda evse: plug_in(evse, car, token)


def after(seconds: float) -> Change:
    return lambda evse: advance(evse, seconds)


def fault(name: str) -> Change:
    return lambda evse: inject(evse, FAULTS[name], None)


def read(device: Device, function: int, address: int, count: int) -> list[int]:
    return REGISTER_MAPS[device.pile.spec.model](device.pile.spec).read(
        device, function, address, count
    )


def write(device: Device, address: int, words: list[int], function: int = 16) -> Device:
    register_map = REGISTER_MAPS[device.pile.spec.model](device.pile.spec)
    return register_map.write(device, function, address, words)


def test_abb_identity_is_serial_bytes_firmware_bytes_and_rated_milliamps() -> None:
    """0x4000 four serial registers, 0x4004 version 1.8.21, 0x4006 16 A."""
    words = read(device(ABB), HOLDING, 0x4000, 8)

    assert words[:4] == [0x0123, 0x4567, 0x89AB, 0xCDEF]
    assert words[4:] == [0x0108, 0x1500, 0, 16_000]


def test_abb_charging_block_in_one_read() -> None:
    """Ten seconds of 11.04 kW: 16 A and 230 V per phase, 30 Wh, state 4, cable locked."""
    words = read(device(ABB, plugged(), after(2), after(10)), HOLDING, 0x4008, 25)

    assert words == [
        *(0, 0),  # no error
        *(0, 0x0111),  # cable at the car, locked
        *(0, 0x0400),  # state 4 in the third byte
        *(0, 16_000),  # active limit
        *(0, 16_000, 0, 16_000, 0, 16_000),
        *(0, 2300, 0, 2300, 0, 2300),
        *(0, 11_040),
        *(0, 30),  # 11.04 kW x 10 s = 30.67 Wh, whole watt-hours shown
        60,
    ]


@pytest.mark.parametrize(
    ("changes", "state", "lock"),
    [
        ((), 0x0000, 0x0000),
        ((lambda e: replace(e, spec=replace(e.spec, local_auth=False)), plugged(token="T")),
         0x0100, 0x0101),
        ((plugged(),), 0x0200, 0x0111),
        ((plugged(), after(2), lambda e: set_limit(e, 1.0)), 0x0300, 0x0111),
        ((plugged(), after(2)), 0x0400, 0x0111),
        ((plugged(), after(2), lambda e: set_limit(e, 8.0)), 0x8400, 0x0111),
        ((plugged(), after(2), lambda e: stop(e, "Local")), 0x0500, 0x0101),
        ((plugged(), after(2), fault("GroundFailure")), 0x0500, 0x0101),
        ((fault("GroundFailure"),), 0x0500, 0x0000),
    ],
)  # fmt: skip
def test_abb_charging_and_lock_state(changes: tuple[Change, ...], state: int, lock: int) -> None:
    """Idle, awaiting authorisation, ready, refused, delivering, reduced, stopped, broken."""
    shown = device(ABB, *changes)

    assert read(shown, HOLDING, 0x400C, 2) == [0, state]
    assert read(shown, HOLDING, 0x400A, 2) == [0, lock]


def test_abb_error_code_has_the_bit_of_the_mrec_number() -> None:
    """CX003 sets bit 3, CX017 bit 17, in the high word."""
    broken = device(ABB, fault("HighTemperature"), fault("EVSEContactorFault"))

    assert read(broken, HOLDING, 0x4008, 2) == [0x0002, 0x0008]


def test_abb_single_phase_leaves_two_phases_at_zero() -> None:
    """A one-phase Terra AC measures L1 only."""
    spec = replace(ABB, supply=Supply.AC_1, max_power_kw=7.36)

    words = read(device(spec, plugged(), after(2)), HOLDING, 0x4010, 12)

    assert words == [0, 32_000, 0, 0, 0, 0, 0, 2300, 0, 0, 0, 0]


def test_abb_current_limit_is_taken_and_shown() -> None:
    """0x4100 in milliamps limits the power; 0x400E shows it."""
    limited = write(device(ABB, plugged(), after(2)), 0x4100, [0, 10_000])

    assert read(limited, HOLDING, 0x400E, 2) == [0, 10_000]
    assert limited.pile.evses[0].power_kw == pytest.approx(6.9)


def test_abb_session_register_stops_and_starts() -> None:
    """0x4105 takes 1 to stop and 0 to start again."""
    stopped = write(device(ABB, plugged(), after(2)), 0x4105, [1], function=6)
    started = write(stopped, 0x4105, [0], function=6)

    assert read(stopped, HOLDING, 0x400C, 2) == [0, 0x0500]
    assert read(started, HOLDING, 0x400C, 2) == [0, 0x0200]


def test_abb_communication_timeout_is_written_and_read_elsewhere() -> None:
    """0x4106 is written, 0x4020 read."""
    assert read(write(device(ABB), 0x4106, [90], function=6), HOLDING, 0x4020, 1) == [90]


@pytest.mark.parametrize(
    ("address", "words", "error"),
    [
        (0x4100, [1], IllegalAddressError),  # half of a 32-bit value
        (0x4101, [1], IllegalAddressError),
        (0x400E, [0, 1], IllegalAddressError),  # read only
        (0x4102, [0], IllegalAddressError),  # a hole
        (0x4100, [0, 16_001], IllegalValueError),  # above the rating
        (0x4105, [2], IllegalValueError),
    ],
)
def test_abb_refuses_what_it_does_not_take(
    address: int, words: list[int], error: type[Exception]
) -> None:
    """Half values, holes, read-only registers and values out of range are refused."""
    with pytest.raises(error):
        write(device(ABB), address, words)


@pytest.mark.parametrize(("address", "count"), [(0x3FFF, 2), (0x4020, 2), (0x4100, 2)])
def test_abb_refuses_reads_outside_its_map(address: int, count: int) -> None:
    """A read that touches a hole or a write-only register is refused as a whole."""
    with pytest.raises(IllegalAddressError):
        read(device(ABB), HOLDING, address, count)


def test_abb_knows_holding_registers_only() -> None:
    """Function 4 is unknown to a Terra AC."""
    with pytest.raises(IllegalFunctionError):
        read(device(ABB), INPUT, 0x4000, 1)


def test_half_of_a_wide_value_can_be_read() -> None:
    """The low word of a 32-bit value is a register of its own."""
    assert read(device(ABB), HOLDING, 0x4007, 1) == [16_000]


def test_hypercharger_connector_block_in_one_read() -> None:
    """Ten seconds into a 60 kWh pack at 30 %: 138 kW (2.3 C) first, 383 Wh, then 137.62 kW."""
    charging = device(HYC, plugged(token="TAG1"), after(20), after(10))

    words = read(charging, INPUT, 100, 38)

    assert words[0] == 3
    assert words[1:3] == [0, 37_651]  # 400 V x (0.88 + 0.002 x 30.6389) = 376.51 V
    assert words[3] == 36_550  # 137616.7 W / 376.51 V = 365.50 A
    assert (words[4] << 16 | words[5]) == 137_617
    assert words[6:9] == [10, 38, 3064]  # 10 s, 0.383 kWh in hundredths, 30.64 %
    assert words[9] == 1
    assert words[10:14] == [2, 0x49F0, 0, 1548]  # 150000 W, 1548 W
    assert words[14:22] == [0] * 8
    assert words[22:32] == [0x5441, 0x4731, 0, 0, 0, 0, 0, 0, 0, 0]  # "TAG1"
    assert words[32:36] == [0, 0, 0, 383]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ((), 0),
        ((lambda e: authorise_ahead(e, "T", 60.0),), 1),
        ((lambda e: replace(e, spec=replace(e.spec, local_auth=False)), plugged(token="T")), 2),
        ((plugged(), after(20)), 3),
        ((plugged(),), 4),
        ((plugged(), after(20), lambda e: set_limit(e, 1.547)), 5),
        ((plugged(), after(20), lambda e: stop(e, "Local")), 6),
        ((lambda e: reserve(e, Reservation(1, "T", 60.0)),), 7),
        ((lambda e: set_operative(e, False),), 8),
        ((fault("OverCurrentFailure"),), 10),
    ],
)
def test_hypercharger_state_numbers(changes: tuple[Change, ...], state: int) -> None:
    """The model's own numbers, on the second connector, whose base is 200."""
    shown = device(HYC, *changes, number=2)

    assert read(shown, INPUT, 200, 1) == [state]
    assert read(shown, INPUT, 100, 1) == [0]


def test_hypercharger_station_block() -> None:
    """Clock, connector count, state, power, serial and identity of the station."""
    words = read(device(HYC, time_s=0x6A01_0203), INPUT, 0, 49)

    assert words[:6] == [0x6A01, 0x0203, 2, 0, 0, 0]
    assert words[6:8] == [0x5332, 0x3400]  # "S24"
    assert words[18] == 1
    assert words[30:32] == [0x442D, 0x3031]  # "D-01"
    assert words[46:] == [2, 7, 4]


def test_hypercharger_limit_in_watts_is_held_and_zero_ends_the_session() -> None:
    """Holding 100 limits connector 1; 0 aborts its session and leaves no limit behind."""
    charging = device(HYC, plugged(), after(20))
    limited = write(charging, 100, [0, 50_000])

    ended = write(limited, 100, [0, 0])

    assert read(limited, HOLDING, 100, 2) == [0, 50_000]
    assert limited.pile.evses[0].power_kw == 50.0
    assert read(ended, INPUT, 100, 1) == [6]
    assert read(ended, HOLDING, 100, 2) == [2, 0x49F0]


def test_hypercharger_tables_do_not_mix() -> None:
    """Measurements are input registers; beyond the connector's block there is nothing."""
    with pytest.raises(IllegalAddressError):
        read(device(HYC), HOLDING, 104, 2)
    with pytest.raises(IllegalAddressError):
        read(device(HYC), INPUT, 138, 1)
    with pytest.raises(IllegalAddressError):
        read(device(HYC), INPUT, 300, 1)
