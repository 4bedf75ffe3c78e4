"""How much piles of one kind differ: the shape of the Gamma that their frailty is drawn from.

Frailty is what a pile has of its own beyond its kind: 1 on average, its variance 1 / shape. What a
pile's counts then say of it is in `evidence.py`; a trained model brings a shape of its own, from
which a fleet departs as far as its outages ask for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from coordinator.core.reliability.evidence import DEFAULT_SHAPE, daily_intensity

Float64 = NDArray[np.float64]

LEAST_SHAPE, MOST_SHAPE = 0.05, 20.0
# How sure a shape from elsewhere is: standard deviation of its logarithm. A factor of two.
DOUBT = float(np.log(2.0))
LEAST_EXPECTED = 1e-9  # outages: what was hardly watched says nothing
_STEPS = 121


def usable_shape(shape: object) -> float:
    """A shape that somebody wrote, within bounds; `DEFAULT_SHAPE` where it is no number.

    Source: US 12,393,974 B2, step 340.

    >>> usable_shape(1.4), usable_shape(900.0), usable_shape(float("nan")), usable_shape(None)
    (1.4, 20.0, 1.0, 1.0)
    """
    if not isinstance(shape, int | float) or not np.isfinite(shape) or shape <= 0:
        return DEFAULT_SHAPE
    return float(np.clip(shape, LEAST_SHAPE, MOST_SHAPE))


def gamma_shape(
    faults: Float64,
    exposure_days: Float64,
    expected_rate: Float64,
    usual: float = DEFAULT_SHAPE,
    doubt: float = DOUBT,
) -> float:
    """The shape that makes these counts most probable, drawn to the `usual` one.

    Counts of piles with Gamma frailty around what their kind lets expect are negative binomial; the
    level is that of the fleet. Large means alike. With `doubt` infinite the counts alone decide;
    without outages it is `usual`.

    Source: US 12,393,974 B2, step 340.

    >>> days, rate = np.full(300, 100.0), np.full(300, 0.01)
    >>> gamma_shape(np.zeros(300), days, rate, usual=2.0)
    2.0
    >>> lemons = np.where(np.arange(300) % 10 == 0, 10.0, 0.0)
    >>> gamma_shape(lemons, days, rate, usual=2.0) < 0.3
    True
    """
    expected = daily_intensity(expected_rate) * exposure_days
    seen = expected > LEAST_EXPECTED
    n, mean = faults[seen], expected[seen]
    if not n.sum() > 0:
        return usual
    mean = mean * (n.sum() / mean.sum())
    shapes = np.geomspace(LEAST_SHAPE, MOST_SHAPE, _STEPS)
    counts, how_often = np.unique(n, return_counts=True)
    # Logarithm of the probability of the counts, without what no shape changes.
    fit = (gammaln(counts[None] + shapes[:, None]) - gammaln(shapes)[:, None]) @ how_often
    for row, shape in enumerate(shapes.tolist()):
        fit[row] -= float(np.sum(shape * np.log1p(mean / shape) + n * np.log(shape + mean)))
    fit -= 0.5 * (np.log(shapes / usual) / doubt) ** 2
    return float(shapes[int(fit.argmax())])
