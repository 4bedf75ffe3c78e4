"""Everything that a profile can say of a register, on made-up models."""

from __future__ import annotations

import math
import tomllib
from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.core.decoder import Decoder
from edge_agent.core.plausibility import LIMITS
from edge_agent.core.profile import VALUE_FIELDS, Profile
from edge_agent.core.profile_access import KeepAlive, SerialLine, WriteSpan
from edge_agent.core.profile_file import parse_profile
from edge_agent.core.reading import EvseStatus, IecState, Reading
from edge_agent.core.registers import NOT_READ, NUMBER_KINDS, STATION_DEVICE
from edge_agent.profiles import load_profile, profile_names

HEAD = """\
id = "made-up"
maker = "M"
model = "U"
transports = ["modbus-tcp"]
sources = ["a test"]
unverified = ["all of it"]
"""
STATE = """\
[point.state]
register = 0
kind = "u16"
[state]
point = "state"
[state.words]
0 = "A"
1 = "C2"
"""
MODELS = [name for name in profile_names() if load_profile(name).is_modbus]


def model(text: str, state: str = STATE) -> Profile:
    return parse_profile(tomllib.loads(HEAD + text + state))


def read(text: str, words: list[int], state: str = STATE) -> Reading:
    """The reading of one EVSE whose points follow one another from register 0."""
    return Decoder(model(text, state), ["X*1"]).readings(words)[0]


def point(kind: str, extra: str = "", feeds: str = "power_kw") -> str:
    return f'[point.value]\nregister = 1\nkind = "{kind}"\nfeeds = "{feeds}"\n{extra}\n'


@pytest.mark.parametrize(
    ("kind", "extra", "words", "value"),
    [
        ("u16", "", [500], 500),
        ("i16", "", [0xFFFE], -2),
        ("u16", "scale = 0.1", [160], 16.0),
        ("low_byte", "", [0x1234], 0x34),
        ("high_byte", "", [0x1234], 0x12),
        ("u16", "bit = 3", [0b1000], 1),
        ("u16", "shift = 4\nmask = 0xF", [0x0AB0], 0xB),
        ("u32", "", [0x0000, 0x0102], 258),
        ("u32", 'word_order = "little"', [0x0102, 0x0000], 258),
        ("u32", 'word_order = "little"\nbyte_order = "little"', [0x0201, 0x0000], 258),
        ("i32", "", [0xFFFF, 0xFFFE], -2),
        ("f32", "", [0x4148, 0x0000], 12.5),
        ("f32", 'word_order = "little"', [0x0000, 0x4148], 12.5),
        ("f32", 'byte_order = "little"', [0x4841, 0x0000], 12.5),
        ("u64", "", [0, 0, 0, 258], 258),
        ("u64", 'word_order = "little"', [258, 0, 0, 0], 258),
        ("i64", "", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2),
        ("f64", "", [0x4029, 0, 0, 0], 12.5),
        ("u16", 'absent = ["ones"]', [0xFFFF], None),
        ("i16", 'absent = ["ones"]', [0xFFFF], None),
        ("u32", 'absent = ["ones"]', [0xFFFF, 0xFFFF], None),
        ("u64", 'absent = "ones"', [0xFFFF] * 4, None),
        ("f32", 'absent = ["ones"]', [0xFFFF, 0xFFFF], None),
        ("f32", 'absent = ["nan"]', [0x7FC0, 0], None),
        ("u16", "absent = [0x7FFF, 0]", [0x7FFF], None),
        ("u16", "", [NOT_READ], None),
        ("u32", "", [1, NOT_READ], None),
        ("u32", "", [NOT_READ, 1], None),
        ("f32", "", [0x4148, NOT_READ], None),
        ("i16", "", [NOT_READ], None),
        ("low_byte", "", [NOT_READ], None),
        ("high_byte", "", [NOT_READ], None),
        ("u16", "bit = 3", [NOT_READ], None),
    ],
)
def test_each_kind_is_read_from_words_worked_by_hand(
    kind: str, extra: str, words: list[int], value: float | None
) -> None:
    """Width, sign, order of words and bytes, bits, scale and missing values, one each."""
    reading = read(point(kind, extra), [1, *words])

    assert reading.values.power_kw == (None if value is None else pytest.approx(value))
    assert not reading.suspect


