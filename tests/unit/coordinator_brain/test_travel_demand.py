"""The first score with a travel-demand model, without one, and when it fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from served_brain import HERE, KM_LAT, district_of, station

from coordinator.core.ports import ModelUnavailable
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.districts import share_of
from coordinator.core.recommend.pipeline import look, rank, rank_each
from coordinator.core.recommend.travel_columns import (
    ENVIRONMENT,
    LOCATION,
    TRAVEL,
    USUAL_PEOPLE_PER_H,
    ln_people,
)
from coordinator.core.surroundings import StationContext
from coordinator.core.vehicle import ChargePlace, ChargingRequest, Purpose, Vehicle
from coordinator.rpc.district_codec import fill_share, to_share
from pilewise.v1.district_service_pb2 import FindCandidatesResponse

NOW_S = 1_795_000_000.0
NOON = Context(utc_offset_h=12.0 - NOW_S / 3600.0 % 24.0)
Float32 = NDArray[np.float32]


class Spy:
    """A travel model that remembers what it saw and scores candidates by their walk."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.seen: list[tuple[Float32, Float32, Float32]] = []

    def scores(self, travel: Float32, location: Float32, environment: Float32) -> Float32:
        """100 less ten points a kilometre."""
        self.seen.append((travel, location, environment))
        if self.broken:
            raise ModelUnavailable("travel", "broken by the test")
        scores: Float32 = 100.0 - 10.0 * location[:, LOCATION.index("walk_km")]
        return scores


def request(car: str = "c", north_km: float | None = 3.0, **fields: object) -> ChargingRequest:
    """A car that eats, and charges, three kilometres north."""
    made = ChargingRequest(
        car, car, Vehicle(60.0), 60.0, *HERE, purpose=Purpose.EAT,
        charge_place=ChargePlace.AT_DESTINATION,
    )  # fmt: skip
    if north_km is not None:
        made = replace(made, destination=(HERE[0] + north_km * KM_LAT, HERE[1]))
    return replace(made, **fields)  # type: ignore[arg-type]


def first_by_station(ranked: Ranked) -> dict[int, float]:
    assert ranked.columns is not None
    found = ranked.columns.candidates
    return dict(zip(found.stations[found.place].tolist(), ranked.columns.first, strict=True))


STATIONS = [station("A", 2.0, 3), station("B", 5.0, 3)]


def test_model_gives_the_first_scores_in_one_run_for_all_who_travel() -> None:
    """Requests without a destination are not asked of it, and have no first score."""
    district, spy = district_of(STATIONS, NOW_S, 0.0), Spy()
    requests = [request("a"), request("b", None), request("c", 5.0)]

    ranked = rank_each(district, requests, [NOON] * 3, Models(travel=spy), NOW_S)

    assert len(spy.seen) == 1
    travel, location, environment = spy.seen[0]
    sizes = [0 if r.columns is None else len(r.columns.first) for r in ranked]
    assert len(travel) == len(location) == len(environment) == sizes[0] + sizes[2]
    assert first_by_station(ranked[0]) == pytest.approx({0: 90.0, 1: 80.0}, abs=0.1)
    assert np.isnan([*first_by_station(ranked[1]).values()]).all()
    assert first_by_station(ranked[2]) == pytest.approx({0: 70.0, 1: 100.0}, abs=0.1)
    assert ranked[0].batch is not None
    assert ranked[0].batch.travel_learned
    assert all("TRAVEL" not in reason for r in ranked for reason in r.degraded)


def test_rule_answers_without_a_model_and_when_it_fails() -> None:
    """Both give the printed figures; only a failure makes the answer degraded, by its code."""
    district = district_of([station("A", 3.0, 2), station("B", 5.0, 2)], NOW_S, 0.0)

    without = rank(district, request(), NOON, Models(), NOW_S)
    broken = rank(district, request(), NOON, Models(travel=Spy(broken=True)), NOW_S)

    assert first_by_station(without) == pytest.approx({0: 90.0, 1: 70.0}, abs=0.2)
    assert first_by_station(broken) == first_by_station(without)
    assert "TRAVEL_UNAVAILABLE" in broken.degraded
    assert "TRAVEL_UNAVAILABLE" not in without.degraded
    for ranked in (without, broken):
        assert ranked.batch is not None
        assert not ranked.batch.travel_learned


