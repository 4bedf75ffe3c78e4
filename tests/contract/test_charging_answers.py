"""What `ChargingService` says to bad, odd and plain questions, through a real grpc server."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from served_brain import CCS2, HERE, KM_LAT, asking, serve_brain, station

from coordinator.core.geo import gcj02_from_wgs84
from coordinator.core.pile import EvseStatus
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

Spoil = Callable[[wire.RecommendRequest], None]


def spoilt(field: str, value: object) -> Spoil:
    """Sets a field, nested by dots, to a bad value."""

    def spoil(request: wire.RecommendRequest) -> None:
        *path, name = field.split(".")
        message: object = request
        for part in path:
            message = getattr(message, part)
        setattr(message, name, value)

    return spoil


def cleared(field: str) -> Spoil:
    return lambda request: request.ClearField(field)  # type: ignore[arg-type]


def falling_curve(request: wire.RecommendRequest) -> None:
    request.vehicle.charging_curve.add(soc_pct=50, power_kw=100)
    request.vehicle.charging_curve.add(soc_pct=20, power_kw=100)


def window(from_s: float | None, to_s: float | None) -> Spoil:
    """Sets an arrival window, so many seconds from now."""

    def spoil(request: wire.RecommendRequest) -> None:
        now_s = int(time.time())
        request.arrival_window.SetInParent()
        if from_s is not None:
            request.arrival_window.from_at.CopyFrom(Timestamp(seconds=now_s + int(from_s)))
        if to_s is not None:
            request.arrival_window.to_at.CopyFrom(Timestamp(seconds=now_s + int(to_s)))

    return spoil


BAD: list[tuple[str, Spoil]] = [
    ("request_id", spoilt("request_id", "")),
    ("request_id", spoilt("request_id", "a b")),
    ("request_id", spoilt("request_id", "x" * 65)),
    ("vehicle_id", spoilt("vehicle_id", "")),
    ("user_id", spoilt("user_id", "<script>")),
    ("soc_pct", spoilt("soc_pct", math.nan)),
    ("soc_pct", spoilt("soc_pct", -0.1)),
    ("soc_pct", spoilt("soc_pct", 300.0)),
    ("position", cleared("position")),
    ("position.latitude_deg", spoilt("position.latitude_deg", math.nan)),
    ("position.latitude_deg", spoilt("position.latitude_deg", 90.1)),
    ("position.longitude_deg", spoilt("position.longitude_deg", math.inf)),
    ("position.longitude_deg", spoilt("position.longitude_deg", -180.1)),
    ("destination.latitude_deg", spoilt("destination.latitude_deg", 114.0)),
    ("vehicle", cleared("vehicle")),
    ("vehicle.battery_kwh", spoilt("vehicle.battery_kwh", 0.0)),
    ("vehicle.battery_kwh", spoilt("vehicle.battery_kwh", -1.0)),
    ("vehicle.battery_kwh", spoilt("vehicle.battery_kwh", math.nan)),
    ("vehicle.battery_kwh", spoilt("vehicle.battery_kwh", math.inf)),
    ("vehicle.setup_s", spoilt("vehicle.setup_s", math.nan)),
    ("vehicle.consumption_kwh_per_km", spoilt("vehicle.consumption_kwh_per_km", 0.0)),
    ("vehicle.charging_curve[1].soc_pct", falling_curve),
    ("target_soc_pct", spoilt("target_soc_pct", 101.0)),
    ("expected_travel_s", spoilt("expected_travel_s", -1.0)),
    ("alternative_count", spoilt("alternative_count", 11)),
    ("arrival_window.to_at", window(600, None)),
    ("arrival_window.from_at", window(None, 600)),
    ("arrival_window.to_at", window(600, 600)),
    ("arrival_window.to_at", window(600, 600 + 14_401)),
    ("arrival_window.to_at", window(-1_200, -600)),
    ("arrival_window.to_at", window(86_000, 87_000)),
]


def violations(error: grpc.aio.AioRpcError) -> list[str]:
    """Fields that the error names."""
    # By way of a list: in older grpcio the keys of metadata are pairs.
    trailers = dict(list(error.trailing_metadata() or ()))
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    for detail in status.details:
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            return [violation.field for violation in bad.field_violations]
    return []


@pytest.mark.parametrize(("field", "spoil"), BAD, ids=[f"{n}-{b[0]}" for n, b in enumerate(BAD)])
async def test_a_bad_field_is_refused_by_name(field: str, spoil: Spoil) -> None:
    """INVALID_ARGUMENT names the field, and nothing is held."""
    request = asking("car-1")
    spoil(request)
    async with serve_brain([station("A", 1.0)]) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.Recommend(request)

        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert violations(caught.value) == [field]
        assert not list(served.brain.claims.table.live())


async def test_all_faults_of_a_request_are_named_at_once() -> None:
    """Nobody has to ask three times to learn three mistakes."""
    async with serve_brain([station("A", 1.0)]) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.Recommend(wire.RecommendRequest(soc_pct=math.nan))

        named = set(violations(caught.value))
        assert named == {"request_id", "vehicle_id", "soc_pct", "position", "vehicle"}


async def test_unknown_enum_values_read_as_unspecified() -> None:
    """A newer client's words do not break an older coordinator."""
    request = asking("car-1", select_by=99, charge_place=77, purpose=66, language="tlh")
    request.payment_methods.append(55)  # type: ignore[arg-type]
    async with serve_brain([station("A", 1.0)]) as served:
        answer = await served.client.Recommend(request)

        assert answer.promise.choice.evse.evse_id == "A-1*1"


