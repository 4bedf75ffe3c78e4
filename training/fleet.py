"""Fleets of piles with a known truth: Weibull ageing, use, kind of current, and luck.

Intensity of a pile at age a, outages a year, with λ₀ = 0.35 and k = 1.4:
λ₀ · k · (a / 3)^(k−1) · exp(maker + model + 0.35 · ln use + 0.5 · DC + frailty).
Effects of makers and models are drawn anew for every fleet: the shipped weights must not say that
one maker is better than another, for nobody measured it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.reliability.pile_vector import (
    MAKERS,
    MODELS,
    REFERENCE,
    Facts,
    vectors,
)

Float64 = NDArray[np.float64]

BASE_A_YEAR, SHAPE, AGE_SCALE_YEARS = 0.35, 1.4, 3.0
USE_EXPONENT, DC_EFFECT = 0.35, 0.5
MAKER_SPREAD, MODEL_SPREAD, FRAILTY_SPREAD = 0.4, 0.3, 0.6
USUAL_HOURS_A_YEAR = 1500.0
YEAR_DAYS = 365.25


@dataclass(frozen=True, slots=True)
class Fleet:
    """Piles as they stand, what happens to them next, and the truth.

    `facts` as far as they are known, `vectors` of them on the reference scale; `past` outages were
    counted in `observed_days`. `future` outages happen in `days` days; `rate` is the true P(outage
    within 24 h).
    """

    facts: Facts
    vectors: NDArray[np.float32]
    past: Float64
    observed_days: Float64
    future: Float64
    days: float
    rate: Float64

    def sha256(self) -> str:
        """The hash that a bundle gives as its training data."""
        digest = hashlib.sha256(np.ascontiguousarray(self.vectors).tobytes())
        digest.update(self.future.tobytes())
        return digest.hexdigest()


def generate_fleet(seed: int, count: int = 2000, days: float = 90.0) -> Fleet:
    """A fleet that depends on the seed alone; half of the piles hide their fault counts.

    Counts cover the last year at most; a third of the piles hides something else too, so that a
    model learns what `missing` means.
    """
    rng = np.random.default_rng([seed, 5])
    age = rng.uniform(0.05, 10.0, count)
    use = np.exp(rng.normal(0.0, 0.7, count))
    dc = rng.random(count) < 0.55
    maker, model = rng.integers(0, len(MAKERS), count), rng.integers(0, len(MODELS), count)
    effect = (
        rng.normal(0.0, MAKER_SPREAD, len(MAKERS))[maker]
        + rng.normal(0.0, MODEL_SPREAD, len(MODELS))[model]
        + USE_EXPONENT * np.log(use)
        + DC_EFFECT * dc
        + rng.normal(0.0, FRAILTY_SPREAD, count)
    )
    observed = np.minimum(age, 1.0)
    past = rng.poisson(_outages(age - observed, age, effect))
    future = rng.poisson(_outages(age, age + days / YEAR_DAYS, effect)).astype(np.float64)
    tomorrow = _outages(age, age + 1.0 / YEAR_DAYS, effect)
    hours = use * USUAL_HOURS_A_YEAR * np.where(dc, 0.7, 1.3) * observed
    charge_min = np.where(dc, 32.0, 92.0) * np.exp(rng.normal(0.0, 0.2, count))
    facts = Facts(
        kind=["dc" if flag else "ac" for flag in dc],
        maker=_some(rng, [MAKERS[i] for i in maker], 0.05),
        model=_some(rng, [MODELS[i] for i in model], 0.1),
        age_years=_hide(rng, age, 0.15),
        hours_used=_hide(rng, hours, 0.1),
        mean_charge_min=_hide(rng, charge_min, 0.1),
        faults=_hide(rng, past.astype(np.float64), 0.5),
        uses=_hide(rng, hours * 60.0 / charge_min, 0.1),
    )
    return Fleet(
        facts,
        vectors(facts, REFERENCE),
        past.astype(np.float64),
        observed * YEAR_DAYS,
        future,
        days,
        -np.expm1(-tomorrow),
    )


def _outages(from_years: Float64, to_years: Float64, effect: Float64) -> Float64:
    """Expected outages between two ages: the integral of the intensity.

    >>> round(float(_outages(np.array([0.0]), np.array([3.0]), np.array([0.0]))[0]), 2)
    1.05
    """
    scale = BASE_A_YEAR * AGE_SCALE_YEARS * np.exp(effect)
    later = (to_years / AGE_SCALE_YEARS) ** SHAPE
    return np.asarray(scale * (later - (from_years / AGE_SCALE_YEARS) ** SHAPE))


def _hide(rng: np.random.Generator, values: Float64, share: float) -> Float64:
    return np.where(rng.random(len(values)) < share, np.nan, values)


def _some(rng: np.random.Generator, words: list[str], share: float) -> list[str]:
    """The words with some of them unknown, and as many that have no column of their own."""
    draw = rng.random(len(words))
    return [
        "" if d < share else "somebody else" if d < 2 * share else w
        for w, d in zip(words, draw, strict=True)
    ]
