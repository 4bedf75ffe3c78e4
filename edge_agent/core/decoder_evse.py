"""The words of a device become the reading of one EVSE.

Built once from the profile and what the device told of itself, so that each poll only runs
functions that are ready.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from edge_agent.core import faults
from edge_agent.core.plausibility import LIMITS
from edge_agent.core.point_reader import (
    IMPOSSIBLE,
    Place,
    raw_reader,
    raw_words,
    text_reader,
    value_reader,
)
from edge_agent.core.profile import VALUE_FIELDS, FaultMap, Point, Profile, StateMap
from edge_agent.core.profile_variants import as_told
from edge_agent.core.reading import Fault, Reading, StatusSource, Values
from edge_agent.core.registers import TEXT_KINDS, Number, Words
from edge_agent.core.status import PROFILE_WORDS, UNKNOWN_STATE, PileState

Locate = Callable[[Point], Place]
_Said = tuple[PileState, tuple[Fault, ...]]
_NOTHING: Final[_Said] = (UNKNOWN_STATE, ())
_BROKEN: Final = PROFILE_WORDS["Faulted"].status
_SOC: Final = VALUE_FIELDS.index("soc_pct")


class EvseDecoder:
    """Reads one EVSE; `told` is what the once-read points say, `locate` finds a point's words."""

    def __init__(
        self, evse_id: str, profile: Profile, told: Mapping[str, str], locate: Locate
    ) -> None:
        assert profile.state is not None  # checked by the decoder of the device
        self._evse_id = evse_id
        moving = {p.name: p for p in profile.points.values() if not p.once and not p.spare}
        points = {name: known for name, p in moving.items() if (known := as_told(p, told))}
        self._state = _state_reader(profile.state, points, locate)
        station = profile.station_state
        self._station = _state_reader(station, points, locate) if station else None
        self._faults = [
            (raw_reader(points[m.point], locate(points[m.point])), _FaultReader(m))
            for m in profile.fault_maps
            if m.point in points
        ]
        fed = {
            name: [(p, locate(p)) for p in points.values() if p.feeds == name]
            for name in VALUE_FIELDS
        }
        self._values = [
            (place, _combined(name, fed[name]), *LIMITS[name])
            for place, name in enumerate(VALUE_FIELDS)
            if fed[name]
        ]
        self._fed = fed

    def reading(self, words: Words) -> Reading:
        """What the joined words of the device say of this EVSE."""
        state, found = self._state(words)
        if self._station is not None:
            station, station_faults = self._station(words)
            if station is not UNKNOWN_STATE and station.plugged is None:
                state, found = station, station_faults
        if self._faults:
            coded, broken = self._coded(words)
            found = coded or found
            if broken:
                state = PileState(_BROKEN, state.iec, state.ocpp, state.plugged)
        numbers: list[float | None] = [None] * len(VALUE_FIELDS)
        doubted: list[str] = []
        for place, read, lowest, highest in self._values:
            value = read(words)
            if value is None:
                continue
            if lowest <= value <= highest:
                numbers[place] = value
            else:
                doubted.append(VALUE_FIELDS[place])
        if state.plugged is False:
            numbers[_SOC] = None  # idle devices show 0 or the last car's
        return Reading(
            self._evse_id,
            state.status,
            StatusSource.MODBUS,
            state.iec,
            state.ocpp,
            Values(*numbers),
            found,
            state.plugged,
            bool(doubted),
            self._doubt(doubted, words) if doubted else "",
        )

    def _doubt(self, names: Sequence[str], words: Words) -> str:
        """The raw words of values that cannot be true."""
        return "; ".join(
            f"{name} from {point.name} = {raw_words(point, start, words)}"
            for name in names
            for point, start in self._fed[name]
        )

    def _coded(self, words: Words) -> tuple[tuple[Fault, ...], bool]:
        found: tuple[Fault, ...] = ()
        broken = False
        for read, meaning in self._faults:
            raw = read(words)
            if raw:
                some, breaks = meaning.of(int(raw))
                found += some
                broken = broken or breaks
        return found, broken


class _FaultReader:
    """What an error number or error bits that are not 0 mean."""

    def __init__(self, fault_map: FaultMap) -> None:
        self._map = fault_map
        first = fault_map.first_bit
        if not fault_map.bits:
            self._numbers = dict(fault_map.codes)
            return
        self._codes = {raw - first: c for raw, c in fault_map.codes.items()}
        self._ignored_bits = sum(1 << (bit - first) for bit in fault_map.ignored)
        self._warning_bits = sum(1 << (bit - first) for bit in fault_map.warnings)

    def of(self, raw: int) -> tuple[tuple[Fault, ...], bool]:
        """The faults, and whether any of them stops the pile."""
        known = self._map
        if known.bits:
            raw &= ~self._ignored_bits
            first, codes = known.first_bit, self._codes
            found = faults.from_bits(raw, codes, otherwise=known.otherwise, first_bit=first)
            grave = faults.from_bits(
                raw & ~self._warning_bits, codes, otherwise=known.otherwise, first_bit=first
            )
        else:
            ignored = raw in known.ignored
            found = (
                () if ignored else faults.from_code(raw, self._numbers, otherwise=known.otherwise)
            )
            grave = () if raw in known.warnings else found
        stops = known.out_of_order and any(not faults.blameless(fault.code) for fault in grave)
        return found, stops


def _state_reader(
    state_map: StateMap, points: Mapping[str, Point], locate: Locate
) -> Callable[[Words], _Said]:
    point = points.get(state_map.point)
    if point is None:
        return lambda words: _NOTHING
    plain: dict[Number | str, _Said] = {}
    asking: dict[Number | str, tuple[Callable[[Words], Number | None], int, _Said, _Said]] = {}
    for raw, rule in state_map.rules.items():
        code = state_map.implied_faults.get(raw, "")
        named = (Fault(code, f"state {raw}", faults.name_of(code)),) if code else ()
        then = (PROFILE_WORDS[rule.word], named)
        other = points.get(rule.when)
        if not rule.when:
            plain[raw] = then
        elif other is None:
            plain[raw] = (PROFILE_WORDS[rule.otherwise], named)
        else:
            seen = raw_reader(other, locate(other))
            asking[raw] = (seen, rule.at_least, then, (PROFILE_WORDS[rule.otherwise], named))
    read: Callable[[Words], Number | str | None] = (
        text_reader(point, locate(point))
        if point.kind in TEXT_KINDS
        else raw_reader(point, locate(point))
    )

    def said(words: Words) -> _Said:
        raw = read(words)
        if raw is None:
            return _NOTHING
        found = plain.get(raw)
        if found is not None:
            return found
        rule = asking.get(raw)
        if rule is None:
            return _NOTHING
        seen, at_least, then, otherwise = rule
        number = seen(words)
        return then if number is not None and number >= at_least else otherwise

    return said


def _combined(name: str, points: Sequence[tuple[Point, Place]]) -> Callable[[Words], float | None]:
    """Of phases the largest current and voltage count, and the powers add up."""
    readers = [value_reader(point, start) for point, start in points]
    if len(readers) == 1:
        return readers[0]
    total = name == "power_kw"

    def combined(words: Words) -> float | None:
        numbers = [number for read in readers if (number := read(words)) is not None]
        if not numbers:
            return None
        if total:
            # An impossible number must not meet its opposite.
            return IMPOSSIBLE if IMPOSSIBLE in map(abs, numbers) else sum(numbers)
        return max(numbers)

    return combined
