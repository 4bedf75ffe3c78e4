"""What a car may say and is refused by name: requests, outcomes, pages of the map."""

from __future__ import annotations

import math
from collections.abc import Callable

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from served_brain import CCS2, HERE, KM_LAT, asking, serve_brain, station

from coordinator.core.pile import EvseStatus
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

BOX = wire.BoundingBox(
    south_deg=HERE[0] - 0.1, north_deg=HERE[0] + 0.1, west_deg=114.0, east_deg=114.1
)


def named(error: grpc.aio.AioRpcError) -> list[str]:
    """Fields that an INVALID_ARGUMENT names; empty for any other status."""
    bad = error_details_pb2.BadRequest()
    if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
        return []
    for detail in rpc_status.from_call(error).details:
        if detail.Unpack(bad):
            return [violation.field for violation in bad.field_violations]
    return []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("soc_pct", math.nan),
        ("soc_pct", math.inf),
        ("soc_pct", -1.0),
        ("soc_pct", 101.0),
        ("position.latitude_deg", 91.0),
        ("position.latitude_deg", math.inf),
        ("position.longitude_deg", 181.0),
        ("position.longitude_deg", math.nan),
        ("vehicle.battery_kwh", 0.0),
        ("vehicle.battery_kwh", math.nan),
        ("vehicle.max_ac_power_kw", math.inf),
        ("vehicle.reserve_at_station_pct", math.nan),
        ("target_soc_pct", math.nan),
        ("request_id", ""),
        ("request_id", "é"),
        ("vehicle_id", ""),
        ("vehicle_id", "car 1"),
        ("vehicle_id", "car\n1"),
        ("user_id", "a/b"),
    ],
)
async def test_a_car_that_says_the_impossible_is_told_which_field(
    field: str, value: object
) -> None:
    """One bad field is one violation, and nothing is held."""
    request = asking("car-1")
    *path, name = field.split(".")
    message: object = request
    for part in path:
        message = getattr(message, part)
    setattr(message, name, value)
    async with serve_brain([station("A", 1.0)]) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.Recommend(request)

        assert named(caught.value) == [field]
        assert not list(served.brain.claims.table.live())


def paid(currency: str, micros: int) -> Callable[[wire.ReportOutcomeRequest], None]:
    def pay(request: wire.ReportOutcomeRequest) -> None:
        request.price.currency, request.price.micros = currency, micros

    return pay


def said(field: str, value: object) -> Callable[[wire.ReportOutcomeRequest], None]:
    return lambda request: setattr(request, field, value)


