"""Does at simulated piles what a feed says that happened there: plugs in and out, breaks, mends.

When is by the district's clock; what a coordinator makes of it is not looked at here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import grpc

from city_sim.clock import SimClock
from city_sim.replay.feed import Feed
from city_sim.replay.network import Network
from city_sim.replay.telling import steps
from city_sim.replay.timeline import OCCUPIED, OUT_OF_CONTACT, OUT_OF_SERVICE
from pilewise.v1 import bench_service_pb2 as bench
from pilewise.v1 import bench_service_pb2_grpc as bench_rpc

CALL_S = 10.0
ENDLESS_KWH = 1_000.0  # a car so large never gets what it wants while it stands there
FAULTS = {OUT_OF_SERVICE: "HighTemperature", OUT_OF_CONTACT: "wire:silent"}
TRIES, AGAIN_S = 20, 0.1  # a pile that was just mended does not take a car at once


class Hands:
    """One pair for all piles. `state` is what they have brought about so far, by plug."""

    def __init__(
        self,
        feed: Feed,
        net: Network,
        benches: Mapping[str, bench_rpc.BenchServiceAsyncStub],
        clock: SimClock,
    ) -> None:
        self._feed, self._net, self._benches, self._clock = feed, net, benches, clock
        self.state: dict[int, int] = {}

    async def begin(self) -> None:
        """Brings every pile into the state with which the feed begins."""
        for plug, line in enumerate(self._feed.lines):
            if len(line.states):
                await self.bring(plug, int(line.states[0]))

    async def run(self, until_s: float) -> None:
        """Follows the feed until an instant."""
        for step in steps(self._feed):
            if step.at_s >= until_s:
                return
            await self._clock.until(step.at_s)
            for plug, state in zip(step.plugs.tolist(), step.states.tolist(), strict=True):
                await self.bring(plug, state)

    async def bring(self, plug: int, state: int) -> None:
        """Ends what was, and begins what is now."""
        before, name = self.state.get(plug), self._net.evse_ids[plug]
        if before == state:
            return
        stub = self._benches[name]
        if before == OCCUPIED:
            await stub.Unplug(bench.UnplugRequest(evse_id=name), timeout=CALL_S)
        elif before in FAULTS:
            await stub.ClearFault(bench.ClearFaultRequest(evse_id=name), timeout=CALL_S)
        if state == OCCUPIED:
            await self._plug_in(name)
        elif state in FAULTS:
            request = bench.InjectFaultRequest(evse_id=name, fault=FAULTS[state])
            await stub.InjectFault(request, timeout=CALL_S)
        self.state[plug] = state

    async def _plug_in(self, name: str) -> None:
        request = bench.PlugInRequest(
            evse_id=name, battery_kwh=ENDLESS_KWH, soc_pct=5.0, target_soc_pct=100.0
        )
        for attempt in range(TRIES):
            try:
                await self._benches[name].PlugIn(request, timeout=CALL_S)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.FAILED_PRECONDITION or attempt + 1 == TRIES:
                    raise
                await asyncio.sleep(AGAIN_S)
            else:
                return