async def test_nothing_in_reach_is_said_with_its_reason() -> None:
    """An empty battery far from anything gets no invented pile."""
    async with serve_brain([station("A", 100.0)]) as served:
        answer = await served.client.Recommend(asking("car-1", soc_pct=2.0))

        assert not answer.HasField("promise")
        assert answer.empty_reason == "NOTHING_REACHABLE"
        assert "km" in answer.empty_text


async def test_an_empty_district_says_that_it_knows_nothing() -> None:
    """No stations, no answer, no failure."""
    async with serve_brain([]) as served:
        answer = await served.client.Recommend(asking("car-1"))

        assert answer.empty_reason == "NOTHING_KNOWN"


async def test_a_full_district_says_when_something_frees() -> None:
    """After three promises to one EVSE the fourth car is told when to come back."""
    async with serve_brain([station("A", 1.0)]) as served:
        for number in range(3):
            answer = await served.client.Recommend(asking(f"car-{number}"))
            assert answer.promise.choice.hold.queue_position == number
        full = await served.client.Recommend(asking("car-9"))

        assert full.empty_reason == "NOTHING_FREE"
        assert full.next_free_at.seconds > answer.promise.made_at.seconds


async def test_an_answer_has_every_field_that_a_driver_needs() -> None:
    """Figures agree with each other; links, price and words are there."""
    request = asking("car-1")
    request.destination.latitude_deg = HERE[0] + 2 * KM_LAT
    request.destination.longitude_deg = HERE[1]
    async with serve_brain([station("A", 1.0, 2), station("B", 3.0)]) as served:
        promise = (await served.client.Recommend(request)).promise
        choice = promise.choice

        assert choice.rank == 1
        assert choice.evse.station_name == "Station A"
        assert choice.evse.label.startswith("A-")
        assert choice.distance_km == pytest.approx(1.3, rel=0.01)
        assert choice.route_quality == wire.QUALITY_ESTIMATED
        assert choice.eta_s.p90 > choice.eta_s.p50 > 0
        assert choice.charge_duration_s > 0
        assert choice.done_at.seconds > promise.made_at.seconds + choice.eta_s.p50
        assert choice.price.quality == wire.QUALITY_EXACT
        energy_kwh = 60.0 * (80.0 - choice.arrival_soc_pct) / 100.0
        assert choice.price.total.currency == "CNY"
        assert choice.price.total.micros == pytest.approx(energy_kwh * 1e6, rel=0.01)
        assert sum(line.amount.micros for line in choice.price.breakdown) == pytest.approx(
            choice.price.total.micros, abs=2
        )
        assert choice.target_soc_pct == 80
        assert choice.data_quality == "FRESH"
        assert 0.9 < choice.p_success < 1
        assert choice.scores.HasField("travel")
        assert choice.scores.situation in {"recommended", "general", "not recommended"}
        assert 1 <= len(choice.reasons) <= 3
        assert all(len(reason.text) <= 90 for reason in choice.reasons)
        assert choice.geo_uri == f"geo:{HERE[0] + KM_LAT:.6f},{HERE[1]:.6f}"
        assert choice.map_url.startswith("https://www.openstreetmap.org/")
        assert "min drive" in choice.summary
        assert promise.area.station_ids[0] == "A"
        assert promise.area.navigate_to.latitude_deg == pytest.approx(HERE[0] + KM_LAT)
        assert [other.rank for other in promise.alternatives] == [2, 3]
        assert promise.alternatives[0].evse.station_id == "B"
        assert promise.alternatives[0].difference.duration_s > 0
        assert promise.alternatives[0].difference.text.startswith("+")