@pytest.mark.parametrize(
    ("field", "spoil"),
    [
        ("recommendation_id", said("recommendation_id", "")),
        ("recommendation_id", said("recommendation_id", "x" * 65)),
        ("outcome", said("outcome", 0)),
        ("outcome", said("outcome", 99)),
        ("evse_id", said("evse_id", "A 1")),
        ("evse_id", said("evse_id", "x" * 65)),
        ("wait_s", said("wait_s", math.nan)),
        ("wait_s", said("wait_s", math.inf)),
        ("wait_s", said("wait_s", -1.0)),
        ("price.currency", paid("", 1)),
        ("price.currency", paid("yuan", 1)),
        ("price.micros", paid("CNY", -1)),
        ("price.micros", paid("CNY", 2**63 - 1)),
        ("comment", said("comment", "x" * 257)),
    ],
)
async def test_an_outcome_that_cannot_be_is_refused_by_name(
    field: str, spoil: Callable[[wire.ReportOutcomeRequest], None]
) -> None:
    """A bad word on the end changes nothing: no outcome is counted, the hold stands."""
    async with serve_brain([station("A", 1.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        request = wire.ReportOutcomeRequest(
            recommendation_id=promise.recommendation_id, outcome=wire.OUTCOME_KIND_BROKEN
        )
        spoil(request)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.ReportOutcome(request)

        assert named(caught.value) == [field]
        assert served.counters.values().get("outcomes", 0) == 0
        assert len(list(served.brain.claims.table.live())) == 1


async def test_an_outcome_is_counted_and_an_unused_place_given_back() -> None:
    """A whole report of a car that charged elsewhere frees its place; an unknown one is none."""
    async with serve_brain([station("A", 1.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        report = wire.ReportOutcomeRequest(
            recommendation_id=promise.recommendation_id,
            outcome=wire.OUTCOME_KIND_DEVIATED,
            evse_id="B-1*1",
            wait_s=0.0,
            price=nouns.Money(currency="CNY", micros=12_500_000),
            comment="x" * 256,
        )
        await served.client.ReportOutcome(report)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.ReportOutcome(
                wire.ReportOutcomeRequest(
                    recommendation_id="nobody", outcome=wire.OUTCOME_KIND_CHARGED
                )
            )

        assert served.counters.values()["outcomes"] == 1
        assert not list(served.brain.claims.table.live())
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("token", ["²", "٣", "-1", "+1", " 1", "1e3", "9" * 19, "9" * 5000])
async def test_a_map_page_token_of_somebody_else_is_refused(token: str) -> None:
    """Only plain digits are a token."""
    page = nouns.PageRequest(page_token=token)
    async with serve_brain([station("A", 1.0)]) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.ListStations(wire.ListStationsRequest(box=BOX, page=page))
        beyond = await served.client.ListStations(
            wire.ListStationsRequest(box=BOX, page=nouns.PageRequest(page_token="9" * 18))
        )

        assert named(caught.value) == ["page.page_token"]
        assert not beyond.stations


async def test_the_map_gives_a_plug_of_exactly_the_power_asked_for() -> None:
    """`min_power_kw` includes its bound, also where it is no binary fraction."""
    stations = [station("A", 1.0, power_kw=59.9), station("B", 2.0, power_kw=60.0)]
    async with serve_brain(stations) as served:

        async def found(least_kw: float, *plugs: int) -> list[str]:
            request = wire.ListStationsRequest(box=BOX, min_power_kw=least_kw, connectors=plugs)  # type: ignore[arg-type]
            answer = await served.client.ListStations(request)
            return [entry.station.station_id for entry in answer.stations]

        assert await found(59.9) == ["A", "B"]
        assert await found(60.0) == ["B"]
        assert await found(60.01) == []
        assert await found(0.0, CCS2) == ["A", "B"]
        assert await found(0.0, nouns.CONNECTOR_STANDARD_CHADEMO) == []
        for bad in (math.nan, -1.0):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await found(bad)
            assert named(caught.value) == ["min_power_kw"]


async def test_the_map_shows_the_box_and_its_pages_each_station_once() -> None:
    """A station outside is not shown; pages of two give five stations in three pages."""
    stations = [*(station(f"S{n}", float(n)) for n in range(5)), station("Far", 50.0)]
    async with serve_brain(stations) as served:
        shown: list[list[str]] = []
        token = ""
        while not shown or token:
            page = nouns.PageRequest(page_size=2, page_token=token)
            answer = await served.client.ListStations(wire.ListStationsRequest(box=BOX, page=page))
            shown.append([entry.station.station_id for entry in answer.stations])
            token = answer.next_page_token

        assert shown == [["S0", "S1"], ["S2", "S3"], ["S4"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [("north_deg", math.nan), ("north_deg", 91.0), ("west_deg", -181.0), ("south_deg", 22.9)],
)
async def test_a_box_that_is_none_is_refused(field: str, value: float) -> None:
    """Edges off the map, and a south that is north of the north."""
    box = wire.BoundingBox()
    box.CopyFrom(BOX)
    setattr(box, field, value)
    async with serve_brain([station("A", 1.0)]) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.ListStations(wire.ListStationsRequest(box=box))

        assert named(caught.value) == [f"box.{field}"]


async def test_update_progress_refuses_by_name_and_tells_the_end() -> None:
    """A bad position is named; after arrival and plug-in the same call says ARRIVED."""
    async with serve_brain([station("A", 1.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        name = promise.recommendation_id
        await served.client.Confirm(wire.ConfirmRequest(recommendation_id=name))
        there = nouns.Position(latitude_deg=HERE[0] + KM_LAT, longitude_deg=HERE[1])

        async def update(**said: object) -> wire.UpdateProgressResponse:
            request = wire.UpdateProgressRequest(recommendation_id=name, **said)  # type: ignore[arg-type]
            return await served.client.UpdateProgress(request)

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await update(progress=wire.Progress(position=there, soc_pct=101.0))
        served.see("A-1*1", EvseStatus.CHARGING)
        ended = await update(arrived=wire.GuideArrived(), known_revision=1)

        assert named(caught.value) == ["progress.soc_pct"]
        assert ended.closed.code == "ARRIVED"


async def test_a_refused_revision_sends_the_car_elsewhere() -> None:
    """A driver who says no through UpdateProgress gets another place in the same answer."""
    async with serve_brain([station("A", 1.0), station("B", 2.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        answer = await served.client.UpdateProgress(
            wire.UpdateProgressRequest(
                recommendation_id=promise.recommendation_id,
                known_revision=1,
                decision=wire.GuideDecision(revision=1, accepted=False),
            )
        )

        assert promise.choice.evse.evse_id == "A-1*1"
        assert answer.promise.choice.evse.evse_id == "B-1*1"
        assert [c.evse_id for c in served.brain.claims.table.live()] == ["B-1*1"]


async def test_an_intention_is_asked_for_with_possible_values_only() -> None:
    """Too many fixes, a bad fix, a bad charge and a bad name are each named."""
    here = nouns.Position(latitude_deg=HERE[0], longitude_deg=HERE[1])
    off = nouns.Position(latitude_deg=91.0, longitude_deg=0.0)
    ask = wire.DetectIntentionRequest
    async with serve_brain([station("A", 1.0)]) as served:
        for request, field in (
            (ask(vehicle_id=""), "vehicle_id"),
            (ask(vehicle_id="c", positions=[here] * 17), "positions"),
            (ask(vehicle_id="c", positions=[here, off]), "positions[1].latitude_deg"),
            (ask(vehicle_id="c", soc_pct=math.nan), "soc_pct"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await served.client.DetectIntention(request)
            assert named(caught.value) == [field]


async def test_a_car_with_a_firm_promise_is_on_its_way_to_charge() -> None:
    """The hold decides where no position does; without one nothing but history is known."""
    ask = wire.DetectIntentionRequest(vehicle_id="car-1")
    async with serve_brain([station("A", 1.0)]) as served:
        before = await served.client.DetectIntention(ask)
        promise = (await served.client.Recommend(asking("car-1"))).promise
        await served.client.Confirm(
            wire.ConfirmRequest(recommendation_id=promise.recommendation_id)
        )
        after = await served.client.DetectIntention(ask)

        assert (before.intention, before.source) == (nouns.INTENTION_NONE, "HISTORY")
        assert after.intention == nouns.INTENTION_ON_THE_WAY
        assert before.p_on_the_way + before.p_at_pile + before.p_none == pytest.approx(1.0)
