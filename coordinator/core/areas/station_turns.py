"""Whose turn is next at the plugs of one station, in order of need and of what was promised.

Pure. Plugs here are alike to every car; seconds count from now. Claims and words are made in
`usecases/taking_turns.py`; which station a car should drive to is in `assignment.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.core.areas.assignment import GREATEST_LOSS_S

NEVER_S = 1e6  # when a turn begins at a plug that is of no use
WORTH_S = 15.0  # by how much a level must gain in all before anybody is told anything


@dataclass(frozen=True, slots=True)
class Guest:
    """A car that was promised a plug of this station.

    `here_s` is when it is there, 0 if it stands there; `promised_s` when it was to begin. A car
    that knows its plug and is on its way may only gain; one that is `fixed` keeps its turn.

    Source: paper 2.3.1.
    """

    level: int
    plug: int
    here_s: float
    promised_s: float
    stay_s: float
    told: bool = False
    fixed: bool = False

    @property
    def loss_s(self) -> float:
        """By how much its turn may be put off."""
        return 0.0 if self.told else GREATEST_LOSS_S


@dataclass(frozen=True, slots=True)
class Turn:
    """Which plug a car gets, and when it begins there. Source: paper 2.3.1."""

    plug: int
    begin_s: float


def soonest(left_s: Sequence[float]) -> list[float]:
    """When plugs should be free whose cars stay for so long in the mean, each by itself.

    Of several of which nobody knows, one is free much sooner than each, another one much later: the
    j-th of n even ones at 2 j / (n + 1) of their mean.

    Source: US 12,393,974 B2, step 330 (estimated queuing time). Departs: of several piles at once.

    >>> soonest([600.0]), soonest([900.0, 600.0, 600.0])
    ([600.0], [1350.0, 300.0, 600.0])
    """
    order = sorted(range(len(left_s)), key=lambda n: left_s[n])
    made = list(left_s)
    for place, number in enumerate(order, start=1):
        made[number] = left_s[number] * 2.0 * place / (len(left_s) + 1)
    return made


def promised(guests: Sequence[Guest], ready_s: Sequence[float]) -> list[Turn]:
    """The turns as they stand: each car at its own plug, in the order given.

    Source: paper 2.3.1.
    """
    ready, made = list(ready_s), []
    for guest in guests:
        begin_s = min(max(ready[guest.plug], guest.here_s), NEVER_S)
        made.append(Turn(guest.plug, begin_s))
        ready[guest.plug] = begin_s + guest.stay_s
    return made


def in_turn(guests: Sequence[Guest], ready_s: Sequence[float]) -> list[Turn] | None:
    """Better turns for cars given in the order of their turns at each plug; None if there are none.

    No plug stands free while a car waits: the next one is that of the highest level, then of the
    earliest promise. Nobody loses more than it may, and no level so that a lower one gains.

    Source: paper 2.3.1 (conflicts are solved inside the promised area first). Departs: the paper
    promises one pile; who waits at a station takes whichever of its piles is free first.

    >>> here = Guest(3, plug=0, here_s=0.0, promised_s=0.0, stay_s=1800.0)
    >>> comes = Guest(3, plug=1, here_s=600.0, promised_s=600.0, stay_s=1800.0)
    >>> in_turn([here, comes], [660.0, 0.0])
    [Turn(plug=1, begin_s=0.0), Turn(plug=0, begin_s=660.0)]
    >>> in_turn([here, comes], [0.0, 660.0]) is None
    True
    """
    before = promised(guests, ready_s)
    latest_s = [turn.begin_s + guest.loss_s for guest, turn in zip(guests, before, strict=True)]
    kept = {number for number, guest in enumerate(guests) if guest.fixed}
    while len(kept) < len(guests):
        made = _planned(guests, ready_s, latest_s, _with_those_before(guests, kept))
        losers = [
            number
            for number, turn in enumerate(made)
            if turn.begin_s > latest_s[number] and number not in kept
        ]
        if not losers:
            return made if _worth(guests, before, made) else None
        kept.update(losers)
    return None


def _with_those_before(guests: Sequence[Guest], kept: set[int]) -> set[int]:
    """Who keeps a turn, and who is before one of them at the same plug."""
    last = {guests[number].plug: number for number in sorted(kept)}
    return {n for n, guest in enumerate(guests) if n <= last.get(guest.plug, -1)}


def _planned(
    guests: Sequence[Guest], ready_s: Sequence[float], latest_s: Sequence[float], kept: set[int]
) -> list[Turn]:
    """Turns in which those who keep theirs go first, and no plug stands free for the others.

    Whoever would lose too much by waiting for the plug after the next gets the next one.
    """
    ready = list(ready_s)
    made: dict[int, Turn] = {}
    for number in sorted(kept):
        guest = guests[number]
        begin_s = min(max(ready[guest.plug], guest.here_s), NEVER_S)
        made[number] = Turn(guest.plug, begin_s)
        ready[guest.plug] = begin_s + guest.stay_s
    waiting = [number for number in range(len(guests)) if number not in kept]
    while waiting:
        at_s = max(min(ready), min(guests[number].here_s for number in waiting))
        present = [number for number in waiting if guests[number].here_s <= at_s]
        after_s = sorted(ready)[1] if len(ready) > 1 else NEVER_S
        pressed = [number for number in present if latest_s[number] < after_s]
        number = min(pressed or present, key=lambda n: (guests[n].level, guests[n].promised_s, n))
        guest = guests[number]
        free = [plug for plug, plug_s in enumerate(ready) if plug_s <= at_s]
        plug = guest.plug if guest.plug in free else max(free, key=lambda p: (ready[p], -p))
        made[number] = Turn(plug, min(at_s, NEVER_S))
        ready[plug] = at_s + guest.stay_s
        waiting.remove(number)
    return [made[number] for number in range(len(guests))]


def _worth(guests: Sequence[Guest], before: Sequence[Turn], made: Sequence[Turn]) -> bool:
    """Whether the highest level to which it makes a difference gains."""
    for level in sorted({guest.level for guest in guests}):
        gain_s = sum(
            before[number].begin_s - made[number].begin_s
            for number, guest in enumerate(guests)
            if guest.level == level
        )
        if abs(gain_s) >= WORTH_S:
            return gain_s > 0.0
    return False