def test_layers_see_demand_place_and_surroundings() -> None:
    """Each column of the three groups is what its name says; the unknown is marked, never 0."""
    district, spy = district_of(STATIONS, NOW_S, 0.0), Spy()
    unknown = np.full(2, np.nan)
    around = StationContext(unknown, unknown, np.array([900.0, np.nan]), np.array([np.nan, 80.0]))
    context = replace(NOON, stations=around)
    asked = request(arrive_by_s=NOW_S + 1_200.0)

    ranked = rank(district, asked, context, Models(travel=spy), NOW_S)

    assert ranked.columns is not None
    travel, location, environment = spy.seen[0]
    found = ranked.columns.candidates
    at_a = found.stations[found.place] == 0
    wish = dict(zip(TRAVEL, travel[0].tolist(), strict=True))
    assert {name for name, value in wish.items() if value == 1.0} == {
        "purpose_eat", "charges_there", "has_wish",
    }  # fmt: skip
    assert wish["allowed_h"] == pytest.approx(1 / 3, rel=1e-4)
    place = dict(zip(LOCATION, location.T, strict=True))
    assert place["walk_km"][at_a] == pytest.approx(1.0, abs=0.01)
    assert (place["detour_min"] == 0.0).all()
    assert (place["late_min"] > 0.0).all()
    seen = dict(zip(ENVIRONMENT, environment.T, strict=True))
    assert seen["people_known"].tolist() == at_a.astype(float).tolist()
    assert seen["facilities_known"].tolist() == (~at_a).astype(float).tolist()
    assert seen["ln_people"][at_a] == pytest.approx(np.log(10.0), abs=1e-4)
    noon = ln_people(USUAL_PEOPLE_PER_H[12:13])[0]
    assert seen["ln_people"][~at_a] == pytest.approx(noon, abs=1e-4)
    assert seen["facilities"][~at_a] == pytest.approx(0.8)
    assert seen["facilities"][at_a] == pytest.approx(0.5)
    assert (seen["traffic_grade"] >= 1.0).all()


def test_on_the_way_the_detour_is_seen_and_not_the_walk() -> None:
    """Who charges before getting there does not walk from the pile."""
    district, spy = district_of(STATIONS, NOW_S, 0.0), Spy()

    rank(district, request(charge_place=ChargePlace.ON_THE_WAY), NOON, Models(travel=spy), NOW_S)

    location = dict(zip(LOCATION, spy.seen[0][1].T, strict=True))
    assert (location["walk_km"] == 0.0).all()
    assert location["detour_min"].max() > 3.0


def test_city_sees_the_surroundings_of_each_pile() -> None:
    """Flow of people and road facilities survive the wire between a district and the city."""
    district = district_of(STATIONS, NOW_S, 0.0)
    unknown = np.full(2, np.nan)
    around = StationContext(unknown, unknown, np.array([900.0, np.nan]), np.array([np.nan, 80.0]))
    context = replace(NOON, stations=around)
    share = share_of("d", district, *look(district, [request()], [context], NOW_S))
    message = FindCandidatesResponse()
    fill_share(message, share, range(len(share.evse_ids)))

    known = to_share(message).known

    at_a = np.array([name == "A" for name in share.station_ids])
    assert np.array_equal(
        np.asarray(known.people_flow_per_h)[0], np.where(at_a, 900.0, np.nan), equal_nan=True
    )
    assert np.array_equal(
        np.asarray(known.road_facility_score)[0], np.where(at_a, np.nan, 80.0), equal_nan=True
    )
