"""The frailty that goes with a failure model: how much piles differ beyond what it knows of them.

The model is trained as if equal piles failed equally often; what is left over is Gamma-distributed
frailty, and its shape is exported beside the weights. How it is used is in
`coordinator/core/reliability/frailty.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core.reliability.evidence import DEFAULT_SHAPE
from coordinator.core.reliability.frailty import gamma_shape
from coordinator.core.reliability.levels import at_level
from coordinator.core.reliability.pile_vector import REFERENCE, vectors
from training.fleet import Fleet

Float64 = NDArray[np.float64]
Rates = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def expected_of(rates: Rates, fleet: Fleet, shape: float = DEFAULT_SHAPE) -> Float64:
    """What the product lets expect of each pile by its kind, at the level of its fleet.

    The model sees no fault counts, so that they can enter afterwards, once.
    """
    facts = fleet.facts
    said = rates(vectors(facts.without_faults(), REFERENCE)).astype(np.float64)
    return at_level(said, facts.maker, facts.model, fleet.past, fleet.observed_days, shape)


def fitted_shape(rates: Rates, fleets: Sequence[Fleet]) -> float:
    """The shape by maximum likelihood of what happened to these piles so far."""
    return gamma_shape(
        np.concatenate([fleet.past for fleet in fleets]),
        np.concatenate([fleet.observed_days for fleet in fleets]),
        np.concatenate([expected_of(rates, fleet) for fleet in fleets]),
        doubt=float("inf"),
    )
