"""`pilewise coordinator districts`: the districts of a city, up or away, and what they have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pilewise.cli import dial
from pilewise.cli.ask import AsJson, Target, call
from pilewise.cli.output import emit, say

if TYPE_CHECKING:
    from pilewise.v1 import operator_service_pb2 as op

CALL_S = 30.0
_HERE = "127.0.0.1:50050"


def districts(target: Target = _HERE, json: AsJson = False) -> None:
    """Lists the districts of a city: up or away and why, EVSEs, free ones, promises."""
    told = asyncio.run(call(_districts(target), target))
    found = [_plain(one) for one in told.districts]
    if json:
        emit({"districts": found, "moved": told.moved_count})
        return
    for one in found:
        state = "up" if one["up"] else f"away: {one['why']}"
        say(
            f"{one['district']}  {one['address']}  {state}  {one['evses']} EVSEs, "
            f"{one['free']} free, {one['claims']} held"
        )
    say(f"{told.moved_count} promises went from one district to another")


def _plain(state: op.DistrictState) -> dict[str, Any]:
    counts = state.summary.evse_count_by_status
    return {
        "district": state.district_id,
        "address": state.address,
        "up": state.up,
        "why": state.why,
        "evses": sum(counts.values()),
        "free": counts.get("AVAILABLE", 0),
        "claims": state.summary.claim_count,
        "agents": state.summary.agent_count,
        "stations": state.summary.station_count,
        "age_s": round(state.age_s, 1) if state.HasField("age_s") else None,
        "promises": state.promise_count,
        "answered": state.answered_count,
        "failed": state.failed_count,
        "withheld": state.withheld_count,
        "unsettled": state.unsettled_count,
    }


async def _districts(target: str) -> op.ListDistrictsResponse:
    from pilewise.v1 import operator_service_pb2 as op
    from pilewise.v1 import operator_service_pb2_grpc as rpc

    async with dial.channel(target) as channel:
        stub = rpc.OperatorServiceStub(channel)
        answer: op.ListDistrictsResponse = await stub.ListDistricts(
            op.ListDistrictsRequest(), timeout=CALL_S
        )
        return answer
