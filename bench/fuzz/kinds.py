"""How many inputs of each kind a door gets."""

from __future__ import annotations

import random

from bench.fuzz.input import Kind

# Half of all inputs are valid frames that were changed.
SHARES: tuple[tuple[Kind, float], ...] = (("hostile", 0.33), ("random", 0.1), ("valid", 0.07))


def kinds(rng: random.Random, count: int) -> list[Kind]:
    """Kinds for so many inputs, in their shares to the last one, in any order.

    >>> made = kinds(random.Random(1), 100)
    >>> [made.count(kind) for kind in ("mutated", "hostile", "random", "valid")]
    [50, 33, 10, 7]
    """
    made: list[Kind] = []
    for kind, share in SHARES:
        made += [kind] * int(count * share)
    made += ["mutated"] * (count - len(made))
    rng.shuffle(made)
    return made
