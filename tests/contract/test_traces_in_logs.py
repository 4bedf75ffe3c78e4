"""One name leads through the logs of coordinator and agent, from a car's request to its pile."""

from __future__ import annotations

from pathlib import Path

import pytest
from reserving_site import reserving_site

from coordinator.usecases.trace import trace_of
from pilewise.client import traceparent
from pilewise.v1 import charging_service_pb2 as wire

pytestmark = pytest.mark.slow
TRACE = "0af7651916cd43dd8448eb211c80319c"


def is_firm(promise: wire.Promise) -> bool:
    return promise.choice.hold.kind == wire.HOLD_KIND_FIRM


def lines(log: Path, event: str, trace_id: str) -> list[str]:
    return [
        line
        for line in log.read_text().splitlines()
        if f"event='{event}'" in line and f"trace_id='{trace_id}'" in line
    ]


async def test_name_that_the_car_gave_is_in_both_logs(tmp_path: Path) -> None:
    """The reservation is logged under the car's trace where it is asked for and where done."""
    header = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),)
    async with reserving_site(tmp_path, {"A-01": []}) as site:
        car = await site.guide(await site.recommend("car-1", "TAG-1", header)).open()
        await car.until(is_firm)

    (asked,) = lines(tmp_path / "coordinator.log", "directive sent", TRACE)
    (done,) = lines(tmp_path / "agent.log", "directive done", TRACE)
    assert "action='Reserve'" in asked
    assert "action='Reserve'" in done
    assert "outcome='DONE'" in done


async def test_without_a_name_the_recommendation_gives_it(tmp_path: Path) -> None:
    """A car that knows nothing of traces is found by the id of its recommendation."""
    async with reserving_site(tmp_path, {"A-01": []}) as site:
        offer = await site.recommend("car-1", "TAG-1")
        await (await site.guide(offer).open()).until(is_firm)

    name = offer.recommendation_id.replace("-", "")
    assert len(lines(tmp_path / "coordinator.log", "directive sent", name)) == 1
    assert len(lines(tmp_path / "agent.log", "directive done", name)) == 1


@pytest.mark.parametrize("request_id", ["019b0b2e-7c5f-7c3a-8a51-0f1e2d3c4b5a", "my-own-1"])
def test_client_sends_a_trace_that_the_coordinator_reads(request_id: str) -> None:
    """A UUID is taken as it is; any other id becomes digits, the same each time."""
    request = wire.RecommendRequest(request_id=request_id)
    name = trace_of(traceparent(request))

    assert len(name) == 32
    assert name == trace_of(traceparent(request))
    assert (name == request_id.replace("-", "")) is (len(request_id) == 36)


@pytest.mark.parametrize(
    "header",
    ["", "00-xyz", f"ff-{TRACE}-b7ad6b7169203331-01", f"00-{'0' * 32}-b7ad6b7169203331-01",
     f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-b7ad6b7169203331-01"],
)  # fmt: skip
def test_headers_that_are_none_give_no_name(header: str) -> None:
    """What the W3C calls invalid is as if nothing had been sent."""
    assert trace_of(header) == ""
