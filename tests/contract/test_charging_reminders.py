"""Reminders in thin areas, over the wire: in answers, while driving, and where there is no pile."""

from __future__ import annotations

import asyncio

import grpc
from served_brain import HERE, KM_LAT, asking, serve_brain, station

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns


def at(north_km: float) -> nouns.Position:
    """A position so far north of `HERE`."""
    return nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])


async def test_answer_in_a_thin_area_reminds() -> None:
    """The promise says by which km to charge, at which last station, and why."""
    async with serve_brain([station("A", 10.0, 4), station("B", 20.0, 4)]) as served:
        request = asking("car", soc_pct=20.0, language="en")
        request.destination.CopyFrom(at(60.0))

        reminder = (await served.client.Recommend(request)).promise.reminder

    assert reminder.last_station_id == "B"
    assert 20.0 <= reminder.charge_before_km <= 30.0
    assert (reminder.code, reminder.reason_code) == ("CHARGE_AHEAD", "THIN_AREA")
    assert "Station B" in reminder.text


async def test_answer_among_many_piles_does_not_remind() -> None:
    """Twenty EVSEs around are no thin area."""
    async with serve_brain([station("A", 1.0, 20)]) as served:
        answer = await served.client.Recommend(asking("car"))

    assert not answer.promise.HasField("reminder")


async def test_answer_without_any_pile_reminds_in_chinese() -> None:
    """An empty answer says that no station is within reach; the nearest is in its own field."""
    async with serve_brain([station("A", 100.0)]) as served:
        answer = await served.client.Recommend(asking("car", soc_pct=10.0, language="zh"))

    assert answer.empty_reason == "NOTHING_REACHABLE"
    assert answer.reminder.code == "CHARGE_SHORT"
    assert answer.reminder.last_station_id == "A"
    assert "Station A" not in answer.reminder.text
    assert "公里内没有可用站点" in answer.reminder.text


async def test_guide_reminds_again_when_the_margin_has_halved() -> None:
    """A car that drives away from the last station hears it once more at half the margin."""
    async with serve_brain([station("A", 20.0, 4)]) as served:
        request = asking("car", soc_pct=50.0)
        request.destination.CopyFrom(at(300.0))
        promise = (await served.client.Recommend(request)).promise
        first_km = promise.reminder.charge_before_km
        call = served.client.Guide()
        opening = wire.GuideOpen(recommendation_id=promise.recommendation_id)
        await call.write(wire.GuideRequest(open=opening))
        for north_km in (5.0, 11.0, 12.0):
            progress = wire.Progress(position=at(north_km), soc_pct=49.0)
            await call.write(wire.GuideRequest(progress=progress))
        reminders = [await next_reminder(call)]
        progress = wire.Progress(position=at(16.0), soc_pct=48.0)
        await call.write(wire.GuideRequest(progress=progress))
        reminders.append(await next_reminder(call))
        call.cancel()

    told_km = [reminder.charge_before_km for reminder in reminders]
    assert first_km / 4.0 < told_km[0] <= first_km / 2.0
    assert told_km[1] <= told_km[0] / 2.0


async def test_update_progress_reminds_a_car_that_cannot_stream() -> None:
    """The unary way carries the reminder in the answer to the position that made it due."""
    async with serve_brain([station("A", 20.0, 4)]) as served:
        request = asking("car", soc_pct=50.0)
        request.destination.CopyFrom(at(300.0))
        promise = (await served.client.Recommend(request)).promise
        name = promise.recommendation_id

        async def report(north_km: float) -> wire.UpdateProgressResponse:
            progress = wire.Progress(position=at(north_km), soc_pct=49.0)
            return await served.client.UpdateProgress(
                wire.UpdateProgressRequest(recommendation_id=name, progress=progress)
            )

        early, late = await report(5.0), await report(11.0)

    assert not early.HasField("reminder")
    assert late.reminder.last_station_id == "A"


async def next_reminder(
    call: grpc.aio.StreamStreamCall[wire.GuideRequest, wire.GuideResponse],
) -> wire.Reminder:
    """The next reminder that is pushed, within a deadline."""
    async with asyncio.timeout(60):
        while True:
            event = await call.read()
            assert isinstance(event, wire.GuideResponse)
            if event.WhichOneof("message") == "reminder":
                return event.reminder
