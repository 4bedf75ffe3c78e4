"""A charge point that answers the agent's calls with error codes of its own, or with none."""

from __future__ import annotations

from pathlib import Path

import pytest
from ocpp_gateway import gateway_of, raw_station

from edge_agent.core.directive import Outcome, SetAvailability


@pytest.mark.parametrize("code", ["", "AcmeError77"])
@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1"])
async def test_error_code_of_a_vendor_is_a_refusal(tmp_path: Path, version: str, code: str) -> None:
    """A directive is answered as refused, and the station is served on."""
    async with (
        gateway_of(tmp_path, version, settle_s=0.05) as gateway,
        raw_station(gateway, ChangeAvailability=code) as station,
    ):
        await station.call("Heartbeat", {})
        answer = await gateway.pile.perform("B-01*1", SetAvailability(operative=False))
        served = await station.call("Heartbeat", {})

    assert (answer.outcome, code in answer.message) == (Outcome.REFUSED, True)
    assert "currentTime" in served