async def test_an_answer_in_chinese_speaks_chinese() -> None:
    """Sentences come from the templates of the language asked for."""
    async with serve_brain([station("A", 1.0)]) as served:
        answer = await served.client.Recommend(asking("car-1", language="zh"))

        assert "分钟" in answer.promise.choice.summary


@pytest.mark.parametrize(
    ("purpose", "place", "there"),
    [
        (wire.TRAVEL_PURPOSE_EAT, wire.CHARGE_PLACE_UNSPECIFIED, True),
        (wire.TRAVEL_PURPOSE_UNSPECIFIED, wire.CHARGE_PLACE_AT_DESTINATION, True),
        (wire.TRAVEL_PURPOSE_EAT, wire.CHARGE_PLACE_ON_THE_WAY, False),
        (wire.TRAVEL_PURPOSE_OTHER, wire.CHARGE_PLACE_UNSPECIFIED, False),
    ],
)
async def test_who_goes_to_eat_charges_where_they_eat(
    purpose: wire.TravelPurpose, place: wire.ChargePlace, there: bool
) -> None:
    """A purpose that means staying scores by nearness to the destination, unless told otherwise.

    The pile is 200 m behind the destination: a walk that scores 90, or a minute of detour.
    """
    async with serve_brain([station("A", 5.2)]) as served:
        request = asking("car-1", purpose=purpose, charge_place=place)
        request.destination.latitude_deg = HERE[0] + 5.0 * KM_LAT
        request.destination.longitude_deg = HERE[1]

        answer = await served.client.Recommend(request)

    assert (answer.promise.choice.scores.travel == pytest.approx(90.0)) is there


async def test_offset_coordinates_are_converted_once_at_the_boundary() -> None:
    """A GCJ-02 position means the same place as its WGS84 one."""
    offset = gcj02_from_wgs84(*HERE)
    request = asking("car-1")
    request.position.latitude_deg, request.position.longitude_deg = offset
    async with serve_brain([station("A", 1.0)]) as served:
        as_gps = (await served.client.Recommend(request)).promise.choice.distance_km
        request.request_id = "car-1-2"
        request.position.datum = nouns.DATUM_GCJ02
        converted = (await served.client.Recommend(request)).promise.choice.distance_km

        assert converted == pytest.approx(1.3, rel=0.01)
        assert as_gps != pytest.approx(converted, rel=0.05)


async def test_charge_in_kwh_counts_more_than_the_percentage() -> None:
    """A car that knows its energy exactly is believed."""
    request = asking("car-1")
    request.vehicle.charge_kwh = 6.0
    async with serve_brain([station("A", 1.0, 20)]) as served:
        promise = (await served.client.Recommend(request)).promise

        assert promise.level_reason == "LITTLE_CHARGE"
        assert promise.choice.arrival_soc_pct < 10


