"""How well a profile fits what a device answers, and whether its words come in another order.

Reading the device belongs to `edge_agent.piles.modbus_survey`, telling people to the commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge_agent.core.decoder import Decoder, span_of
from edge_agent.core.plausibility import LIMITS
from edge_agent.core.point_reader import IMPOSSIBLE, text_reader, value_reader
from edge_agent.core.profile import FACT_FIELDS, Point, Profile
from edge_agent.core.profile_variants import as_told
from edge_agent.core.reading import EvseStatus, Reading
from edge_agent.core.registers import NOT_READ, NUMBER_KINDS, TEXT_KINDS, Span

FREQUENCY_HZ: Final = (49.0, 51.0)
UNITS: Final = {
    "power_kw": "kW",
    "energy_kwh": "kWh",
    "session_energy_kwh": "kWh",
    "current_a": "A",
    "voltage_v": "V",
    "soc_pct": "%",
    "temperature_c": "°C",
}
# What speaks for a profile and against it. Identity weighs most, then numbers that only fit by
# being read rightly; a known state number is weak, because small numbers are known to all.
_IDENTITY: Final = 10
_MEASURED: Final = 4
_STATE: Final = 2
_REFUSED: Final = -1
Place = tuple[int, int, int]
"""Device, function and address of a word."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One point as the device shows it; `words` is empty where it refused."""

    point: Point
    span: Span
    connector: int
    words: tuple[int, ...]
    value: float | str | None
    unit: str
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a profile fits: points for and against with their reasons, and what was seen.

    `swapped` tells that voltages and frequency make sense in the other word order only.
    """

    profile: Profile
    score: int
    reasons: tuple[str, ...]
    seen: tuple[Seen, ...]
    readings: tuple[Reading, ...]
    swapped: bool = False

    def fits(self, *, named: bool) -> bool:
        """True where more speaks for the profile than its state numbers alone.

        They are enough for a profile that somebody named: models without a meter show no more.
        """
        return bool(self.readings) and self.score > (0 if named else _STATE)


def weigh(profile: Profile, words: Mapping[Place, int]) -> Fit:
    """How well the profile fits words that were read; those that are missing were refused."""
    count = max(1, len(profile.connectors))
    decoder = Decoder(profile, [f"EVSE {n}" for n in range(1, count + 1)])
    decoder.facts(_joined(decoder.once, words))
    seen = _all_seen(profile, decoder.told, words, count)
    vital = [b for b in decoder.vital if NOT_READ not in _joined((b,), words)]
    if len(vital) < len(decoder.vital):
        return Fit(profile, -100, ("the state cannot be read",), tuple(seen), ())
    readings = decoder.readings(_joined(decoder.each, words))
    swapped = _is_swapped(profile, seen)
    # What makes sense the other way round is measured that way: it is no accident either.
    turned = _all_seen(other_order(profile), decoder.told, words, count) if swapped else seen
    weights = [
        *_identity(profile, seen),
        *_states(readings),
        *_measured(profile, turned),
        *_refused(decoder, words),
    ]
    if swapped:
        seen = [_doubted(profile, one) for one in seen]
    return Fit(
        profile,
        score=sum(points for points, _ in weights),
        reasons=tuple(f"{points:+d} {reason}" for points, reason in weights),
        seen=tuple(seen),
        readings=readings,
        swapped=swapped,
    )


def other_order(profile: Profile) -> Profile:
    """The profile with the words of every number of several words the other way round."""
    points = {
        name: _turned(p) if p.words > 1 and p.kind in NUMBER_KINDS else p
        for name, p in profile.points.items()
    }
    return replace(profile, points=points)


def limits_of(profile: Profile, point: Point) -> tuple[float, float] | None:
    """Between what a point has to be for the grid to be the grid; None where anything goes."""
    if point.name == profile.probe.frequency:
        return FREQUENCY_HZ
    return profile.probe.voltage_v if point.feeds == "voltage_v" else None


def _all_seen(
    profile: Profile, told: Mapping[str, str], words: Mapping[Place, int], count: int
) -> list[Seen]:
    found = []
    for point in profile.points.values():
        alone = point.station or point.once
        for connector in range(1, 2 if alone else count + 1):
            span = span_of(profile, point, connector)
            raw = _joined((span,), words)
            known = as_told(point, told) or point
            ok = NOT_READ not in raw
            value = _value(known, raw) if ok else None
            unit = point.unit or UNITS.get(point.feeds, "")
            found.append(Seen(known, span, connector, tuple(raw) if ok else (), value, unit))
    return found


def _value(point: Point, raw: list[int]) -> float | str | None:
    if point.kind in TEXT_KINDS:
        return text_reader(point, 0)(raw)
    value = value_reader(point, 0)(raw)
    return None if value == IMPOSSIBLE else value


def _identity(profile: Profile, seen: Sequence[Seen]) -> list[tuple[int, str]]:
    told = {one.point.name: one.value for one in seen if one.point.once}
    found = []
    for name, pattern in profile.probe.identity.items():
        text = told.get(name)
        text = f"{text:g}" if isinstance(text, float) else str(text or "")
        if re.match(pattern, text):
            found.append((_IDENTITY, f'{name} is "{text}"'))
        elif text:
            found.append((-_IDENTITY, f'{name} is "{text}", not {pattern}'))
        else:
            found.append((-_STATE, f"{name} is not told"))
    for one in seen:
        named = one.point.feeds in FACT_FIELDS and one.point.name not in profile.probe.identity
        if named and one.point.kind == "ascii" and isinstance(one.value, str):
            readable = len(one.value) > 2 and not set(one.value) & {"?", "\ufffd"}
            found.append((_STATE if readable else -_STATE, f'{one.point.name} reads "{one.value}"'))
    return found


def _states(readings: tuple[Reading, ...]) -> list[tuple[int, str]]:
    unknown = sum(reading.status is EvseStatus.UNKNOWN for reading in readings)
    if unknown:
        return [(-2 * _STATE, f"{unknown} of {len(readings)} states are unknown to the profile")]
    return [(_STATE, "every state is known to the profile")]


def _measured(profile: Profile, seen: Sequence[Seen]) -> list[tuple[int, str]]:
    found = []
    for one in seen:
        limits = limits_of(profile, one.point)
        if limits is None or not isinstance(one.value, float | int) or one.value == 0:
            continue
        good = _inside(one.value, limits)
        shown = f"{one.point.name} = {one.value:g}"
        found.append((_MEASURED if good else -_MEASURED, shown))
    doubtful = [one.point.name for one in seen if _is_absurd(one)]
    if doubtful:
        found.append((-_MEASURED, f"cannot be true: {', '.join(doubtful)}"))
    return found


def _is_absurd(one: Seen) -> bool:
    """A number that no pile can show, wherever its grid is."""
    limits = LIMITS.get(one.point.feeds)
    if limits is None or not isinstance(one.value, float | int):
        return False
    return not _inside(one.value, limits)


def _refused(decoder: Decoder, words: Mapping[Place, int]) -> list[tuple[int, str]]:
    missing = [b for b in (*decoder.each, *decoder.once) if NOT_READ in _joined((b,), words)]
    if not missing:
        return []
    where = ", ".join(f"{b.function}:{b.address}+{b.count}" for b in missing)
    return [(_REFUSED * len(missing), f"refused: {where}")]


def _is_swapped(profile: Profile, seen: Sequence[Seen]) -> bool:
    """True where all that can be judged is wrong as told and right in the other order."""
    judged = [
        one
        for one in seen
        if limits_of(profile, one.point)
        and one.point.words > 1
        and one.point.kind in NUMBER_KINDS
        and any(one.words)
    ]
    return bool(judged) and all(_fits_turned(profile, one) for one in judged)


def _fits_turned(profile: Profile, one: Seen) -> bool:
    limits = limits_of(profile, one.point)
    assert limits is not None
    right = _inside(value_reader(_turned(one.point), 0)(one.words), limits)
    return right and not _inside(one.value, limits)


def _inside(value: float | str | None, limits: tuple[float, float]) -> bool:
    return isinstance(value, float | int) and limits[0] <= value <= limits[1]


def _turned(point: Point) -> Point:
    return replace(point, word_order="big" if point.word_order == "little" else "little")


def _doubted(profile: Profile, one: Seen) -> Seen:
    if limits_of(profile, one.point) and one.point.words > 1 and any(one.words):
        return replace(one, doubt="word order")
    return one


def _joined(spans: Sequence[Span], words: Mapping[Place, int]) -> list[int]:
    return [
        words.get((span.device, span.function, span.address + offset), NOT_READ)
        for span in spans
        for offset in range(span.count)
    ]
