"""Bundled profiles against words worked by hand from the datasheet facts."""

from __future__ import annotations

import copy
import tomllib
from importlib import resources
from typing import Any

import pytest

from edge_agent.core.decoder import Decoder
from edge_agent.core.profile_file import ProfileError, parse_profile
from edge_agent.core.reading import EvseStatus, IecState, OcppStatus, Reading
from edge_agent.profiles import load_profile, profile_names

# ABB Terra AC 0x4008-0x401F: error, socket lock, state, active limit, 3 currents, 3 voltages,
# power, session energy; each two words, high word first.
ABB_CHARGING = [
    *(0x0000, 0x0000),  # no error
    *(0x0001, 0x0111),  # cable locked at both ends
    *(0x0000, 0x0400),  # third byte 4: C2, delivering
    *(0x0000, 0x3E80),  # limit 16.000 A
    *(0x0000, 0x3E30),  # L1 15.920 A
    *(0x0000, 0x3E44),  # L2 15.940 A
    *(0x0000, 0x3E1C),  # L3 15.900 A
    *(0x0000, 0x0903),  # L1 230.7 V
    *(0x0000, 0x08FB),  # L2 229.9 V
    *(0x0000, 0x08FF),  # L3 230.3 V
    *(0x0000, 0x2AF8),  # 11000 W
    *(0x0000, 0x30D4),  # 12500 Wh in this session
]
# Alpitronic: station state (3); connector 1 at 100: state, U, I, P, s, kWh/100, SoC/100;
# at 132 Wh as i64. Connector 2 alike at 200.
HYC_CHARGING = [
    0,
    *(3, 0x0000, 0x9C40, 0x30D4, 0x0000, 0xC350, 600, 833, 5575),
    *(0, 0, 0x0012, 0xD687),
    *(7, 0, 0, 0, 0, 0, 0, 0, 0),
    *(0, 0, 0, 1000),
]


def abb(words: list[int]) -> Reading:
    return Decoder(load_profile("abb-terra-ac"), ["A*1"]).readings(words)[0]


def hyc(words: list[int]) -> tuple[Reading, ...]:
    return Decoder(load_profile("alpitronic-hypercharger"), ["H*1", "H*2"]).readings(words)


def test_abb_charging_session_is_read() -> None:
    """A Terra AC that delivers 11 kW shows state C, its largest current and its energy."""
    reading = abb(ABB_CHARGING)

    assert (reading.status, reading.iec) == (EvseStatus.CHARGING, IecState.C)
    assert reading.values.power_kw == pytest.approx(11.0)
    assert reading.values.current_a == pytest.approx(15.94)
    assert reading.values.voltage_v == pytest.approx(230.7)
    assert reading.values.session_energy_kwh == pytest.approx(12.5)
    assert reading.values.energy_kwh is None
    assert reading.faults == ()
    assert reading.plugged is True


@pytest.mark.parametrize(
    ("raw", "lock", "letter", "status"),
    [
        (0, 0, IecState.A, EvseStatus.AVAILABLE),
        (1, 0, IecState.B, EvseStatus.CHARGING),
        (2, 0, IecState.B, EvseStatus.CHARGING),
        (3, 0, IecState.C, EvseStatus.CHARGING),
        (4, 0, IecState.C, EvseStatus.CHARGING),
        (5, 0x0101, IecState.B, EvseStatus.CHARGING),
        (5, 0x0100, IecState.A, EvseStatus.AVAILABLE),
        (6, 0, IecState.UNSPECIFIED, EvseStatus.UNKNOWN),
    ],
)
def test_abb_states(raw: int, lock: int, letter: IecState, status: EvseStatus) -> None:
    """Each charging state means one letter; a stopped session asks the cable; the rest is UNKNOWN.

    The top bit of the state byte is no part of the state.
    """
    words = copy.copy(ABB_CHARGING)
    words[2:4] = [0, lock]
    words[4:6] = [0, (raw | 0x80) << 8]

    reading = abb(words)

    assert (reading.iec, reading.status) == (letter, status)


def test_abb_error_bits_put_it_out_of_order() -> None:
    """Any error bit is a fault with its raw value, whatever the state says."""
    reading = abb([0x0000, 0x0020, *ABB_CHARGING[2:]])

    assert reading.status is EvseStatus.OUTOFORDER
    assert [(fault.code, fault.vendor_code) for fault in reading.faults] == [
        ("OtherError", "0x20 bit 5")
    ]


def test_abb_is_one_read_and_tells_its_identity() -> None:
    """The moving registers are contiguous, and serial and firmware come apart from them."""
    decoder = Decoder(load_profile("abb-terra-ac"), ["A*1"])

    facts = decoder.facts([0x5441, 0x4357, 0x2205, 0x0042, 0x0108, 0x0500])

    assert [(block.address, block.count) for block in decoder.each] == [(0x4008, 24)]
    assert (facts.serial, facts.firmware) == ("5441435722050042", "1.8.5")


