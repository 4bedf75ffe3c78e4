"""The agent as a process: registers in, records at the coordinator, kills survived."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from durable_edge_service import DurableEdgeService
from wallbox import Wallbox

from pilewise.v1 import types_pb2 as types

ROOT = Path(__file__).parents[2]
BLOCKED = """
import sys
for name in ("numpy", "onnxruntime", "scipy", "typer", "rich"):
    sys.modules[name] = None
from edge_agent.__main__ import main
code = main(sys.argv[1:])
loaded = sorted({name.split(".")[0] for name in sys.modules if sys.modules[name]})
print(" ".join(loaded), file=sys.stderr)
sys.exit(code)
"""


async def run(config: Path, *more: str, program: str = "") -> asyncio.subprocess.Process:
    start = ["-c", program] if program else ["-m", "edge_agent"]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *start,
        "-c",
        str(config),
        *more,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ready(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    told: dict[str, Any] = json.loads(line)
    return told


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[DurableEdgeService]:
    made = DurableEdgeService(tmp_path / "coordinator.db")
    await made.start()
    yield made
    await made.crash()


@pytest.fixture
async def wallbox() -> AsyncIterator[Wallbox]:
    made = Wallbox()
    made.port = await made.start()  # type: ignore[attr-defined]
    yield made
    await made.server.shutdown()


def write_config(folder: Path, service: DurableEdgeService, wallbox: Any, extra: str = "") -> Path:
    path = folder / "agent.toml"
    path.write_text(
        f'[agent]\nid = "G1"\ncoordinator = "127.0.0.1:{service.port}"\ndata_dir = "data"\n'
        'period_s = 0.2\nmetrics = "127.0.0.1:0"\n'
        "[uplink]\nbackoff_base_s = 0.05\nbackoff_cap_s = 0.2\n"
        '[ocpp]\nlisten = "127.0.0.1:0"\n'
        f'[[pile]]\nuid = "A-01"\nprofile = "abb-terra-ac"\nhost = "127.0.0.1"\n'
        f"port = {wallbox.port}\n"
        '[[pile]]\nuid = "A-02"\nprofile = "ocpp16"\n'
        '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 11\n' + extra
    )
    return path


@pytest.mark.slow
async def test_agent_runs_without_numpy_and_friends(
    tmp_path: Path, service: DurableEdgeService, wallbox: Wallbox
) -> None:
    """With numpy, onnxruntime, scipy, typer and rich blocked, a register still gets through."""
    process = await run(write_config(tmp_path, service, wallbox), program=BLOCKED)
    told = await ready(process)
    await service.until(lambda: len(service.rows("evse_id='A-01*1'")) >= 2)
    process.send_signal(signal.SIGTERM)
    _, stderr = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 0, stderr.decode()
    assert told["agent_id"] == "G1"
    assert told["piles"] == ["A-01", "A-02"]
    assert told["ocpp"].startswith("ws://127.0.0.1:")
    assert told["metrics"].startswith("127.0.0.1:")
    loaded = stderr.decode().splitlines()[-1].split()
    assert not {"numpy", "typer", "rich", "cryptography", "aiomqtt"} & set(loaded)


@pytest.mark.slow
async def test_E1_killed_agent_loses_and_doubles_nothing(
    tmp_path: Path, service: DurableEdgeService, wallbox: Wallbox
) -> None:
    """Agent and coordinator are killed in turn; every number is stored once, without a hole."""
    config = write_config(tmp_path, service, wallbox)
    for life in range(4):
        process = await run(config)
        await ready(process)
        known = len(service.rows())
        await service.until(lambda known=known: len(service.rows()) > known + 2)
        if life % 2:
            await service.crash()
            await service.start(service.port)
            known = len(service.rows())
            await service.until(lambda known=known: len(service.rows()) > known + 2)
        process.kill()
        await process.wait()
    process = await run(config)
    await ready(process)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 60) == 0

    spools = {hello.spool_id for hello in service.hellos}
    assert len(spools) == 1
    runs = service.runs(spools.pop())
    assert len(runs) == 1
    assert runs[0][0] == 1
    assert service.db.execute("SELECT count(*) FROM gap").fetchone() == (0,)
    starts = service.rows("kind=5")
    assert len(starts) == 1  # one car, one session, through all five lives


@pytest.mark.slow
async def test_E3_stopped_device_is_unknown_within_three_intervals(
    tmp_path: Path, service: DurableEdgeService, wallbox: Wallbox
) -> None:
    """When the wallbox goes away the coordinator reads UNKNOWN with a reason, never AVAILABLE."""
    process = await run(write_config(tmp_path, service, wallbox))
    await ready(process)
    await service.until(lambda: len(service.rows("evse_id='A-01*1'")) >= 1)

    await wallbox.server.shutdown()
    where = f"evse_id='A-01*1' AND status={types.EVSE_STATUS_UNKNOWN}"
    await service.until(lambda: bool(service.rows(where)), 5.0)

    assert service.rows(where)[0][7] in ("NOT_CONNECTED", "CONNECTION_LOST", "TIMEOUT")
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.wait(), 60)


@pytest.mark.slow
async def test_K1_mistakes_and_taken_ports_exit_3(
    tmp_path: Path, service: DurableEdgeService, wallbox: Wallbox
) -> None:
    """A file with mistakes, and a port that is in use, end with code 3 and the line."""
    config = write_config(tmp_path, service, wallbox)
    good = await run(config, "--check")
    _, said_good = await asyncio.wait_for(good.communicate(), 60)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config.write_text(
            config.read_text().replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{port}"')
        )
        busy = await run(config)
        _, said_busy = await asyncio.wait_for(busy.communicate(), 60)
    config.write_text(config.read_text() + '[[pile]]\nuid = "A-01"\nprofile = "nope"\n')
    bad = await run(config, "--check")
    _, said_bad = await asyncio.wait_for(bad.communicate(), 60)

    assert good.returncode == 0, said_good.decode()
    assert busy.returncode == 3
    assert f"error[CFG-011]: 127.0.0.1:{port}" in said_busy.decode()
    assert f"--> {config}:11  ocpp.listen" in said_busy.decode()
    assert bad.returncode == 3
    assert "CFG-006" in said_bad.decode()
    assert "CFG-007" in said_bad.decode()


@pytest.mark.slow
async def test_metrics_are_served_where_asked(
    tmp_path: Path, service: DurableEdgeService, wallbox: Wallbox
) -> None:
    """The metrics page shows whether the coordinator is connected."""
    process = await run(write_config(tmp_path, service, wallbox))
    told = await ready(process)
    await service.until(lambda: len(service.rows()) >= 1)
    host, port = told["metrics"].split(":")

    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    page = (await asyncio.wait_for(reader.read(), 60)).decode()
    writer.close()

    assert "pilewise_agent_connected 1.0" in page
    assert "pilewise_agent_records_committed_total" in page
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.wait(), 60)
