"""The reads of one pile: which bus and unit each goes to, what it answered, whether it rests.

When they are done belongs to `modbus.py`, what they mean to the decoder.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from edge_agent.core.registers import NOT_READ, Span
from edge_agent.piles.modbus_bus import Bus
from edge_agent.piles.modbus_wire import Question, read_question, words_of

# Registers that a device refuses are asked for again this often, twice as seldom each time.
SET_ASIDE_S: Final = 60.0
SET_ASIDE_CAP_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Lane:
    """How one device of a pile is reached: a connection and a unit id on it."""

    bus: Bus
    unit: int


@dataclass(slots=True)
class Block:
    """Registers that are read with one question. `is_vital`: without it there is no status.

    With `every_s` they are read so often only.
    """

    span: Span
    bus: Bus
    question: Question
    is_vital: bool
    every_s: float = 0.0
    due_s: float = 0.0
    answer: bytes = b""
    is_set_aside: bool = False
    again_s: float = 0.0
    pause_s: float = field(default=SET_ASIDE_S)

    def __str__(self) -> str:
        first, last = self.span.address, self.span.end - 1
        unit = f"unit {self.question.unit}, function {self.span.function}"
        return f"{first:#06x} to {last:#06x} ({first} to {last}), {unit}"

    def set_aside(self, now_s: float) -> None:
        """Leaves it alone for a while, longer each time."""
        self.is_set_aside = True
        self.answer = b""
        self.again_s = now_s + self.pause_s
        self.pause_s = min(2 * self.pause_s, SET_ASIDE_CAP_S)

    def take_back(self) -> None:
        """Reads it with every poll again."""
        self.is_set_aside = False
        self.pause_s = SET_ASIDE_S


def plan(
    spans: Sequence[Span],
    vital: Collection[Span],
    lanes: Mapping[int, Lane],
    periods: Mapping[Span, float],
) -> list[Block]:
    """The blocks of a pile in the order of the decoder's spans; `lanes` by `Span.device`."""
    return [
        _block(span, lanes[span.device], span in vital, periods.get(span, 0.0)) for span in spans
    ]


def due(blocks: Sequence[Block], now_s: float, *, after_trouble: bool) -> Iterator[Block]:
    """The blocks of this poll: all of them after trouble, else without those that are fresh."""
    for block in blocks:
        if after_trouble or now_s >= block.due_s or not block.answer:
            yield block
            if block.answer:
                block.due_s = now_s + block.every_s


def _block(span: Span, lane: Lane, is_vital: bool, every_s: float) -> Block:
    question = read_question(lane.unit, span.function, span.address, span.count)
    return Block(span, lane.bus, question, is_vital, every_s)


def joined_words(blocks: Sequence[Block]) -> list[int]:
    """The words of all blocks in order, `NOT_READ` for those that are missing."""
    words: list[int] = []
    for block in blocks:
        span = block.span
        if block.answer:
            words.extend(words_of(span.function, block.answer, span.count))
        else:
            words.extend([NOT_READ] * span.count)
    return words
