"""Clients of other versions are served: the first contract's bytes, and fields nobody knows."""

from __future__ import annotations

from dataclasses import replace

import grpc
from served_brain import serve_brain, station

from coordinator.core.pile import Connector, PowerType, Station
from pilewise.v1 import charging_service_pb2 as wire

RECOMMEND = "/pilewise.v1.ChargingService/Recommend"
RELEASE = "/pilewise.v1.ChargingService/Release"
# A request as version 0.1.0 wrote it: a car at 22.5, 114.25 with a GB/T DC plug.
FIRST = bytes.fromhex(
    "0a027231120545562d30371a06757365722d31220815000070423a01132d0000b0413212090000000000803640"
    "110000000000905c403d0000a0429a01027a68"
)
# Field 900 with a text, field 901 with a number: what a version after this one may send.
LATER = b"\xa2\x38\x05later" + b"\xa8\x38\x07"
GBT_DC = 19


def gbt_station() -> Station:
    """A station near the car of the first version, with its plug."""
    made = station("S", 0.0, 2)
    plug = (Connector("1", GBT_DC, PowerType.DC, 120.0),)
    piles = tuple(
        replace(pile, evses=tuple(replace(evse, connectors=plug) for evse in pile.evses))
        for pile in made.piles
    )
    return replace(made, longitude_deg=114.24, latitude_deg=22.51, piles=piles)


async def test_V7_client_of_the_first_contract_is_served() -> None:
    """Bytes of version 0.1.0 get a promise, with what they leave out taken as usual."""
    async with (
        serve_brain([gbt_station()]) as brain,
        grpc.aio.insecure_channel(brain.target) as channel,
    ):
        raw = await channel.unary_unary(RECOMMEND)(FIRST, timeout=20)
        answer = wire.RecommendResponse.FromString(raw)

    assert answer.promise.choice.evse.evse_id.startswith("S-")


async def test_V7_client_of_a_later_contract_is_served() -> None:
    """Fields that are unknown here are passed over, in requests and in what is sent back."""
    async with (
        serve_brain([gbt_station()]) as brain,
        grpc.aio.insecure_channel(brain.target) as channel,
    ):
        raw = await channel.unary_unary(RECOMMEND)(FIRST + LATER, timeout=20)
        answer = wire.RecommendResponse.FromString(raw + LATER)
        name = answer.promise.recommendation_id
        release = wire.ReleaseRequest(recommendation_id=name).SerializeToString()
        released = await channel.unary_unary(RELEASE)(release + LATER, timeout=20)

    assert wire.ReleaseResponse.FromString(released).released
