"""Positions over a real socket: every datum is one place, and a coarse fix says what it can."""

from __future__ import annotations

import grpc
import pytest
from served_brain import HERE, KM_LAT, ServedBrain, asking, serve_brain, station

from coordinator.core.geo import wgs84_from_gcj02
from coordinator.core.vehicle import PositionSource
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns


def gcj02(latitude_deg: float, longitude_deg: float, **more: object) -> nouns.Position:
    """The place as a Chinese map writes it: what `wgs84_from_gcj02` brings back here."""
    found = latitude_deg, longitude_deg
    for _ in range(20):
        back = wgs84_from_gcj02(*found)
        found = found[0] + latitude_deg - back[0], found[1] + longitude_deg - back[1]
    return nouns.Position(
        latitude_deg=found[0],
        longitude_deg=found[1],
        datum=nouns.DATUM_GCJ02,
        **more,  # type: ignore[arg-type]
    )


async def promised(served: ServedBrain, car: str, **fields: nouns.Position) -> wire.Promise:
    """What a car is promised with these positions."""
    request = asking(car)
    for name, position in fields.items():
        getattr(request, name).CopyFrom(position)
    answer = await served.client.Recommend(request, timeout=10)
    return answer.promise


async def told(served: ServedBrain, name: str, position: nouns.Position) -> wire.Promise:
    """The promise after a car under way told where it is."""
    progress = wire.Progress(position=position, soc_pct=50.0)
    report = wire.UpdateProgressRequest(recommendation_id=name, progress=progress)
    await served.client.UpdateProgress(report, timeout=10)
    ask = wire.GetRecommendationRequest(recommendation_id=name)
    return (await served.client.GetRecommendation(ask, timeout=10)).promise


async def test_positions_of_a_request_are_one_place_in_either_datum() -> None:
    """Car and destination in GCJ-02 (600 m away as numbers) give the figures of WGS84."""
    goal = HERE[0] + 2.0 * KM_LAT, HERE[1]
    async with serve_brain([station("S1", 1.0, 5), station("S2", 3.0, 5)]) as served:
        plain = await promised(
            served, "a", destination=nouns.Position(latitude_deg=goal[0], longitude_deg=goal[1])
        )
        chinese = await promised(served, "b", position=gcj02(*HERE), destination=gcj02(*goal))
        misread = await promised(served, "c", destination=gcj02(*goal), position=_as_wgs84())

    assert chinese.choice.distance_km == pytest.approx(plain.choice.distance_km, abs=0.002)
    assert chinese.choice.scores.travel == pytest.approx(plain.choice.scores.travel, abs=0.1)
    assert abs(misread.choice.distance_km - plain.choice.distance_km) > 0.05


def _as_wgs84() -> nouns.Position:
    position = gcj02(*HERE)
    position.datum = nouns.DATUM_WGS84
    return position


async def test_progress_in_gcj02_shows_the_pile_when_the_car_is_near() -> None:
    """300 m away in GCJ-02 is 300 m away: the pile is told."""
    async with serve_brain([station("S1", 3.0)]) as served:
        promise = await promised(served, "a")
        assert promise.stage == wire.STAGE_AREA
        near = gcj02(HERE[0] + 2.7 * KM_LAT, HERE[1])
        after = await told(served, promise.recommendation_id, near)

    assert after.stage == wire.STAGE_PILE


async def test_a_coarse_fix_moves_no_car() -> None:
    """201 m wide it shows no pile, 200 m wide it does; charge and source are taken."""
    async with serve_brain([station("S1", 3.0)]) as served:
        name = (await promised(served, "a")).recommendation_id
        near = nouns.Position(
            latitude_deg=HERE[0] + 2.7 * KM_LAT, longitude_deg=HERE[1], accuracy_m=201.0
        )
        coarse = await told(served, name, near)
        near.accuracy_m, near.source = 200.0, nouns.POSITION_SOURCE_TERMINAL
        fine = await told(served, name, near)
        kept = served.brain.promises.get(name)

    assert (coarse.stage, fine.stage) == (wire.STAGE_AREA, wire.STAGE_PILE)
    assert kept is not None
    assert kept.request.position_source is PositionSource.TERMINAL
    assert kept.request.accuracy_m == 200.0


@pytest.mark.parametrize(
    ("position", "at_pile"),
    [
        (gcj02(HERE[0] + KM_LAT, HERE[1], accuracy_m=60.0), True),
        (gcj02(HERE[0] + KM_LAT, HERE[1], accuracy_m=61.0), False),
    ],
)
async def test_a_fix_says_at_which_pile_a_car_stands_if_it_is_exact(
    position: nouns.Position, at_pile: bool
) -> None:
    """On the station in GCJ-02: S2 with a circle of 60 m, history alone with a wider one."""
    async with serve_brain([station("S1", 1.0)]) as served:
        request = wire.DetectIntentionRequest(vehicle_id="a", positions=[position], soc_pct=90.0)
        found = await served.client.DetectIntention(request, timeout=10)

    assert (found.intention == nouns.INTENTION_AT_PILE) == at_pile


@pytest.mark.parametrize(
    ("field", "value"),
    [("accuracy_m", -1.0), ("accuracy_m", float("nan")), ("speed_kmh", 501.0)],
)
async def test_a_quality_that_cannot_be_is_named(field: str, value: float) -> None:
    """The answer names the field of the position."""

    position = nouns.Position(latitude_deg=HERE[0], longitude_deg=HERE[1])
    setattr(position, field, value)
    async with serve_brain([station("S1", 1.0)]) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await promised(served, "a", position=position)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"position.{field}" in str(caught.value.details())
