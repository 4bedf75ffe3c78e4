"""A whole map from the columns of a district: model, then evidence, then the knowledge map.

Pure: works on a copy, so that a thread may make it. When it is made, and what happens between two
makings, is in `knowledge.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, Pile
from coordinator.core.ports import FailureModel, FrailtyModel, ModelUnavailable
from coordinator.core.recommend.popular import stations_alike
from coordinator.core.reliability.baselines import (
    Prior,
    kinds_of,
    same_type_rate,
    use_and_faults_rate,
)
from coordinator.core.reliability.evidence import (
    DEFAULT_SHAPE,
    anchored_prior,
    pooled_rate,
)
from coordinator.core.reliability.frailty import gamma_shape
from coordinator.core.reliability.knowledge_map import KnowledgeMap
from coordinator.core.reliability.levels import at_level
from coordinator.core.reliability.map_settings import MapSettings
from coordinator.core.reliability.pile_vector import (
    REFERENCE,
    Counted,
    Facts,
    attribute_values,
    facts_of,
    fleet_scale,
    select,
    vectors,
)
from coordinator.core.reliability.similarity import Float32, Measure
from coordinator.core.rows import Index

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a district that a map is made of, safe from the loop's changes."""

    evse_ids: list[str]
    piles: Sequence[Pile]
    pile: NDArray[np.int32]
    dc: NDArray[np.bool_]
    session_count: NDArray[np.int32]
    charging_s: NDArray[np.float64]
    fault_count: NDArray[np.int32]
    exposure_days: NDArray[np.float64]
    removed: NDArray[np.bool_]
    station: NDArray[np.int32]
    latitude_deg: Float64
    longitude_deg: Float64


@dataclass(frozen=True, slots=True)
class Made:
    """A finished map: of which EVSEs, what their kind lets expect, and why it is degraded.

    `kinds` are equal for EVSEs of one type, maker and model; `alike` leads from each station to
    those with piles like the most chosen around.
    """

    evse_ids: list[str]
    knowledge: KnowledgeMap
    expected: Float64
    shape: float
    dc: NDArray[np.bool_]
    kinds: Index
    degraded: str
    alike: NDArray[np.int32]

    def evidence(self, counted: Counted, evses: Index) -> tuple[Index, Float64]:
        """The EVSEs whose prior new counts of some move, and their priors by now.

        More than these only where the prior is the rate of their kind.
        """
        faults, days = counted.fault_count.astype(np.float64), counted.exposure_days
        prior = self.knowledge.settings.prior
        if prior is Prior.USE_AND_FAULTS:
            return evses, use_and_faults_rate(counted.charging_s / 3600.0, faults, days)[evses]
        expected = self.expected
        if prior is Prior.SAME_TYPE:
            expected = same_type_rate(self.kinds, faults, days)
            evses = np.flatnonzero(np.isin(self.kinds, self.kinds[evses]))
        return evses, anchored_prior(faults[evses], days[evses], expected[evses], self.shape)


def copy_of(district: District) -> Columns:
    """The columns as they are now."""
    return Columns(
        district.evse_ids,
        district.piles,
        district.pile,
        district.dc,
        district.session_count.copy(),
        district.charging_s.copy(),
        district.fault_count.copy(),
        district.exposure_days.copy(),
        district.status == EvseStatus.REMOVED,
        district.station,
        district.station_lat_deg,
        district.station_lon_deg,
    )


def make(
    columns: Columns, failure: FailureModel | None, now_s: float, settings: MapSettings
) -> Made:
    """The map of these columns; pure, takes seconds for tens of thousands of EVSEs.

    Prior: what the failure model (or the rate of the kind) lets expect, at the level of this fleet,
    corrected by the pile's own counts. The counts are hidden from the model, so that they enter
    once. Or use time and faults alone.
    """
    facts = facts_of(columns, now_s)
    kinds = kinds_of(facts.kind, facts.maker, facts.model)
    faults, days = columns.fault_count.astype(np.float64), columns.exposure_days
    degraded = ""
    if settings.prior is Prior.MODEL:
        expected, degraded = _expected(facts, faults, days, failure)
    else:
        expected = same_type_rate(kinds, faults, days)
    shape = gamma_shape(faults, days, expected, usual_of(failure))
    if settings.prior is Prior.USE_AND_FAULTS:
        prior = use_and_faults_rate(columns.charging_s / 3600.0, faults, days)
    else:
        prior = anchored_prior(faults, days, expected, shape)
    knowledge = KnowledgeMap(alike(facts, settings), prior, days, settings)
    if columns.removed.any():
        knowledge.leave(np.flatnonzero(columns.removed))
        knowledge.settle()
    near = stations_alike(
        columns.latitude_deg,
        columns.longitude_deg,
        columns.station.astype(np.intp),
        np.where(columns.removed, 0.0, columns.session_count),
        knowledge.similarity,
    )
    return Made(columns.evse_ids, knowledge, expected, shape, columns.dc, kinds, degraded, near)


def alike(facts: Facts, settings: MapSettings) -> Float32:
    """The rows that the settings compare: vectors of the chosen attributes, or their values."""
    rows = vectors(facts, fleet_scale(facts))
    if settings.measure is Measure.ATTRIBUTES:
        return attribute_values(rows, settings.attributes)
    return select(rows, settings.attributes)


def usual_of(failure: FailureModel | None) -> float:
    """The shape of the frailty that the model brings, from which a fleet may differ."""
    return failure.frailty_shape if isinstance(failure, FrailtyModel) else DEFAULT_SHAPE


def _expected(
    facts: Facts, faults: Float64, days: Float64, failure: FailureModel | None
) -> tuple[Float64, str]:
    """The rate that the kind of each pile lets expect, and why no model said so."""
    why = "there is none"
    if failure is not None:
        try:
            rates = failure.rates(vectors(facts.without_faults(), REFERENCE)).astype(np.float64)
        except ModelUnavailable as error:
            why = error.why
        else:
            return at_level(rates, facts.maker, facts.model, faults, days, usual_of(failure)), ""
    return np.full(len(faults), pooled_rate(faults, days)), why
