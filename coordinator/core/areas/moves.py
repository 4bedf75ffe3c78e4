"""From a joint plan to the fewest moves that carry it out, each safe by itself.

Pure. A move across stations waits for its car's word, so a place is given up only once the car
before has gone: chains run from their free end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.core.areas.assignment import NOWHERE

LONGEST_CHAIN = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What the plan wants of one car: from this EVSE and turn to that one.

    `gain_s` is what is saved by it, by level and less what a turn must be worth; `own_gain_s` what
    the car itself saves, negative where it makes room for others. `told`: it knows the pile. A car
    without a place comes from `NOWHERE`.

    Source: paper 2.3.1.
    """

    car: int
    evse: int
    turn: int
    station: int
    to_evse: int
    to_turn: int
    to_station: int
    gain_s: float
    told: bool = False
    own_gain_s: float = 0.0

    @property
    def across(self) -> bool:
        """Whether the car is sent to another station."""
        return self.station != self.to_station

    @property
    def needs_word(self) -> bool:
        """Whether the car must accept first: across stations, or once it knows the pile.

        Who has no place keeps none meanwhile, and is not asked. Source: paper 2.3.1.
        """
        return self.evse != NOWHERE and (self.across or self.told)


def chains(wishes: Sequence[Wish], promised: dict[int, int]) -> list[tuple[Wish, ...]]:
    """The moves that can be carried out, each chain in order, from its free end.

    `promised` counts the cars on their way to each EVSE now. A move whose place is not free waits
    for one that leaves there; what would take more than three steps, or turns in a circle, is left
    out, and so is a move that only makes room for what was left out.

    Source: paper 2.3.1 (conflicts are solved by the smallest change).

    >>> first = Wish(0, 1, 0, station=1, to_evse=2, to_turn=0, to_station=2, gain_s=-60.0)
    >>> second = Wish(1, 3, 0, station=3, to_evse=1, to_turn=0, to_station=1, gain_s=400.0)
    >>> [[wish.car for wish in chain] for chain in chains([second, first], {1: 1, 3: 1})]
    [[0, 1]]
    """
    moving = [wish for wish in wishes if wish.evse != wish.to_evse]
    leaving: dict[int, list[Wish]] = {}
    for wish in sorted(moving, key=lambda wish: (wish.turn, wish.car)):
        leaving.setdefault(wish.evse, []).append(wish)
    taken = dict(promised)
    made: list[list[Wish]] = []
    after: dict[int, Wish] = {}  # by the car that goes first, who follows it
    roots: list[Wish] = []
    for wish in sorted(moving, key=lambda wish: (wish.to_evse, wish.to_turn, wish.car)):
        if taken.get(wish.to_evse, 0) <= wish.to_turn:
            taken[wish.to_evse] = taken.get(wish.to_evse, 0) + 1
            roots.append(wish)
        elif leaving.get(wish.to_evse):
            after[leaving[wish.to_evse].pop(0).car] = wish
    for root in roots:
        chain = [root]
        while len(chain) < LONGEST_CHAIN and chain[-1].car in after:
            chain.append(after[chain[-1].car])
        made.append(chain)
    return [tuple(kept) for chain in made if (kept := _worth(chain))]


def _worth(chain: list[Wish]) -> list[Wish]:
    """The chain up to the step after which all have gained most together; none if none gain."""
    total_s, best_s, best = 0.0, 0.0, 0
    for count, wish in enumerate(chain, start=1):
        total_s += wish.gain_s
        if total_s > best_s:
            best_s, best = total_s, count
    return chain[:best]
