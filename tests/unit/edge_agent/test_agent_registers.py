"""Words, numbers, texts and read plans."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.registers import (
    NUMBER_KINDS,
    Span,
    WordOrder,
    decode_text,
    encode_number,
    number_decoder,
    plan_blocks,
)

INTEGERS = {
    "u16": (0, 2**16 - 1),
    "i16": (-(2**15), 2**15 - 1),
    "u32": (0, 2**32 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "u64": (0, 2**64 - 1),
    "i64": (-(2**63), 2**63 - 1),
}
ORDERS: list[WordOrder] = ["big", "little"]


@given(st.data(), st.sampled_from(sorted(INTEGERS)), st.sampled_from(ORDERS))
def test_integers_survive_the_registers(data: st.DataObject, kind: str, order: WordOrder) -> None:
    """Every integer of every kind comes back as it went in, in both word orders."""
    lowest, highest = INTEGERS[kind]
    value = data.draw(st.integers(lowest, highest))

    words = encode_number(value, kind, order)

    assert len(words) == NUMBER_KINDS[kind][0]
    assert number_decoder(kind, order)(words) == value


@given(st.floats(allow_nan=False), st.sampled_from(ORDERS))
def test_doubles_survive_the_registers(value: float, order: WordOrder) -> None:
    """Every double comes back bit by bit."""
    assert number_decoder("f64", order)(encode_number(value, "f64", order)) == value


@pytest.mark.parametrize(
    ("words", "kind", "order", "value"),
    [
        ([0x0001, 0x86A0], "u32", "big", 100_000),
        ([0x86A0, 0x0001], "u32", "little", 100_000),
        ([0xFFFF, 0xFFFE], "i32", "big", -2),
        ([0x41C8, 0x0000], "f32", "big", 25.0),
        ([0x0000, 0x41C8], "f32", "little", 25.0),
        ([0x40F8, 0x6A00, 0, 0], "f64", "big", 100_000.0),
    ],
)
def test_words_worked_by_hand(words: list[int], kind: str, order: WordOrder, value: float) -> None:
    """Numbers worked out on paper are read from their words."""
    assert number_decoder(kind, order)(words) == value


def test_float_nan_stays_nan() -> None:
    """The NaN that devices send for "not available" is recognisable."""
    assert math.isnan(float(number_decoder("f32", "big")([0x7FC0, 0])))


@pytest.mark.parametrize(
    ("words", "kind", "text"),
    [
        ([0x4859, 0x4331, 0x0000, 0x5858], "ascii", "HYC1"),
        ([0xFF41, 0x0141], "ascii", "�A?A"),
        ([0x0A0B, 0x0C0D], "hex", "0a0b0c0d"),
        ([0x0108, 0x0500], "dotted", "1.8.5"),
    ],
)
def test_texts_end_at_nul_and_never_break(words: list[int], kind: str, text: str) -> None:
    """Text stops at the first NUL, and control characters do not get through."""
    assert decode_text(words, kind) == text


spans = st.lists(
    st.builds(Span, st.sampled_from([3, 4]), st.integers(0, 300), st.integers(1, 12)),
    min_size=1,
    max_size=20,
)


@given(spans, st.integers(1, 125), st.integers(0, 20))
def test_plan_covers_every_register_within_the_limit(
    wanted: list[Span], limit: int, bridge: int
) -> None:
    """Every wanted register is read, and no read is longer than the device allows."""
    blocks = plan_blocks(wanted, max_registers=limit, bridge_registers=bridge)

    read = {(b.function, a) for b in blocks for a in range(b.address, b.end)}
    assert all((s.function, a) in read for s in wanted for a in range(s.address, s.end))
    assert all(block.count <= max(limit, 1) for block in blocks)


@given(spans, st.integers(0, 300), st.integers(0, 20))
def test_plan_never_touches_forbidden_registers(
    wanted: list[Span], first: int, bridge: int
) -> None:
    """No read crosses a register that closes the connection, and a wanted one is refused."""
    forbidden = (first, first + 5)
    clear = [s for s in wanted if s.end <= first or s.address > first + 5]

    blocks = plan_blocks(clear, max_registers=125, forbidden=[forbidden], bridge_registers=bridge)

    assert all(block.end <= first or block.address > first + 5 for block in blocks)
    if len(clear) < len(wanted):
        with pytest.raises(ValueError, match="forbidden"):
            plan_blocks(wanted, max_registers=125, forbidden=[forbidden])


def test_two_registers_per_read_keeps_numbers_whole() -> None:
    """A device that gives two registers at once is asked number by number."""
    blocks = plan_blocks([Span(3, n, 2) for n in range(0, 8, 2)], max_registers=2)

    assert [block.count for block in blocks] == [2, 2, 2, 2]
