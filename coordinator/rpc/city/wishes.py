"""Follows a car that only wishes: the nearest district reminds it and makes it offers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc

from coordinator.rpc.city.link import AWAY, DistrictLink
from coordinator.rpc.city.trips import Trip, Trips
from coordinator.rpc.relayed import Relayed
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as wire

Call = grpc.aio.StreamStreamCall[wire.GuideRequest, wire.GuideResponse]


async def follow_wish(
    nearest: Sequence[DistrictLink],
    opening: wire.GuideOpen,
    requests: AsyncIterator[wire.GuideRequest],
    trips: Trips,
) -> AsyncIterator[wire.GuideResponse]:
    """What the district says until one side ends; raises `DistrictAway` when it goes away."""
    link = nearest[0]
    call: Call = await link.guide()
    sender: asyncio.Task[None] | None = None
    try:
        await call.write(wire.GuideRequest(open=opening))
        sender = asyncio.create_task(_send(call, requests), name="coordinator:wish")
        while isinstance(message := await call.read(), wire.GuideResponse):
            if message.HasField("promise") or message.HasField("offer"):
                kind = "promise" if message.HasField("promise") else "offer"
                promise: wire.Promise = getattr(message, kind)
                trip = Trip(
                    promise.recommendation_id, opening.wish.request_id, opening.wish.vehicle_id,
                    link.name, promise,
                )  # fmt: skip
                promise.CopyFrom(trip.take(promise))
                trips.add(trip)
            yield message
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
        if isinstance(error, grpc.aio.AioRpcError) and error.code() not in AWAY:
            raise Relayed(link.name, error) from error
        raise DistrictAway(link.name, "its stream broke") from error
    finally:
        if sender is not None:
            sender.cancel()
        call.cancel()


async def _send(call: Call, requests: AsyncIterator[wire.GuideRequest]) -> None:
    async for message in requests:
        await call.write(message)
    await call.done_writing()
