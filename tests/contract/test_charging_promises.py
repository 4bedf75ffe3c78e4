"""What cars see of their promises, through a real grpc server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from served_brain import HERE, KM_LAT, asking, serve_brain, station

from coordinator.core.areas.ledger import Moment
from coordinator.core.pile import EvseStatus
from coordinator.usecases.events import Event
from coordinator.usecases.ledger import Outcome
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

DEADLINE_S = 60.0


def opening(recommendation_id: str) -> wire.GuideRequest:
    return wire.GuideRequest(open=wire.GuideOpen(recommendation_id=recommendation_id))


async def next_promise(call: object) -> wire.Promise:
    """The next promise of a guidance, beats passed over."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            message = await call.read()  # type: ignore[attr-defined]
            assert message is not grpc.aio.EOF
            if message.WhichOneof("message") == "promise":
                return message.promise


async def closing(call: object) -> str:
    """The code with which a guidance ends."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            message = await call.read()  # type: ignore[attr-defined]
            assert message is not grpc.aio.EOF
            if message.WhichOneof("message") == "closed":
                return message.closed.code


async def test_two_cars_that_want_one_pile_get_two_evses_and_a_conflict_is_counted() -> None:
    """The second car is sent elsewhere, and the conflict is counted and told."""
    async with serve_brain([station("A", 1.0), station("B", 2.0)]) as served:
        first = await served.client.Recommend(asking("car-1"))
        second = await served.client.Recommend(asking("car-2"))

        assert first.promise.choice.evse.evse_id == "A-1*1"
        assert second.promise.choice.evse.evse_id == "B-1*1"
        assert second.promise.choice.hold.kind == wire.HOLD_KIND_SOFT
        assert second.promise.why_not[0].code == "HELD_BY_OTHERS"
        assert served.counters.values()["conflicts_resolved"] == 1


async def test_a_place_behind_another_car_is_no_conflict_resolved() -> None:
    """Who waits at the EVSE that it wanted was not sent elsewhere, and is told as waiting."""
    async with serve_brain([station("A", 1.0)]) as served:
        await served.client.Recommend(asking("car-1"))
        events = served.events.watch()
        told = asyncio.ensure_future(_first_of(events, {"QUEUED", "CONFLICT"}))
        await asyncio.sleep(0)
        await served.client.Recommend(asking("car-2"))

        async with asyncio.timeout(DEADLINE_S):
            assert await told == ("QUEUED", "car-2 waits behind 1 at A-1*1")
        assert "conflicts_resolved" not in served.counters.values()


async def _first_of(events: AsyncIterator[Event], kinds: set[str]) -> tuple[str, str]:
    """Kind and text of the first event of these kinds."""
    async for event in events:
        if event.kind in kinds:
            return event.kind, event.text
    raise AssertionError("no such event")


async def test_an_answer_whose_offer_has_lapsed_says_that_nothing_is_held() -> None:
    """Asked again by either name, the hold is what the ledger holds."""
    async with serve_brain([station("A", 1.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        claims = served.brain.claims
        moment = served.brain.rerouter.moment()
        await claims.expire(Moment(moment.now_s, moment.link_s + 31.0))

        again = (await served.client.Recommend(asking("car-1"))).promise
        name = wire.GetRecommendationRequest(recommendation_id=promise.recommendation_id)
        found = (await served.client.GetRecommendation(name)).promise

        for answer in (again, found):
            assert answer.recommendation_id == promise.recommendation_id
            assert answer.choice.hold.kind == wire.HOLD_KIND_NONE
            assert answer.choice.hold.reason_code == "EXPIRED"


async def test_the_same_request_id_gets_the_same_answer_and_one_claim() -> None:
    """A retry changes nothing."""
    async with serve_brain([station("A", 1.0, 3)]) as served:
        answers = await asyncio.gather(
            *(served.client.Recommend(asking("car-1")) for _ in range(5))
        )
        again = await served.client.Recommend(asking("car-1"))

        ids = {answer.promise.recommendation_id for answer in [*answers, again]}
        assert len(ids) == 1
        assert len(list(served.brain.claims.table.live())) == 1


async def test_a_request_id_of_another_car_is_refused() -> None:
    """Nobody gets an answer that was made for somebody else."""
    async with serve_brain([station("A", 1.0, 3)]) as served:
        await served.client.Recommend(asking("car-1"))

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.client.Recommend(asking("car-2", request_id="car-1-1"))

        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_new_request_gives_the_offer_of_the_old_one_back() -> None:
    """One car holds one place."""
    async with serve_brain([station("A", 1.0), station("B", 2.0)]) as served:
        await served.client.Recommend(asking("car-1", 1))
        await served.client.Recommend(asking("car-1", 2))
        other = await served.client.Recommend(asking("car-2"))

        assert len(list(served.brain.claims.table.live())) == 2
        assert other.promise.choice.evse.evse_id == "B-1*1"


async def test_an_answer_outlives_the_process(tmp_path: Path) -> None:
    """After a restart the same request gets the same answer, and the hold stands."""
    path = tmp_path / "claims.db"
    async with serve_brain([station("A", 1.0), station("B", 2.0)], path) as served:
        before = await served.client.Recommend(asking("car-1"))
        await served.client.Confirm(
            wire.ConfirmRequest(recommendation_id=before.promise.recommendation_id)
        )

    async with serve_brain([station("A", 1.0), station("B", 2.0)], path) as served:
        again = await served.client.Recommend(asking("car-1"))
        other = await served.client.Recommend(asking("car-2"))

        assert again.promise.recommendation_id == before.promise.recommendation_id
        assert again.promise.choice.evse.evse_id == "A-1*1"
        assert other.promise.choice.evse.evse_id == "B-1*1"


async def test_what_a_driver_reports_outlives_the_process(tmp_path: Path) -> None:
    """Kind, place, wait, price and words are there after a restart."""
    path = tmp_path / "claims.db"
    async with serve_brain([station("A", 1.0)], path) as served:
        name = (await served.client.Recommend(asking("car-1"))).promise.recommendation_id
        report = wire.ReportOutcomeRequest(
            recommendation_id=name,
            outcome=wire.OUTCOME_KIND_BLOCKED,
            evse_id="A-1*1",
            wait_s=90.0,
            price=nouns.Money(currency="CNY", micros=12_500_000),
            comment="a van stood there",
        )
        await served.client.ReportOutcome(report)

    async with serve_brain([station("A", 1.0)], path) as served:
        told = await served.brain.claims.outcomes(name)

        blocked = int(wire.OUTCOME_KIND_BLOCKED)
        assert told == (Outcome(blocked, "A-1*1", 90.0, 12.5, "CNY", "a van stood there"),)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (EvseStatus.OUTOFORDER, "PILE_FAILED"),
        (EvseStatus.BLOCKED, "PILE_BLOCKED"),
        (EvseStatus.INOPERATIVE, "PILE_OUT_OF_USE"),
    ],
)
async def test_a_lost_pile_is_replaced_down_the_guide_stream(status: EvseStatus, code: str) -> None:
    """The car is told another EVSE and why, without asking."""
    async with serve_brain([station("A", 2.0), station("B", 3.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        call = served.client.Guide()
        await call.write(opening(promise.recommendation_id))
        assert (await next_promise(call)).choice.evse.evse_id == "A-1*1"

        served.see("A-1*1", status)
        revised = await next_promise(call)

        assert revised.choice.evse.evse_id == "B-1*1"
        assert revised.revision == 2
        assert revised.change.code == code
        assert (revised.change.from_evse_id, revised.change.to_evse_id) == ("A-1*1", "B-1*1")
        assert served.counters.values()["reroutes"] == 1
        assert [c.evse_id for c in served.brain.claims.table.live()] == ["B-1*1"]


async def test_a_lost_pile_without_another_ends_the_hold_and_says_so() -> None:
    """A promise that cannot be kept is not kept up."""
    async with serve_brain([station("A", 2.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        call = served.client.Guide()
        await call.write(opening(promise.recommendation_id))
        await next_promise(call)

        served.see("A-1*1", EvseStatus.OUTOFORDER)
        revised = await next_promise(call)

        assert revised.choice.hold.kind == wire.HOLD_KIND_NONE
        assert revised.choice.hold.reason_code == "NOTHING_FREE"
        assert not list(served.brain.claims.table.live())


async def test_an_arrived_car_that_plugs_in_occupies_its_place() -> None:
    """Arrival and plug-in end the guidance, and the place stays held until the car has gone."""
    async with serve_brain([station("A", 2.0), station("B", 3.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        call = served.client.Guide()
        await call.write(opening(promise.recommendation_id))
        await next_promise(call)
        await call.write(wire.GuideRequest(arrived=wire.GuideArrived()))

        served.see("A-1*1", EvseStatus.CHARGING)
        code = await closing(call)

        assert code == "ARRIVED"
        other = await served.client.Recommend(asking("car-2"))
        assert other.promise.choice.evse.evse_id == "B-1*1"


@pytest.mark.slow
async def test_a_walk_in_moves_the_car_that_was_promised_the_pile() -> None:
    """A plug-in without a word of the promised car is somebody else's."""
    async with serve_brain([station("A", 2.0), station("B", 3.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        call = served.client.Guide()
        await call.write(opening(promise.recommendation_id))
        await next_promise(call)

        served.see("A-1*1", EvseStatus.CHARGING)
        revised = await next_promise(call)

        assert revised.change.code == "PILE_TAKEN"
        assert revised.choice.evse.evse_id == "B-1*1"


async def test_a_car_that_comes_near_is_told_its_pile() -> None:
    """Within 500 m the stage turns from the area to the pile."""
    async with serve_brain([station("A", 5.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        call = served.client.Guide()
        await call.write(opening(promise.recommendation_id))
        assert (await next_promise(call)).stage == wire.STAGE_AREA

        near = nouns.Position(latitude_deg=HERE[0] + 4.7 * KM_LAT, longitude_deg=HERE[1])
        await call.write(wire.GuideRequest(progress=wire.Progress(position=near, soc_pct=45.0)))
        revised = await next_promise(call)

        assert revised.stage == wire.STAGE_PILE
        assert revised.choice.evse.evse_id == "A-1*1"


async def test_an_alternative_can_be_confirmed_instead() -> None:
    """The driver's choice moves the hold."""
    async with serve_brain([station("A", 2.0), station("B", 3.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise

        confirmed = await served.client.Confirm(
            wire.ConfirmRequest(
                recommendation_id=promise.recommendation_id,
                evse_id=promise.alternatives[0].evse.evse_id,
            )
        )

        assert confirmed.promise.choice.evse.evse_id == "B-1*1"
        assert [c.evse_id for c in served.brain.claims.table.live()] == ["B-1*1"]


async def test_a_confirmed_alternative_keeps_the_rest_of_the_list() -> None:
    """The first choice is an alternative now, and the driver may go back to it."""
    stations = [station("A", 2.0), station("B", 3.0), station("C", 4.0)]
    async with serve_brain(stations) as served:
        promise = (await served.client.Recommend(asking("car-1", alternative_count=2))).promise
        name = promise.recommendation_id

        first = await served.client.Confirm(
            wire.ConfirmRequest(recommendation_id=name, evse_id="C-1*1")
        )
        back = await served.client.Confirm(
            wire.ConfirmRequest(recommendation_id=name, evse_id="A-1*1")
        )

        listed = [other.evse.evse_id for other in first.promise.alternatives]
        assert listed == ["A-1*1", "B-1*1"]
        assert back.promise.choice.evse.evse_id == "A-1*1"
        assert [c.evse_id for c in served.brain.claims.table.live()] == ["A-1*1"]


async def test_a_place_behind_another_car_can_be_confirmed_as_an_alternative() -> None:
    """What is listed can be had, with its place in the queue."""
    async with serve_brain([station("A", 2.0), station("B", 3.0)]) as served:
        await served.client.Recommend(asking("car-1"))
        promise = (await served.client.Recommend(asking("car-2"))).promise
        assert promise.alternatives[0].evse.evse_id == "A-1*1"

        confirmed = await served.client.Confirm(
            wire.ConfirmRequest(recommendation_id=promise.recommendation_id, evse_id="A-1*1")
        )

        assert confirmed.promise.choice.hold.queue_position == 1
        assert confirmed.promise.choice.wait_s.p50 > 0


async def test_a_released_place_is_free_for_the_next_car() -> None:
    """What is given back can be promised again, once."""
    async with serve_brain([station("A", 2.0)]) as served:
        promise = (await served.client.Recommend(asking("car-1"))).promise
        release = wire.ReleaseRequest(recommendation_id=promise.recommendation_id)

        assert (await served.client.Release(release)).released
        assert not (await served.client.Release(release)).released
        other = await served.client.Recommend(asking("car-2"))

        assert other.promise.choice.hold.kind == wire.HOLD_KIND_SOFT
        assert other.promise.choice.wait_s.p50 == 0


async def test_a_more_urgent_car_gets_the_only_place_that_it_can_reach() -> None:
    """The low-level car that holds it is moved in the same step to one that it can have."""
    async with serve_brain([station("A", 1.0), station("B", 2.5), station("C", 20.0, 3)]) as served:
        low = (await served.client.Recommend(asking("car-1"))).promise
        call = served.client.Guide()
        await call.write(opening(low.recommendation_id))
        assert (await next_promise(call)).choice.evse.evse_id == "A-1*1"

        urgent = (await served.client.Recommend(asking("car-2", soc_pct=0.6))).promise
        revised = await next_promise(call)

        assert urgent.level == nouns.WARNING_LEVEL_HIGH
        assert urgent.choice.evse.evse_id == "A-1*1"
        assert urgent.choice.wait_s.p50 == 0
        assert revised.change.code == "HIGHER_LEVEL"
        assert revised.choice.evse.evse_id == "B-1*1"
        held = {c.vehicle_id: c.evse_id for c in served.brain.claims.table.live()}
        assert held == {"car-1": "B-1*1", "car-2": "A-1*1"}


async def test_a_car_that_would_lose_too_much_is_not_moved_for_a_more_urgent_one() -> None:
    """Nobody is made worse off by more than five minutes; the urgent car queues."""
    async with serve_brain([station("A", 1.0), station("B", 14.0, 3)]) as served:
        await served.client.Recommend(asking("car-1"))

        urgent = (await served.client.Recommend(asking("car-2", soc_pct=0.6))).promise

        assert urgent.choice.evse.evse_id == "A-1*1"
        assert urgent.choice.hold.queue_position == 1
        assert urgent.choice.wait_s.p50 > 600
        held = {c.vehicle_id: c.evse_id for c in served.brain.claims.table.live()}
        assert held == {"car-1": "A-1*1", "car-2": "A-1*1"}
