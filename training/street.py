"""Made-up streets of connectors and their states over time, in the shape of a real feed.

Figures are those of the Irish public network in November 2018: how long cars stay, how often and
how long connectors are out of service or out of contact. What is learned from the states is in
`arrival.py`; fleets with a known failure rate are in `fleet.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.sources import (
    AVAILABLE,
    OCCUPIED,
    OUT_OF_CONTACT,
    OUT_OF_SERVICE,
    Connectors,
    Intervals,
)

DAY_S = 86_400.0
BEGIN_S = 1_790_035_200.0 - 1_790_035_200.0 % DAY_S  # a midnight
TYPES = ("ComboCCS", "StandardType2")
RAPID_SHARE = 0.4
# Stays, minutes: median and spread of the logarithm; the means are 32 and 92 min.
STAY_MIN = {"ComboCCS": (26.0, 0.64), "StandardType2": (45.0, 1.2)}
ARRIVALS_A_DAY, POPULARITY_SPREAD = 2.8, 0.9
# Outages: most last minutes, some days, a few for good.
OUTAGES_A_DAY, OUTAGE_SPREAD = 0.05, 1.4
REPAIR_H = ((0.65, 0.35, 1.0), (0.35, 4.0, 1.6))
OUT_FOR_GOOD = 0.05
SILENCES_A_DAY, SILENCE_H, SILENCE_SPREAD = 0.05, 3.0, 1.8
BROKEN_BEHIND_SILENCE = 0.15


@dataclass(frozen=True, slots=True)
class Street:
    """Connectors and their states; depends on the seed alone."""

    connectors: Connectors
    intervals: Intervals


def generate_street(seed: int, addresses: int = 150, days: int = 28) -> Street:
    """Two to six connectors at each address, for so many days."""
    rng = np.random.default_rng([seed, 8])
    sizes = rng.integers(2, 7, addresses)
    address = np.repeat(np.arange(addresses), sizes)
    kind = (rng.random(len(address)) >= RAPID_SHARE).astype(np.intp)
    popular = np.exp(rng.normal(-(POPULARITY_SPREAD**2) / 2.0, POPULARITY_SPREAD, addresses))
    connectors = Connectors(
        tuple(str(number) for number in range(len(address))),
        kind,
        np.arange(len(address), dtype=np.intp),
        address.astype(np.intp),
        np.zeros(len(address), dtype=np.intp),
        TYPES,
    )
    end_s = BEGIN_S + days * DAY_S
    rows = tuple(
        _life(rng, TYPES[kind[number]], popular[address[number]], end_s)
        for number in range(len(address))
    )
    return Street(connectors, Intervals(rows, BEGIN_S, end_s))


def demand(hour: float) -> float:
    """How much of the busiest hour's demand there is at an hour of the day, 0-1.

    >>> round(demand(18.0), 2), round(demand(4.0), 2)
    (1.0, 0.08)
    """
    evening = np.exp(-(((hour - 18.0) / 3.0) ** 2))
    noon = 0.75 * np.exp(-(((hour - 12.5) / 2.5) ** 2))
    return float(min(0.08 + max(evening, noon), 1.0))


_MEAN_DEMAND = float(np.mean([demand(hour / 4.0) for hour in range(96)]))


def _life(
    rng: np.random.Generator, kind: str, popular: float, end_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States of one connector from the first to the last instant, without a hole."""
    starts: list[float] = [BEGIN_S]
    states: list[int] = [AVAILABLE]

    def enter(at_s: float, state: int) -> None:
        if state != states[-1]:
            starts.append(at_s)
            states.append(state)

    if rng.random() < OUT_FOR_GOOD:
        states[0] = OUT_OF_SERVICE
        return np.array([BEGIN_S]), np.array([end_s]), np.array(states, dtype=np.intp)
    most_a_s = ARRIVALS_A_DAY * popular / _MEAN_DEMAND / DAY_S
    breaks_a_s = OUTAGES_A_DAY * np.exp(rng.normal(-(OUTAGE_SPREAD**2) / 2, OUTAGE_SPREAD)) / DAY_S
    silent_a_s = SILENCES_A_DAY / DAY_S
    whole_a_s = most_a_s + breaks_a_s + silent_a_s
    median_min, spread = STAY_MIN[kind]
    now_s = BEGIN_S
    while (now_s := now_s + float(rng.exponential(1.0 / whole_a_s))) < end_s:
        draw = rng.random() * whole_a_s
        if draw < most_a_s:
            if rng.random() > demand(now_s / 3600.0 % 24.0):
                continue
            enter(now_s, OCCUPIED)
            now_s += 60.0 * median_min * float(np.exp(rng.normal(0.0, spread)))
        elif draw < most_a_s + breaks_a_s:
            enter(now_s, OUT_OF_SERVICE)
            now_s += _repair_s(rng)
        else:
            enter(now_s, OUT_OF_CONTACT)
            now_s += 3600.0 * SILENCE_H * float(np.exp(rng.normal(0.0, SILENCE_SPREAD)))
            if rng.random() < BROKEN_BEHIND_SILENCE:
                enter(now_s, OUT_OF_SERVICE)
                now_s += _repair_s(rng)
        enter(now_s, AVAILABLE)
    kept = [at_s < end_s for at_s in starts]
    begins = np.array(starts)[kept]
    return begins, np.append(begins[1:], end_s), np.array(states, dtype=np.intp)[kept]


def _repair_s(rng: np.random.Generator) -> float:
    """How long an outage lasts."""
    short, long = REPAIR_H
    _, median_h, spread = short if rng.random() < short[0] else long
    return 3600.0 * median_h * float(np.exp(rng.normal(0.0, spread)))
