"""A window in the future, from the request to the guidance, through a real grpc server."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from served_brain import asking, serve_brain, station

from coordinator.usecases import ahead
from pilewise.v1 import charging_service_pb2 as wire

DEADLINE_S = 60.0


def for_window(car: str, from_s: int, to_s: int) -> wire.RecommendRequest:
    """A request for a window so many seconds from now."""
    request, now_s = asking(car), int(time.time())
    request.arrival_window.from_at.CopyFrom(Timestamp(seconds=now_s + from_s))
    request.arrival_window.to_at.CopyFrom(Timestamp(seconds=now_s + to_s))
    return request


async def test_a_window_is_kept_told_and_confirmed() -> None:
    """The promise names the window; others are sent elsewhere for that time, not for now."""
    async with serve_brain([station("A", 2.0), station("B", 3.0)]) as served:
        request = for_window("car-1", 7_200, 9_000)
        promise = (await served.client.Recommend(request)).promise
        confirm = wire.ConfirmRequest(recommendation_id=promise.recommendation_id)
        firm = (await served.client.Confirm(confirm)).promise
        other = (await served.client.Recommend(for_window("car-2", 7_200, 9_000))).promise
        now = (await served.client.Recommend(asking("car-3"))).promise

        assert promise.choice.evse.evse_id == "A-1*1"
        assert promise.arrival_window == request.arrival_window
        assert promise.choice.hold.kind == wire.HOLD_KIND_SOFT
        assert "is kept for you from" in promise.choice.summary
        until_s = request.arrival_window.to_at.seconds + 600
        assert firm.choice.hold.until.seconds == until_s
        assert other.choice.evse.evse_id == "B-1*1"
        assert now.choice.evse.evse_id == "A-1*1"
        assert not now.HasField("arrival_window")


async def test_a_window_that_is_full_is_said_with_its_reason() -> None:
    """No hold is invented."""
    async with serve_brain([station("A", 2.0)]) as served:
        await served.client.Recommend(for_window("car-1", 7_200, 9_000))
        answer = await served.client.Recommend(for_window("car-2", 8_000, 9_000))

        assert not answer.HasField("promise")
        assert answer.empty_reason == "NOTHING_THEN"


@pytest.mark.slow
async def test_a_window_begins_down_the_guide_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The car is told when to set out, and its window is its live claim from then on."""
    async with serve_brain([station("A", 2.0)]) as served:
        promise = (await served.client.Recommend(for_window("car-1", 3_600, 5_400))).promise
        call = served.client.Guide()
        opening = wire.GuideOpen(recommendation_id=promise.recommendation_id)
        await call.write(wire.GuideRequest(open=opening))
        first = await _promise(call)
        assert not first.HasField("change")

        monkeypatch.setattr(ahead, "SET_OUT_S", 3_600.0)  # as if it were time now
        begun = await _promise(call)

        assert begun.change.code == "WINDOW_BEGINS"
        assert [claim.future for claim in served.brain.claims.table.live()] == [False]


async def _promise(call: object) -> wire.Promise:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            message = await call.read()  # type: ignore[attr-defined]
            assert message is not grpc.aio.EOF
            if message.WhichOneof("message") == "promise":
                return message.promise
