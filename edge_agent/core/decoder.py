"""Raw registers of one device become readings, as its profile says.

What one connector's registers mean is worked out by `decoder_evse.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_agent.core.decoder_evse import EvseDecoder
from edge_agent.core.point_reader import Place, told_text
from edge_agent.core.profile import FACT_FIELDS, Point, Profile
from edge_agent.core.profile_variants import as_told
from edge_agent.core.reading import Reading
from edge_agent.core.registers import STATION_DEVICE, Span, Words, plan_blocks


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What the registers tell of the device itself; empty where they do not."""

    maker: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""


class Decoder:
    """Turns the words of one device into readings; built once per pile.

    `each` and `once` are the reads to do, in order; the words of those reads, joined in the same
    order, go into `readings` and `facts`, with `NOT_READ` for words that did not come. What a
    point means may depend on firmware or product: until `facts` has heard of them such points
    have no value. `vital` are the reads without which there is no status; `periods` tells for
    some reads that they are done so often only.
    """

    def __init__(self, profile: Profile, evse_ids: Sequence[str]) -> None:
        if profile.state is None:
            raise ValueError(f"profile {profile.profile_id} has no register map")
        self._profile = profile
        self._evse_ids = tuple(evse_ids)
        points = profile.points.values()
        connectors = range(1, len(self._evse_ids) + 1)
        wanted = [
            (span_of(profile, p, n), p.every_s)
            for p in points
            if not p.once and not p.spare
            for n in connectors
        ]
        self.each, self.periods = self._plan_each(wanted)
        # What a device tells of itself is read at its first connector.
        self.once = self._plan(span_of(profile, p, 1) for p in points if p.once)
        state = profile.points[profile.state.point]
        states = {span_of(profile, state, n) for n in connectors}
        self.vital = frozenset(
            block for block in self.each if any(overlap(block, span) for span in states)
        )
        self._told: dict[str, str] = {}
        self._evses = self._build()

    @property
    def told(self) -> Mapping[str, str]:
        """What the once-read points have said, by name of the point."""
        return self._told

    @property
    def waits_for_facts(self) -> bool:
        """True while points have no value because nothing has told yet what they mean."""
        conditions = {
            condition.point
            for point in self._profile.points.values()
            for variant in point.variants
            for condition in variant.conditions
        }
        return any(not self._told.get(name) for name in conditions)

    def readings(self, words: Words) -> tuple[Reading, ...]:
        """One reading for each EVSE, from the joined words of the `each` reads."""
        return tuple([evse.reading(words) for evse in self._evses])

    def facts(self, words: Words) -> DeviceFacts:
        """What the joined words of the `once` reads tell of the device; readings go by it."""
        told: dict[str, str] = {}
        once = [point for point in self._profile.points.values() if point.once]
        # What decides stands before what depends on it.
        for point in sorted(once, key=lambda p: bool(p.variants)):
            known = as_told(point, told)
            if known is not None:
                place = self._place(known, 1, self.once)
                told[point.name] = told_text(known, place, words)
        if told != self._told:
            self._told = told
            self._evses = self._build()
        return DeviceFacts(
            **{p.feeds: told[p.name] for p in once if p.feeds in FACT_FIELDS and p.name in told}
        )

    def _build(self) -> list[EvseDecoder]:
        return [
            EvseDecoder(
                evse_id,
                self._profile,
                self._told,
                lambda point, n=n: self._place(point, n, self.each),  # type: ignore[misc]
            )
            for n, evse_id in enumerate(self._evse_ids, 1)
        ]

    def _place(self, point: Point, connector: int, blocks: Sequence[Span]) -> Place:
        start = place_of(span_of(self._profile, point, connector), blocks)
        if start is None:
            raise ValueError(f"point {point.name} is torn apart by the read limit")
        return start

    def _plan_each(
        self, wanted: Sequence[tuple[Span, float]]
    ) -> tuple[tuple[Span, ...], dict[Span, float]]:
        """The reads of every poll, then those that are done more seldom, with their periods."""
        # A word that two points with different periods share is read with every poll.
        often = {
            span
            for span, every_s in wanted
            if not every_s or any(s != every_s and overlap(span, other) for other, s in wanted)
        }
        fast = self._plan(often)
        blocks, periods = list(fast), dict[Span, float]()
        for period_s in sorted({every_s for span, every_s in wanted if span not in often}):
            # What the fast reads hold whole need not be read again; a part of it is not enough.
            group = [
                span
                for span, every_s in wanted
                if every_s == period_s and place_of(span, fast) is None
            ]
            for block in self._plan(group):
                periods[block] = period_s
                blocks.append(block)
        return tuple(blocks), periods

    def _plan(self, spans: Iterable[Span]) -> tuple[Span, ...]:
        return plan_blocks(
            spans,
            max_registers=self._profile.max_registers,
            forbidden=self._profile.forbidden,
            bridge_registers=self._profile.bridge_registers,
        )


def span_of(profile: Profile, point: Point, connector: int) -> Span:
    """The registers of a point for a connector, counted from 1, and the device that has them."""
    if point.station:
        device = 0 if profile.station_device_id is None else STATION_DEVICE
        return Span(point.function, point.register, point.words, device)
    address = profile.address_of(point.register, connector)
    return Span(point.function, address, point.words, profile.device_of(connector))


def overlap(one: Span, other: Span) -> bool:
    """True where two reads have a word in common."""
    same = (one.device, one.function) == (other.device, other.function)
    return same and one.address < other.end and other.address < one.end


def place_of(span: Span, blocks: Sequence[Span]) -> Place | None:
    """Where a span begins in the joined words of reads; None where it is nowhere whole.

    It lies in one read, or in several that follow one another.

    >>> place_of(Span(3, 4, 2), [Span(3, 0, 2), Span(3, 3, 4)])
    3
    """
    position = 0
    for i, block in enumerate(blocks):
        if overlap(block, span) and block.address <= span.address:
            end = block.end
            for after in blocks[i + 1 :]:
                follows = (after.device, after.function, after.address)
                if end >= span.end or follows != (block.device, block.function, end):
                    break
                end = after.end
            if end >= span.end:
                return position + span.address - block.address
        position += block.count
    return None
