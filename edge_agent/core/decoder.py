"""Raw registers of one device become readings, as its profile says."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edge_agent.core import faults
from edge_agent.core.plausibility import plausible
from edge_agent.core.profile import FACT_FIELDS, VALUE_FIELDS, Point, Profile, StateMap
from edge_agent.core.reading import Fault, Reading, StatusSource, Values
from edge_agent.core.registers import (
    TEXT_KINDS,
    Number,
    Span,
    decode_text,
    number_decoder,
    plan_blocks,
)
from edge_agent.core.status import PROFILE_WORDS, UNKNOWN_STATE, PileState


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What the registers tell of the device itself; empty where they do not."""

    maker: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""


Words = Sequence[int]
_Read = Callable[[Words], Number | None]


class Decoder:
    """Turns the words of one device into readings; built once per pile.

    `each` and `once` are the reads to do, in order; the words of those reads, joined in the same
    order, go into `readings` and `facts`. EVSE n (from 1) lives at register + stride x n.
    """

    def __init__(self, profile: Profile, evse_ids: Sequence[str]) -> None:
        if profile.state is None:
            raise ValueError(f"profile {profile.profile_id} has no register map")
        self._profile = profile
        self._state = profile.state
        self._evse_ids = tuple(evse_ids)
        self.each = self._plan(once=False)
        self.once = self._plan(once=True)
        each_index = _index(self.each)
        once_index = _index(self.once)
        moving = [point for point in profile.points.values() if not point.once]
        self._moving = [
            {p.name: _reader(p, self._address(p, n), each_index) for p in moving}
            for n in range(1, len(self._evse_ids) + 1)
        ]
        self._fixed = {
            p.feeds: (p, once_index[p.function, self._address(p, 1)])
            for p in profile.points.values()
            if p.once and p.feeds in FACT_FIELDS
        }

    def readings(self, words: Words) -> tuple[Reading, ...]:
        """One reading for each EVSE, from the joined words of the `each` reads."""
        return tuple(
            self._reading(evse_id, {name: read(words) for name, read in readers.items()})
            for evse_id, readers in zip(self._evse_ids, self._moving, strict=True)
        )

    def facts(self, words: Words) -> DeviceFacts:
        """What the joined words of the `once` reads tell of the device."""
        found = {
            name: decode_text(words[start : start + point.words], point.kind)
            for name, (point, start) in self._fixed.items()
        }
        return DeviceFacts(**found)

    def _reading(self, evse_id: str, raw: Mapping[str, Number | None]) -> Reading:
        state, state_faults = _state_of(self._state, raw)
        if self._profile.station_state is not None:
            station, station_faults = _state_of(self._profile.station_state, raw)
            if station is not UNKNOWN_STATE and station.plugged is None:
                state, state_faults = station, station_faults
        coded, broken = self._faults(raw)
        found = coded or state_faults
        if broken:
            state = PileState(PROFILE_WORDS["Faulted"].status, state.iec, state.ocpp, state.plugged)
        values, suspect = plausible(self._values(raw))
        if state.plugged is False and values.soc_pct is not None:
            values = replace(values, soc_pct=None)  # idle devices show 0 or the last car's
        return Reading(
            evse_id=evse_id,
            status=state.status,
            source=StatusSource.MODBUS,
            iec=state.iec,
            ocpp=state.ocpp,
            values=values,
            faults=found,
            plugged=state.plugged,
            suspect=suspect,
        )

    def _values(self, raw: Mapping[str, Number | None]) -> Values:
        found: dict[str, list[float]] = {}
        for name, number in raw.items():
            point = self._profile.points[name]
            if number is not None and point.feeds in VALUE_FIELDS:
                found.setdefault(point.feeds, []).append(number * point.scale)
        # Of phases the largest current and voltage count, and the powers add up.
        return Values(
            **{
                name: sum(numbers) if name == "power_kw" else max(numbers)
                for name, numbers in found.items()
            }
        )

    def _faults(self, raw: Mapping[str, Number | None]) -> tuple[tuple[Fault, ...], bool]:
        found: list[Fault] = []
        broken = False
        for fault_map in self._profile.fault_maps:
            number = raw[fault_map.point]
            if number is None:
                continue
            read = faults.from_bits if fault_map.bits else faults.from_code
            some = read(int(number), dict(fault_map.codes), otherwise=fault_map.otherwise)
            found.extend(some)
            broken = broken or (bool(some) and fault_map.out_of_order)
        return tuple(found), broken

    def _address(self, point: Point, connector: int) -> int:
        return point.register + (0 if point.station else self._profile.connector_stride * connector)

    def _plan(self, *, once: bool) -> tuple[Span, ...]:
        spans = [
            Span(point.function, self._address(point, n), point.words)
            for point in self._profile.points.values()
            for n in range(1, len(self._evse_ids) + 1)
            if point.once is once
        ]
        return plan_blocks(
            spans,
            max_registers=self._profile.max_registers,
            forbidden=self._profile.forbidden,
            bridge_registers=self._profile.bridge_registers,
        )


def _index(blocks: Sequence[Span]) -> dict[tuple[int, int], int]:
    """Where each (function, address) stands in the joined words."""
    index: dict[tuple[int, int], int] = {}
    position = 0
    for block in blocks:
        for offset in range(block.count):
            index.setdefault((block.function, block.address + offset), position + offset)
        position += block.count
    return index


def _reader(point: Point, address: int, index: Mapping[tuple[int, int], int]) -> _Read:
    start = index[point.function, address]
    end = index[point.function, address + point.words - 1] + 1
    if end - start != point.words:
        raise ValueError(f"point {point.name} is torn apart by the read limit")
    if point.kind in TEXT_KINDS:
        return lambda words: None
    decode = number_decoder(point.kind, point.word_order)
    shift, mask, absent = point.shift, point.mask, point.absent

    def read(words: Words) -> Number | None:
        try:
            raw = decode(words[start:end])
        except struct.error:
            return None  # a register that could not be read stands as no word at all
        if raw in absent or raw != raw:  # NaN is never equal to itself
            return None
        if mask is not None and isinstance(raw, int):
            return raw >> shift & mask
        return raw

    return read


def _state_of(
    state_map: StateMap, raw: Mapping[str, Number | None]
) -> tuple[PileState, tuple[Fault, ...]]:
    number = raw[state_map.point]
    rule = state_map.rules.get(int(number)) if number is not None else None
    if number is None or rule is None:
        return UNKNOWN_STATE, ()
    word = rule.word
    if rule.when:
        seen = raw[rule.when]
        word = rule.word if seen is not None and seen >= rule.at_least else rule.otherwise
    implied = state_map.implied_faults.get(int(number), "")
    named = (Fault(implied, f"state {int(number)}", faults.name_of(implied)),) if implied else ()
    return PROFILE_WORDS[word], named