def test_coils_and_discrete_inputs_have_plans_of_their_own() -> None:
    """Functions 1 and 2 read bits, apart from the registers at the same addresses."""
    bits = '[point.lock]\nfunction = 1\nregister = 0\nkind = "bit"\n'
    inputs = '[point.door]\nfunction = 2\nregister = 0\nkind = "bit"\n'
    fault = '[[fault]]\npoint = "door"\ncodes = { 1 = "CX008" }\n'
    decoder = Decoder(model(bits + inputs + fault), ["X*1"])

    assert [(b.function, b.address) for b in decoder.each] == [(1, 0), (2, 0), (3, 0)]
    assert [fault.code for fault in decoder.readings([1, 1, 0])[0].faults] == ["CX008"]
    assert decoder.readings([1, 0, 0])[0].faults == ()


@pytest.mark.parametrize(
    ("kind", "extra", "word", "letter"),
    [
        ("low_char", "", 0x0043, IecState.C),
        ("high_char", "", 0x4300, IecState.C),
        ("ascii", "words = 1", 0x4332, IecState.C),
        ("ascii", 'words = 1\npattern = "[A-F]"', 0x4358, IecState.C),
        ("ascii", "words = 1", 0x4358, IecState.UNSPECIFIED),
        ("low_char", "", 0x0000, IecState.UNSPECIFIED),
        ("low_char", "", NOT_READ, IecState.UNSPECIFIED),
    ],
)
def test_states_may_be_letters(kind: str, extra: str, word: int, letter: IecState) -> None:
    """A letter in either byte, or a text with junk behind it, is a state; the rest is UNKNOWN."""
    state = f"""
[point.state]
register = 0
kind = "{kind}"
{extra}
[state]
point = "state"
[state.words]
A = "A"
C = "C"
C2 = "C2"
"""
    reading = read("", [word], state)

    assert reading.iec is letter
    assert (reading.status is EvseStatus.UNKNOWN) == (letter is IecState.UNSPECIFIED)


def test_scale_waits_for_the_firmware_that_decides_it() -> None:
    """No value before the firmware is known, then that of the firmware, then of the new one."""
    decoder = Decoder(
        model(
            """
[point.firmware]
register = 10
kind = "dotted"
read = "once"
feeds = "firmware"
[point.value]
register = 1
kind = "u16"
feeds = "energy_kwh"
when = [{ all = [{ point = "firmware", below = "1.10" }], scale = 0.1 }]
"""
        ),
        ["X*1"],
    )
    words = [0, 100]

    before = decoder.readings(words)[0].values.energy_kwh
    decoder.facts([0x0109, 0x0300])
    old = decoder.readings(words)[0].values.energy_kwh
    decoder.facts([0x010A, 0x0000])
    new = decoder.readings(words)[0].values.energy_kwh
    decoder.facts([NOT_READ, NOT_READ])

    assert (before, old, new) == (None, pytest.approx(10.0), pytest.approx(100.0))
    assert decoder.readings(words)[0].values.energy_kwh is None


def test_points_may_be_read_more_seldom() -> None:
    """Such points have reads and periods of their own, unless they come along anyway."""
    text = """
[modbus]
bridge_registers = 3
[point.near]
register = 2
kind = "u16"
every_s = 30
[point.door]
register = 4
kind = "u16"
[point.energy]
register = 100
kind = "u32"
every_s = 10
[point.voltage]
register = 200
kind = "u16"
every_s = 30
"""
    decoder = Decoder(model(text), ["X*1"])

    assert [(b.address, b.count) for b in decoder.each] == [(0, 5), (100, 2), (200, 1)]
    assert {b.address: s for b, s in decoder.periods.items()} == {100: 10, 200: 30}


spans = st.tuples(
    st.integers(1, 60), st.sampled_from(["u16", "u32", "u64"]), st.sampled_from([0, 5, 30])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(spans, min_size=1, max_size=12), st.integers(0, 20), st.integers(4, 30))