async def test_a_lost_answer_is_found_again_by_either_name() -> None:
    """By recommendation or by request; an unknown name is NOT_FOUND."""
    async with serve_brain([station("A", 1.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        ask = wire.GetRecommendationRequest

        by_name = await served.client.GetRecommendation(
            ask(recommendation_id=promise.recommendation_id)
        )
        by_request = await served.client.GetRecommendation(ask(request_id="car-1-1"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.GetRecommendation(ask(recommendation_id="nobody"))

        assert by_name.promise == by_request.promise == promise
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_an_evse_that_was_not_listed_cannot_be_confirmed() -> None:
    """Only the choice and its alternatives were judged for this car."""
    async with serve_brain([station("A", 1.0), station("B", 2.0)]) as served:
        answer = await served.client.Recommend(asking("car-1", alternative_count=0))
        name = answer.promise.recommendation_id
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.Confirm(
                wire.ConfirmRequest(recommendation_id=name, evse_id="B-1*1")
            )

        assert not answer.promise.alternatives
        assert violations(caught.value) == ["evse_id"]


async def test_a_guidance_begins_with_open() -> None:
    """Anything else first is FAILED_PRECONDITION; an unknown name is NOT_FOUND."""
    async with serve_brain([station("A", 1.0)]) as served:
        silent = served.client.Guide()
        await silent.write(wire.GuideRequest(arrived=wire.GuideArrived()))
        with pytest.raises(grpc.aio.AioRpcError) as first:
            await silent.read()
        unknown = served.client.Guide()
        await unknown.write(wire.GuideRequest(open=wire.GuideOpen(recommendation_id="none")))
        with pytest.raises(grpc.aio.AioRpcError) as second:
            await unknown.read()

        assert first.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert second.value.code() is grpc.StatusCode.NOT_FOUND


async def test_progress_without_a_stream_brings_the_same_revisions() -> None:
    """UpdateProgress gives what is new since the revision known, and nothing if that is all."""
    async with serve_brain([station("A", 5.0), station("B", 6.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        name = promise.recommendation_id
        await served.client.Confirm(wire.ConfirmRequest(recommendation_id=name))
        near = nouns.Position(latitude_deg=HERE[0] + 4.8 * KM_LAT, longitude_deg=HERE[1])
        first = await served.client.UpdateProgress(
            wire.UpdateProgressRequest(recommendation_id=name, known_revision=1)
        )
        second = await served.client.UpdateProgress(
            wire.UpdateProgressRequest(
                recommendation_id=name,
                known_revision=1,
                progress=wire.Progress(position=near, soc_pct=48.0),
            )
        )

        assert not first.HasField("promise")
        assert first.beat.report_every_s > 0
        assert second.promise.stage == wire.STAGE_PILE
        assert second.promise.revision == 2


async def test_stations_in_a_box_come_with_their_availability() -> None:
    """Counts by plug and power; what is unknown is left out, pages follow each other."""
    stations = [station("A", 1.0, 3), station("B", 2.0, 2), station("Far", 50.0)]
    async with serve_brain(stations) as served:
        served.see("A-1*1", EvseStatus.CHARGING)
        served.see("A-2*1", EvseStatus.OUTOFORDER)
        for evse in ("B-1*1", "B-2*1"):
            served.see(evse, EvseStatus.UNKNOWN)
        box = wire.BoundingBox(
            south_deg=HERE[0], north_deg=HERE[0] + 0.1, west_deg=114.0, east_deg=114.1
        )
        first = await served.client.ListStations(
            wire.ListStationsRequest(box=box, page=nouns.PageRequest(page_size=1))
        )
        second = await served.client.ListStations(
            wire.ListStationsRequest(
                box=box, page=nouns.PageRequest(page_token=first.next_page_token)
            )
        )
        none = await served.client.ListStations(
            wire.ListStationsRequest(box=box, min_power_kw=150.0)
        )

        assert [entry.station.station_id for entry in first.stations] == ["A"]
        plug = first.stations[0].connectors[0]
        assert (plug.standard, plug.max_power_kw, plug.count) == (CCS2, 120.0, 3)
        assert (plug.available_count, plug.out_of_service_count) == (1, 1)
        assert [entry.station.station_id for entry in second.stations] == ["B"]
        assert not second.stations[0].connectors[0].HasField("available_count")
        assert not second.next_page_token
        assert not none.stations


async def test_an_intention_is_read_from_positions_and_history() -> None:
    """Standing at a pile is S2, nearing one with little charge S1, else none."""
    async with serve_brain([station("A", 1.0)]) as served:

        def at(north_km: float) -> nouns.Position:
            return nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])

        async def ask(*places: float, soc_pct: float = 20.0) -> wire.DetectIntentionResponse:
            return await served.client.DetectIntention(
                wire.DetectIntentionRequest(
                    vehicle_id="car-1", positions=[at(p) for p in places], soc_pct=soc_pct
                )
            )

        standing = await ask(1.02)
        nearing = await ask(0.1, 0.4, 0.7)
        charged = await ask(0.1, 0.4, 0.7, soc_pct=90.0)

        assert (standing.intention, standing.source) == (nouns.INTENTION_AT_PILE, "POSITION")
        assert nearing.intention == nouns.INTENTION_ON_THE_WAY
        assert (charged.intention, charged.source) == (nouns.INTENTION_NONE, "HISTORY")
        assert charged.p_none > charged.p_at_pile


async def test_a_pile_of_unknown_status_is_not_said_to_be_without_wait() -> None:
    """What is not known is said so, in both languages."""
    async with serve_brain([station("A", 1.0)]) as served:
        served.see("A-1*1", EvseStatus.UNKNOWN)
        english = (await served.client.Recommend(asking("car-1"))).promise.choice.summary
        await served.client.Recommend(asking("car-1", 2, language="zh"))
        chinese = (await served.client.Recommend(asking("car-1", 3, language="zh"))).promise

        assert "status unknown" in english
        assert "no wait" not in english
        assert "状态未知" in chinese.choice.summary


async def test_nobody_is_told_what_drivers_like_them_choose() -> None:
    """Without a user every candidate has the same share of the ranker."""
    async with serve_brain([station("A", 1.0), station("B", 3.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        known = (await served.client.Recommend(asking("car-2", user_id="u-1"))).promise

        shares = [e.scores.ranker_share for e in (promise.choice, *promise.alternatives)]
        assert shares == pytest.approx([0.5, 0.5])
        assert known.choice.scores.ranker_share != pytest.approx(0.5)
