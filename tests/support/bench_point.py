"""A simulated charge point `B-01` under the bench, and what the tests of its OCPP 1.6 do to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from central_system import CentralSystem

from pilewise.v1 import bench_service_pb2 as pb

OCPP = "[ocpp]\nreconnect_base_s = 0.05\nreconnect_cap_s = 0.05\n"
CLOCK = "[clock]\nepoch_at_ms = 1777888800000\nanchor_s = 0.0\n"
EPOCH = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def config(central: CentralSystem, *, mode: str = "stepped", ocpp: str = "", **pile: Any) -> str:
    """A simulator's file with this one charge point; `pile` are more of its keys."""
    facts = {"max_power_kw": 60.0, "connectors": 2, **pile}
    lines = "".join(f"{key} = {value!r}\n".replace("'", '"') for key, value in facts.items())
    return (
        f'[sim]\nmode = "{mode}"\n{CLOCK}{OCPP}{ocpp}'
        f'[[pile]]\npile_id = "B-01"\nface = "ocpp16"\nurl = "{central.url("B-01")}"\n{lines}'
    )


async def plug(sim: Any, evse_id: str = "B-01*1", token: str = "") -> None:
    """A car comes; without a token it charges freely."""
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id=evse_id, soc_pct=20, id_token=token))


async def advance(sim: Any, seconds: float) -> None:
    """Domain time passes."""
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=seconds))