def test_every_point_is_read_whole_whatever_the_periods(
    wanted: list[tuple[int, str, int]], bridge: int, limit: int
) -> None:
    """However periods, widths and overlaps mix, each number is made of its own registers."""
    text = f"[modbus]\nbridge_registers = {bridge}\nmax_registers_per_read = {limit}\n"
    for i, (register, kind, every_s) in enumerate(wanted):
        feeds = 'feeds = "energy_kwh"\nscale = 1e-12' if i == 0 else ""
        text += f"[point.p{i}]\nregister = {register}\nkind = '{kind}'\nevery_s = {every_s}\n"
        text += f"{feeds}\n"
    register, kind, _ = wanted[0]
    decoder = Decoder(model(text), ["X*1"])
    addresses = [block.address + n for block in decoder.each for n in range(block.count)]

    values = decoder.readings(addresses)[0].values

    raw = 0
    for word in range(register, register + NUMBER_KINDS[kind][0]):
        raw = raw << 16 | word
    assert values.energy_kwh == pytest.approx(raw * 1e-12)


def test_slow_point_that_a_fast_read_holds_in_part_is_read_whole() -> None:
    """Three points in a row, each sharing a word with the next: the slow end is read by itself."""
    text = "[modbus]\nmax_registers_per_read = 4\n"
    for name, register, kind, every_s in (
        ("a", 44, "u32", 5),
        ("b", 45, "u32", 5),
        ("c", 46, "u16", 0),
    ):
        text += f"[point.{name}]\nregister = {register}\nkind = '{kind}'\nevery_s = {every_s}\n"
    decoder = Decoder(model(text), ["X*1"])

    assert (44, 2) in [(block.address, block.count) for block in decoder.periods]


def test_connectors_by_unit_id_are_read_apart() -> None:
    """The same registers at two unit ids and at the station's own are three reads."""
    decoder = Decoder(
        model(
            """
[modbus]
device_id = 1
station_device_id = 200
[step]
device_ids = 1
[point.serial]
register = 157
kind = "ascii"
words = 2
scope = "station"
read = "once"
feeds = "serial"
"""
        ),
        ["X*1", "X*2"],
    )
    profile = decoder._profile

    assert [block.device for block in decoder.each] == [0, 1]
    assert decoder.once[0].device == STATION_DEVICE
    assert [profile.reach(b.device, 502, 1) for b in (*decoder.each, *decoder.once)] == [
        (502, 1),
        (502, 2),
        (502, 200),
    ]
    assert [r.iec for r in decoder.readings([0, 1])] == [IecState.A, IecState.C]
    assert decoder.vital == frozenset(decoder.each)


def test_connectors_by_port_are_reached_at_the_next_one() -> None:
    """The second connector of such a pile answers at the next port, by the same unit id."""
    profile = model("[step]\nports = 1\n")

    assert profile.reach(profile.device_of(2), 1502, 255) == (1503, 255)


def test_how_a_device_is_spoken_to_is_data() -> None:
    """Line, gap, warm-up, single client, keep-alive and what may be written, as written."""
    profile = model(
        """
[modbus]
gap_s = 0.1
warm_up = true
single_client = true
period_s = 5
longest_period_s = 30
[serial]
baud = 57600
parity = "E"
stop_bits = 2
[[keep_alive]]
action = "write"
register = 6000
values = [1]
period_s = 10
period_register = 2002
period_factor = 0.5
expect = 0
[[write]]
name = "limit"
register = 5004
lowest = 6
highest = 32
"""
    )

    assert profile.serial == SerialLine(57600, 8, "E", 2)
    assert (profile.gap_s, profile.warm_up, profile.single_client) == (0.1, True, True)
    assert (profile.period_s, profile.longest_period_s) == (5, 30)
    assert profile.keep_alives == (KeepAlive("write", 6, 6000, 10, (1,), 1, 2002, 3, 0.5, 0),)
    assert profile.writes == (WriteSpan("limit", 6, 5004, 1, 6, 32, each_connector=True),)


@pytest.mark.parametrize(
    ("register", "values", "allowed"),
    [
        (5004, (16,), True),
        (5004, (33,), False),
        (5004, (5,), False),
        (5005, (16,), False),
        (5004, (16, 16), False),
        (5003, (16,), False),
        (5004, (), False),
    ],
)
def test_only_listed_registers_may_be_written(
    register: int, values: tuple[int, ...], allowed: bool
) -> None:
    """A write outside the span or the limits of its list entry is not allowed."""
    span = WriteSpan("limit", 6, 5004, 1, 6, 32)

    assert span.allows(register, values) is allowed


BITS = '[point.alarm]\nregister = 1\nkind = "u16"\n[[fault]]\npoint = "alarm"\nbits = true\n'


