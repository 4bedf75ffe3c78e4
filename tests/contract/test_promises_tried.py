"""What `docs/promises.md` says, tried: second clicks, late words, restarts, and a full disk."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import HERE, ServedBrain, asking, serve_brain, station
from small_disk import mounted

from coordinator.core.pile import EvseStatus
from coordinator.usecases import watchman
from coordinator.usecases.replan import InlineSolver
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

DEADLINE_S = 60.0
BUSY, FREE = EvseStatus.CHARGING, EvseStatus.AVAILABLE


class Guided:
    """A guidance, message by message."""

    def __init__(self, client: rpc.ChargingServiceAsyncStub, name: str) -> None:
        self.name = name
        self.call = client.Guide()

    async def open(self) -> wire.Promise:
        opening = wire.GuideOpen(recommendation_id=self.name)
        await self.call.write(wire.GuideRequest(open=opening))
        return await self.promise()

    async def promise(self) -> wire.Promise:
        return (await self._next("promise")).promise

    async def closed(self) -> str:
        return str((await self._next("closed")).closed.code)

    async def _next(self, kind: str) -> wire.GuideResponse:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self.call.read()
                assert message is not grpc.aio.EOF
                if message.WhichOneof("message") == kind:
                    return message


async def follow(served: ServedBrain, car: str, number: int = 1) -> Guided:
    """A car that has asked and opened its guidance."""
    answer = await served.client.Recommend(asking(car, number))
    guided = Guided(served.client, answer.promise.recommendation_id)
    await guided.open()
    return guided


def held(served: ServedBrain, car: str) -> list[str]:
    return [claim.evse_id for claim in served.brain.claims.table.of_car(car)]


async def until_held(served: ServedBrain, car: str, evse_ids: list[str]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while held(served, car) != evse_ids:
            await asyncio.sleep(0.01)


async def test_a_second_click_replaces_the_first_once_it_is_confirmed() -> None:
    """Another request of the car: its place stays until the new one is confirmed, then it ends."""
    async with serve_brain([station("A", 1.0), station("B", 4.0)]) as served:
        served.see("A-1*1", BUSY)
        first = await follow(served, "car-1")
        served.see("A-1*1", FREE)
        second = await served.client.Recommend(asking("car-1", 2))
        assert second.promise.choice.evse.evse_id == "A-1*1"
        assert sorted(held(served, "car-1")) == ["A-1*1", "B-1*1"]

        name = second.promise.recommendation_id
        for _ in range(2):  # the finger was quick
            await served.client.Confirm(wire.ConfirmRequest(recommendation_id=name))

        assert await first.closed() == "REPLACED"
        assert held(served, "car-1") == ["A-1*1"]


async def test_two_guidances_of_one_promise_are_told_the_same() -> None:
    """Car and telephone follow it: both hear each change and the end, one may hang up."""
    async with serve_brain([station("A", 1.0), station("B", 4.0), station("C", 5.0)]) as served:
        car = await follow(served, "car-1")
        phone, third = (Guided(served.client, car.name) for _ in range(2))
        await phone.open()
        await third.open()
        third.call.cancel()

        served.see("A-1*1", EvseStatus.OUTOFORDER)
        told = await car.promise(), await phone.promise()
        await served.client.Release(wire.ReleaseRequest(recommendation_id=car.name))

        assert told[0].revision == told[1].revision
        assert told[0].choice.evse.evse_id == told[1].choice.evse.evse_id == "B-1*1"
        assert [await car.closed(), await phone.closed()] == ["RELEASED", "RELEASED"]
        assert held(served, "car-1") == []


async def test_a_release_while_an_offer_stands_gives_both_places_back() -> None:
    """The driver gives up within the fifteen seconds: nothing is left behind."""
    async with serve_brain([station("A", 1.0), station("B", 4.0)]) as served:
        served.see("A-1*1", BUSY)
        car = await follow(served, "car-1")
        served.see("A-1*1", FREE)
        await served.brain.replanner.once(InlineSolver())
        offer = await car.promise()
        assert offer.HasField("accept_before")

        await served.client.Release(wire.ReleaseRequest(recommendation_id=car.name))
        # The accepting word comes by itself: written into a stream that ends, it may hide the end.
        late = wire.UpdateProgressRequest(recommendation_id=car.name)
        late.decision.revision, late.decision.accepted = offer.revision, True
        answer = await served.client.UpdateProgress(late)
        await served.brain.replanner.proposals.expire()

        assert answer.closed.code == await car.closed() == "RELEASED"
        await until_held(served, "car-1", [])


async def test_a_decision_after_the_end_changes_nothing_and_is_no_error() -> None:
    """A word on a promise that is over is answered with how it ended."""
    async with serve_brain([station("A", 1.0)]) as served:
        car = await follow(served, "car-1")
        await served.client.Release(wire.ReleaseRequest(recommendation_id=car.name))

        request = wire.UpdateProgressRequest(recommendation_id=car.name)
        request.decision.revision, request.decision.accepted = 1, True
        answer = await served.client.UpdateProgress(request)

        assert answer.closed.code == "RELEASED"
        assert held(served, "car-1") == []


async def test_a_coordinator_that_restarts_takes_a_guidance_up_where_it_was(
    tmp_path: Path,
) -> None:
    """The stream breaks; opened anew it shows the same place, and what was offered is gone."""
    stations, path = [station("A", 1.0), station("B", 4.0)], tmp_path / "claims.db"
    async with serve_brain(stations, path) as served:
        served.see("A-1*1", BUSY)
        car = await follow(served, "car-1")
        served.see("A-1*1", FREE)
        await served.brain.replanner.once(InlineSolver())
        offer = await car.promise()
    async with serve_brain(stations, path) as served:
        again = Guided(served.client, car.name)
        promise = await again.open()
        assert promise.choice.evse.evse_id == "B-1*1"
        assert held(served, "car-1") == ["B-1*1"]

        decision = wire.GuideDecision(revision=offer.revision, accepted=True)
        await again.call.write(wire.GuideRequest(decision=decision))
        served.see("B-1*1", EvseStatus.OUTOFORDER)
        moved = await again.promise()

        assert (moved.change.code, moved.choice.evse.evse_id) == ("PILE_FAILED", "A-1*1")
        assert moved.revision > offer.revision


async def test_a_pile_of_which_nothing_is_heard_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its status is unknown for a while: the car gets another place, and is told why."""
    monkeypatch.setattr(watchman, "SILENT_EVSE_S", 1.5)
    async with serve_brain([station("A", 1.0), station("B", 4.0)]) as served:
        car = await follow(served, "car-1")

        served.see("A-1*1", EvseStatus.UNKNOWN)
        moved = await car.promise()

        assert (moved.change.code, moved.choice.evse.evse_id) == ("PILE_SILENT", "B-1*1")


