"""The warning level of a car follows it while it drives."""

from __future__ import annotations

from pathlib import Path

from served_brain import HERE, KM_LAT, ServedBrain, asking, serve_brain, station

from coordinator.core.areas.ledger import Moment
from coordinator.core.pile import User
from coordinator.core.vehicle import WarningLevel
from coordinator.store.claims_sqlite import SqliteClaims
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns


async def drive(
    served: ServedBrain, recommendation_id: str, north_km: float, soc_pct: float
) -> wire.UpdateProgressResponse:
    """Reports a position so far north of the start."""
    position = nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])
    progress = wire.Progress(position=position, soc_pct=soc_pct)
    return await served.client.UpdateProgress(
        wire.UpdateProgressRequest(recommendation_id=recommendation_id, progress=progress)
    )


async def level_of(served: ServedBrain, recommendation_id: str) -> tuple[int, str]:
    """Level and reason as GetRecommendation tells them."""
    request = wire.GetRecommendationRequest(recommendation_id=recommendation_id)
    promise = (await served.client.GetRecommendation(request)).promise
    return promise.level, promise.level_reason


async def test_level_rises_when_the_charge_runs_low_on_the_way(tmp_path: Path) -> None:
    """A car that uses more than expected becomes urgent: claim, answer and journal say so."""
    journal = tmp_path / "claims.db"
    async with serve_brain([station("A", 2.0, 20), station("B", 2.4, 20)], journal) as served:
        answer = await served.client.Recommend(asking("car-1"))
        name = answer.promise.recommendation_id
        claim_id = answer.promise.choice.hold.claim_id
        assert (answer.promise.level, answer.promise.level_reason) == (
            nouns.WARNING_LEVEL_LOW,
            "NO_HURRY",
        )

        await drive(served, name, 0.5, 14.0)

        assert await level_of(served, name) == (nouns.WARNING_LEVEL_HIGH, "LITTLE_CHARGE")
        claim = served.brain.claims.table.get(claim_id)
        assert claim is not None
        assert claim.level is WarningLevel.HIGH

    again = SqliteClaims(journal, Moment(claim.from_s, 0.0))
    kept = again.table.get(claim_id)
    assert kept is not None
    assert kept.level is WarningLevel.HIGH
    await again.close()


async def test_level_falls_again_and_the_promise_stays() -> None:
    """A level that changes moves nobody: EVSE, hold and revision are what they were."""
    async with serve_brain([station("A", 2.0, 20), station("B", 2.4, 20)]) as served:
        answer = await served.client.Recommend(asking("car-1", soc_pct=14.0))
        promise = answer.promise
        name = promise.recommendation_id

        await drive(served, name, 0.5, 60.0)
        request = wire.GetRecommendationRequest(recommendation_id=name)
        now = (await served.client.GetRecommendation(request)).promise

        assert promise.level == nouns.WARNING_LEVEL_HIGH
        assert now.level == nouns.WARNING_LEVEL_LOW
        assert now.choice.evse == promise.choice.evse
        assert now.choice.hold.claim_id == promise.choice.hold.claim_id
        assert now.revision == promise.revision


async def test_vip_who_wishes_no_order_gets_the_stronger_pile_near_by() -> None:
    """The privilege needs nothing in the request but the user whom the operator's record names."""
    async with serve_brain([station("NEAR", 1.0, 20, 20.0), station("STRONG", 1.6, 20)]) as served:
        served.district.users["vip"] = User("vip", vip=True)
        plain = asking("car-1", soc_pct=60.0, target_soc_pct=62.0)
        vip = asking("car-2", soc_pct=60.0, target_soc_pct=62.0, user_id="vip")

        first = await served.client.Recommend(plain)
        second = await served.client.Recommend(vip)

    assert first.promise.choice.evse.station_id == "NEAR"
    assert second.promise.choice.evse.station_id == "STRONG"
