"""A simulated charge point `B-01` with two EVSEs in the test's own event loop, and its bench."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from firmware_sim.app import Simulator
from firmware_sim.config import load_config
from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import bench_service_pb2_grpc

DEADLINE_S = 60.0
FACES = {"ocpp1.6": "ocpp16", "ocpp2.0.1": "ocpp201"}


@dataclass
class SimulatedStation:
    """What a test does to the charge point."""

    simulator: Simulator
    bench: bench_service_pb2_grpc.BenchServiceStub

    async def plug(self, evse: int = 1, token: str = "") -> None:
        """A car comes; without a token it charges freely."""
        request = pb.PlugInRequest(evse_id=f"B-01*{evse}", soc_pct=20, id_token=token)
        await self.bench.PlugIn(request)

    async def unplug(self, evse: int = 1) -> None:
        """The car leaves."""
        await self.bench.Unplug(pb.UnplugRequest(evse_id=f"B-01*{evse}"))

    async def advance(self, seconds: float) -> None:
        """Domain time passes."""
        await self.bench.Advance(pb.AdvanceRequest(duration_s=seconds))

    async def inject(self, fault: str, evse: int = 1) -> None:
        """Something breaks; `wire:disconnect` pulls the cable to the central system."""
        await self.bench.InjectFault(pb.InjectFaultRequest(evse_id=f"B-01*{evse}", fault=fault))

    async def cleared(self, fault: str, evse: int = 1) -> None:
        """One thing is mended, the rest stays."""
        await self.bench.ClearFault(pb.ClearFaultRequest(evse_id=f"B-01*{evse}", fault=fault))

    async def clear(self, evse: int = 1) -> None:
        """It is mended."""
        await self.bench.ClearFault(pb.ClearFaultRequest(evse_id=f"B-01*{evse}"))


@asynccontextmanager
async def simulated(
    folder: Path, version: str, url: str, *lines: str, mode: str = "live"
) -> AsyncIterator[SimulatedStation]:
    """A running charge point of that version that dials `url`; `lines` are more of its table."""
    path = folder / "sim.toml"
    more = "\n".join(lines)
    path.write_text(
        f'[sim]\nmode = "{mode}"\ntick_s = 0.05\n'
        "[ocpp]\nreconnect_base_s = 0.05\nreconnect_cap_s = 0.05\nsample_s = 1\n"
        f'[[pile]]\npile_id = "B-01"\nface = "{FACES[version]}"\nurl = "{url}"\n'
        f"max_power_kw = 60.0\nconnectors = 2\n{more}\n"
    )
    simulator = Simulator(load_config(path))
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(simulator.run(stop, ready.set_result), name="test:simulator")
    line = await asyncio.wait_for(ready, DEADLINE_S)
    channel = grpc.aio.insecure_channel(line["bench"])
    try:
        yield SimulatedStation(simulator, bench_service_pb2_grpc.BenchServiceStub(channel))
    finally:
        await channel.close()
        stop.set()
        await asyncio.wait_for(task, DEADLINE_S)