async def test_what_cannot_be_stored_is_not_promised(tmp_path: Path) -> None:
    """The disk is full: the answer says that nothing is held; with room again it is held."""
    with mounted(tmp_path / "small", "size=2m") as folder:
        async with serve_brain([station("A", 1.0, 3)], folder / "claims.db") as served:
            first = await served.client.Recommend(asking("car-1"))
            assert first.promise.choice.hold.kind == wire.HOLD_KIND_SOFT
            filler = folder / "filler"
            fill(filler)
            told = []
            for number in range(60):  # what the log has room for yet is used up
                answer = await served.client.Recommend(asking(f"late-{number}"))
                told.append(answer.promise.choice.hold)
                if told[-1].kind == wire.HOLD_KIND_NONE:
                    break

            assert told[-1].kind == wire.HOLD_KIND_NONE
            assert told[-1].reason_code
            assert held(served, f"late-{len(told) - 1}") == []
            filler.unlink()
            after = await served.client.Recommend(asking("after"))
            assert after.promise.choice.hold.kind == wire.HOLD_KIND_SOFT


@pytest.mark.slow
@pytest.mark.parametrize("token", ["", "TAG-1"])
async def test_a_hold_at_a_pile_without_an_agent_says_so(tmp_path: Path, token: str) -> None:
    """Nobody speaks for the pile: it is kept among cars alone; who gave a token is told as news."""
    process = CoordinatorProcess(tmp_path)
    await process.start()
    try:
        async with grpc.aio.insecure_channel(process.address) as channel:
            put = op_rpc.OperatorServiceStub(channel)
            await put.PutStations(op.PutStationsRequest(stations=[_station()]), timeout=10)
            client = rpc.ChargingServiceStub(channel)
            answer = await client.Recommend(asking("car-1", id_token=token), timeout=10)
            name = answer.promise.recommendation_id
            promise = await Guided(client, name).open()
            async with asyncio.timeout(DEADLINE_S):
                while promise.choice.hold.reason_code != "NO_AGENT":
                    await asyncio.sleep(0.05)
                    ask = wire.GetRecommendationRequest(recommendation_id=name)
                    promise = (await client.GetRecommendation(ask, timeout=10)).promise

            assert promise.choice.hold.kind == wire.HOLD_KIND_SOFT
            assert promise.change.code == ("HOLD_SOFT" if token else "")
    finally:
        await process.stop()


def fill(file: Path) -> None:
    """Takes all the room that a disk has left."""
    with contextlib.suppress(OSError), file.open("wb", 0) as filler:
        while True:
            filler.write(b"\0" * 4_096)


def _station() -> nouns.Station:
    place = nouns.Station(station_id="S", name="S", position=nouns.Position(
        latitude_deg=HERE[0] + 0.01, longitude_deg=HERE[1]))  # fmt: skip
    pile = place.piles.add(pile_id="P", station_id="S", label="P")
    evse = pile.evses.add(evse_id="P*1")
    evse.connectors.add(
        connector_id="1", standard=nouns.CONNECTOR_STANDARD_IEC_62196_T2_COMBO,
        power_type=nouns.POWER_TYPE_DC, max_power_kw=120.0,
    )  # fmt: skip
    return place
