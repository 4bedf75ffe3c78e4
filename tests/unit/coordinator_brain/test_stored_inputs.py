"""An explanation is what was recorded, not an afterthought."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from served_brain import asking, district_of, station

from coordinator.brain import assemble_brain
from coordinator.clock import Clock
from coordinator.core.areas.cost import TERMS
from coordinator.core.areas.ledger import Moment
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.explain import weigh
from coordinator.core.recommend.features import COLUMN, schema_sha256
from coordinator.rpc.charging_request import to_request
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases import inputs
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events


async def test_reasons_can_be_made_again_from_the_stored_inputs(tmp_path: Path) -> None:
    """The same codes and weights come out of the cost terms that were stored with the claim."""
    clock = Clock()
    moment = Moment(clock.now_s(), clock.link_s())
    stations = [station(name, km) for name, km in (("A", 1.0), ("B", 3.0), ("C", 6.0))]
    district = district_of(stations, moment.now_s, moment.link_s)
    claims = SqliteClaims(tmp_path / "claims.db", moment)
    events = Events(clock.now_s, clock.system_s)
    brain = assemble_brain(district, Models(), clock, events, Counters(), claims)

    answer = await brain.recommender.recommend(to_request(asking("car-1")))
    await brain.guidance.confirm(answer.recommendation_id)
    await claims.close()
    again = SqliteClaims(tmp_path / "claims.db", moment)
    kept = await again.answer(answer.recommendation_id)
    await again.close()

    assert kept is not None
    stored = inputs.unpack(kept.inputs)
    assert stored is not None
    assert stored.schema_sha256 == schema_sha256()
    assert stored.evse_ids[0] == answer.choice.evse_id
    assert set(stored.provenance) == {"NEAREST"}
    terms = stored.terms_s
    assert terms.shape == (3, len(TERMS))
    assert terms[0].sum() == pytest.approx(answer.choice.figures.cost_s, rel=1e-5)
    reference = terms.mean(axis=0).tolist()
    told = weigh(terms[0].tolist(), reference, 3)
    assert [weight for _, _, weight in told] == pytest.approx(
        [reason.weight for reason in answer.choice.reasons], abs=1e-4
    )
    drive_min = stored.features[0, COLUMN["drive_min"]]
    assert drive_min == pytest.approx(answer.choice.figures.eta_s / 60.0, rel=1e-5)
    assert np.isfinite(stored.features).all()
