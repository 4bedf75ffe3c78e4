"""What the paper leaves open, filled in eight ways: laws of counts and loads, and what is scaled.

The paper gives neither the law of the charging counts c nor of the loads L, nor how they are
normalised (paper 3); each function here is one answer. Where cars and piles are, `instance.py`
says.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Drawn = tuple[Floats, Floats]
Law = Callable[[Floats, np.random.Generator, np.random.Generator], Drawn]

ZIPF, MOST_CHARGES = 1.8, 100
GRADES = 5


@dataclass(frozen=True, slots=True)
class Configuration:
    """One reading of the paper. `whole`: c and L are scaled over all cars, not car by car."""

    letter: str
    law: Law
    whole: bool

    @property
    def about(self) -> str:
        """What it assumes, in one paragraph."""
        return " ".join((inspect.getdoc(self.law) or "").split())


CONFIGURATIONS: dict[str, Configuration] = {}


def _read_so(whole: bool) -> Callable[[Law], Law]:
    """Keeps a law under the letter of its name."""

    def keep(law: Law) -> Law:
        letter = law.__name__.upper()
        CONFIGURATIONS[letter] = Configuration(letter, law, whole)
        return law

    return keep


@_read_so(whole=True)
def a(ways_km: Floats, counts: np.random.Generator, loads: np.random.Generator) -> Drawn:
    """Counts even from 1 to 10, loads even from 1 to 5 and independent of the way; scaled over all.

    The plainest reading of "simulated randomly": it gives more than twice the distance of
    preference alone.
    """
    return _even(counts, ways_km), _even_grade(loads, ways_km)


@_read_so(whole=False)
def b(ways_km: Floats, counts: np.random.Generator, loads: np.random.Generator) -> Drawn:
    """As A, scaled car by car."""
    return _even(counts, ways_km), _even_grade(loads, ways_km)


@_read_so(whole=True)
def c(ways_km: Floats, counts: np.random.Generator, loads: np.random.Generator) -> Drawn:
    """Counts even from 1 to 10, loads that grow with the way (as E); scaled over all."""
    return _even(counts, ways_km), _growing(loads, ways_km)


@_read_so(whole=False)
def d(ways_km: Floats, counts: np.random.Generator, loads: np.random.Generator) -> Drawn:
    """Counts by Zipf's law (1.8, at most 100), loads the grade 1 to 5 of the way; car by car.

    x = length × U(0.5, 1.5) for each way, L = ⌈5x / max x⌉ over all ways. The reading that comes
    nearest to the published 28.73 %, and the default.
    """
    return _zipf(counts, ways_km), _graded(loads, ways_km)


@_read_so(whole=False)
def e(ways_km: Floats, counts: np.random.Generator, loads: np.random.Generator) -> Drawn:
    """Counts by Zipf's law as in D, loads L = 1 + length × U(0.5, 1.5), not graded; car by car."""
    return _zipf(counts, ways_km), _growing(loads, ways_km)


@_read_so(whole=False)
def f(ways_km: Floats, counts: np.random.Generator, loads: np.random.Generator) -> Drawn:
    """Popular piles: all cars have charged mostly at the same few; loads as in E; car by car.

    c = 1 + Poisson(popularity of the pile), popularity lognormal with median e^1.5 and sigma 1.1.
    """
    return _popular(counts, ways_km), _growing(loads, ways_km)


@_read_so(whole=True)
def g(ways_km: Floats, counts: np.random.Generator, loads: np.random.Generator) -> Drawn:
    """Popular piles as in F, scaled over all."""
    return _popular(counts, ways_km), _growing(loads, ways_km)


@_read_so(whole=True)
def h(ways_km: Floats, counts: np.random.Generator, loads: np.random.Generator) -> Drawn:
    """One to three favourites a car, each charged at 1 to 10 times, all others never; graded as D.

    Scaled over all.
    """
    return _favourites(counts, ways_km), _graded(loads, ways_km)


def _even(rng: np.random.Generator, ways_km: Floats) -> Floats:
    return rng.integers(1, 11, ways_km.shape).astype(np.float64)


def _even_grade(rng: np.random.Generator, ways_km: Floats) -> Floats:
    return rng.integers(1, GRADES + 1, ways_km.shape).astype(np.float64)


def _zipf(rng: np.random.Generator, ways_km: Floats) -> Floats:
    return np.minimum(rng.zipf(ZIPF, ways_km.shape), MOST_CHARGES).astype(np.float64)


def _popular(rng: np.random.Generator, ways_km: Floats) -> Floats:
    popularity = rng.lognormal(1.5, 1.1, ways_km.shape[1])
    return 1.0 + rng.poisson(popularity, ways_km.shape).astype(np.float64)


def _favourites(rng: np.random.Generator, ways_km: Floats) -> Floats:
    cars, stations = ways_km.shape
    rank = rng.permuted(np.tile(np.arange(stations), (cars, 1)), axis=1)
    liked = rank < rng.integers(1, 4, (cars, 1))
    return np.where(liked, _even(rng, ways_km), 0.0)


def _graded(rng: np.random.Generator, ways_km: Floats) -> Floats:
    felt_km = ways_km * rng.uniform(0.5, 1.5, ways_km.shape)
    grades: Floats = np.ceil(GRADES * felt_km / felt_km.max())
    return grades


def _growing(rng: np.random.Generator, ways_km: Floats) -> Floats:
    loads: Floats = 1.0 + ways_km * rng.uniform(0.5, 1.5, ways_km.shape)
    return loads