def test_alpitronic_two_plugs_are_read_apart() -> None:
    """One plug charges at 400 V and 50 kW with 55.75 % in the car, the other is reserved."""
    charging, reserved = hyc(HYC_CHARGING)

    assert (charging.status, charging.ocpp) == (EvseStatus.CHARGING, OcppStatus.CHARGING)
    assert charging.values.voltage_v == pytest.approx(400.0)
    assert charging.values.current_a == pytest.approx(125.0)
    assert charging.values.power_kw == pytest.approx(50.0)
    assert charging.values.session_energy_kwh == pytest.approx(8.33)
    assert charging.values.soc_pct == pytest.approx(55.75)
    assert charging.values.energy_kwh == pytest.approx(1234.567)
    assert (reserved.status, reserved.ocpp) == (EvseStatus.RESERVED, OcppStatus.RESERVED)
    assert reserved.values.soc_pct is None


@pytest.mark.parametrize(
    ("raw", "status", "ocpp"),
    [
        (0, EvseStatus.AVAILABLE, OcppStatus.AVAILABLE),
        (1, EvseStatus.CHARGING, OcppStatus.PREPARING),
        (4, EvseStatus.CHARGING, OcppStatus.SUSPENDED_EV),
        (5, EvseStatus.CHARGING, OcppStatus.SUSPENDED_EVSE),
        (6, EvseStatus.CHARGING, OcppStatus.FINISHING),
        (8, EvseStatus.INOPERATIVE, OcppStatus.UNAVAILABLE),
        (9, EvseStatus.INOPERATIVE, OcppStatus.UNAVAILABLE),
        (10, EvseStatus.OUTOFORDER, OcppStatus.FAULTED),
        (12, EvseStatus.UNKNOWN, OcppStatus.UNSPECIFIED),
    ],
)
def test_alpitronic_states(raw: int, status: EvseStatus, ocpp: OcppStatus) -> None:
    """The vendor's own numbering is used, not another vendor's; unlisted numbers are UNKNOWN."""
    words = copy.copy(HYC_CHARGING)
    words[1] = raw

    reading = hyc(words)[0]

    assert (reading.status, reading.ocpp) == (status, ocpp)


def test_alpitronic_station_fault_covers_every_plug() -> None:
    """A faulted station is out of order at each plug, with a fault to show for it."""
    readings = hyc([10, *HYC_CHARGING[1:]])

    assert [reading.status for reading in readings] == [EvseStatus.OUTOFORDER] * 2
    assert readings[0].faults[0].vendor_code == "state 10"


def test_implausible_numbers_are_dropped_and_marked() -> None:
    """A SoC of 300 % is no value, and the reading says that something was wrong."""
    words = copy.copy(HYC_CHARGING)
    words[9] = 30_000

    reading = hyc(words)[0]

    assert reading.values.soc_pct is None
    assert reading.suspect


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_cites_its_source(name: str) -> None:
    """A bundled profile is free of mistakes, named like its file, and says where it is from."""
    profile = load_profile(name)

    assert profile.profile_id == name
    assert profile.sources


def test_mistakes_in_a_profile_are_named_all_at_once() -> None:
    """A file with several mistakes is refused with each of them."""
    text = resources.files("edge_agent.profiles").joinpath("abb-terra-ac.toml").read_text()
    tables: dict[str, Any] = tomllib.loads(text)
    tables["colour"] = "white"
    tables["point"]["power"]["kind"] = "u24"
    tables["state"]["words"]["7"] = "Sleeping"
    tables["fault"][0]["otherwise"] = "CX999"

    with pytest.raises(ProfileError) as refusal:
        parse_profile(tables)

    said = " ".join(map(str, refusal.value.mistakes))
    assert all(word in said for word in ("colour", "u24", "Sleeping", "CX999"))


def test_a_new_model_needs_no_python() -> None:
    """A made-up model with low word first, a stride and a bit map is read from tables alone."""
    tables = tomllib.loads(
        """
        id = "made-up"
        maker = "M"
        model = "U"
        transport = "modbus-tcp"
        sources = ["a test"]
        [step]
        registers = 10
        [point.power]
        register = 1
        kind = "f32"
        word_order = "little"
        scale = 0.001
        feeds = "power_kw"
        [point.state]
        register = 3
        kind = "u16"
        [point.alarm]
        register = 4
        kind = "u16"
        [state]
        point = "state"
        [state.words]
        0 = "A"
        1 = "C2"
        [[fault]]
        point = "alarm"
        bits = true
        out_of_order = false
        [fault.codes]
        0 = "CX003"
        3 = "CX014"
        """
    )
    decoder = Decoder(parse_profile(tables), ["X*1", "X*2"])

    readings = decoder.readings([0x4000, 0x45AB, 1, 0b1001, 0, 0, 0, 0])

    assert [(b.address, b.count) for b in decoder.each] == [(11, 4), (21, 4)]
    assert readings[0].values.power_kw == pytest.approx(5.48)
    assert readings[0].status is EvseStatus.CHARGING
    assert [fault.code for fault in readings[0].faults] == ["CX003", "CX014"]
    assert readings[1].status is EvseStatus.AVAILABLE