def test_fault_bits_may_count_from_one_be_ignored_or_only_warn() -> None:
    """Bit 1 is the lowest, bit 2 is nothing, bit 3 is told without stopping the pile."""
    text = BITS + "first_bit = 1\nignored = [2]\nwarnings = [3]\ncodes = {1='CX002', 3='CX003'}\n"

    stopped = read(text, [0, 0b001])
    ignored = read(text, [0, 0b010])
    warned = read(text, [0, 0b100])

    assert (stopped.status, [f.code for f in stopped.faults]) == (
        EvseStatus.OUTOFORDER,
        ["CX002"],
    )
    assert (ignored.status, ignored.faults) == (EvseStatus.AVAILABLE, ())
    assert (warned.status, [f.code for f in warned.faults]) == (EvseStatus.AVAILABLE, ["CX003"])
    assert stopped.faults[0].vendor_code == "0x1 bit 1"


def test_faults_that_are_not_the_piles_do_not_stop_it() -> None:
    """A lost link is told, and the pile stays available."""
    reading = read(BITS + "codes = { 0 = 'WeakSignal' }\n", [0, 1])

    assert (reading.status, reading.faults[0].code) == (EvseStatus.AVAILABLE, "WeakSignal")


@pytest.mark.parametrize(
    ("kind", "feeds", "words"),
    [
        ("f32", "power_kw", [0x7FC0, 0x0000]),  # NaN
        ("f32", "power_kw", [0x7F80, 0x0000]),  # infinity
        ("f32", "power_kw", [0xFF80, 0x0000]),  # -infinity
        ("f32", "power_kw", [0x7E96, 0x7699]),  # 1e38
        ("i32", "energy_kwh", [0xFFFF, 0xFFFE]),  # -2 kWh
        ("f64", "energy_kwh", [0x7FF8, 0, 0, 0]),  # NaN
        ("u16", "soc_pct", [300]),
        ("u16", "voltage_v", [60000]),
    ],
)
def test_E6_numbers_that_cannot_be_true_are_dropped_and_kept_raw(
    kind: str, feeds: str, words: list[int]
) -> None:
    """The value is not fed on, the reading is marked, and the raw words are told."""
    reading = read(point(kind, "", feeds), [1, *words])

    assert getattr(reading.values, feeds) is None
    assert reading.suspect
    assert reading.doubt == f"{feeds} from value = " + " ".join(f"{word:04x}" for word in words)


def test_E6_an_impossible_phase_spoils_the_whole_value() -> None:
    """Of three powers one is NaN: no sum of the other two is told as the power."""
    phases = "".join(
        f'[point.p{n}]\nregister = {n}\nkind = "f32"\nfeeds = "power_kw"\n' for n in (1, 3, 5)
    )
    reading = read(phases, [1, 0x4000, 0, 0x7FC0, 0, 0x4000, 0])

    assert reading.values.power_kw is None
    assert reading.suspect


def test_E6_points_may_have_limits_of_their_own() -> None:
    """A temperature that the datasheet rules out is no value, well inside what others show."""
    limited = point("i16", "lowest = -30\nhighest = 90", "temperature_c")

    assert read(limited, [0, 85]).values.temperature_c == 85
    assert read(limited, [0, 95]).values.temperature_c is None
    assert read(limited, [0, 95]).suspect


def in_limits(reading: Reading) -> bool:
    numbers: tuple[Any, ...] = astuple(reading.values)
    return all(
        number is None or (math.isfinite(number) and LIMITS[name][0] <= number <= LIMITS[name][1])
        for name, number in zip(VALUE_FIELDS, numbers, strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_E6_arbitrary_words_never_break_the_decoder(name: str, data: st.DataObject) -> None:
    """Whatever a device answers, or does not, readings come out, and their numbers can be true."""
    decoder = Decoder(load_profile(name), ["X*1"])
    words = st.integers(NOT_READ, 0xFFFF)
    odd = st.sampled_from([0, 0xFFFF, 0x7FC0, 0x7F80, 0xFF80, 0x8000, NOT_READ]) | words
    each = sum(block.count for block in decoder.each)
    once = sum(block.count for block in decoder.once)
    decoder.facts(data.draw(st.lists(odd, min_size=once, max_size=once)))

    readings = decoder.readings(data.draw(st.lists(odd, min_size=each, max_size=each)))

    assert all(in_limits(reading) for reading in readings)
    assert all(reading.suspect == bool(reading.doubt) for reading in readings)
