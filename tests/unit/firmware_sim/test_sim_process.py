"""The simulator as a process: ready line, signals, exit codes."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COMMAND = (sys.executable, "-m", "firmware_sim", "-c")
PILE = '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "abb-terra-ac"\n'
OCPP = '[[pile]]\npile_id = "B-01"\nface = "ocpp16"\nurl = "ws://127.0.0.1:1/B-01"\n'


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_process_says_where_it_listens_and_stops_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    """One JSON line names every address as bound; a signal ends the process with 0."""
    config = tmp_path / "sim.toml"
    config.write_text(PILE + OCPP)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, str(config), cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        ready = json.loads(await process.stdout.readline())
        host, _, port = ready["piles"][0]["address"].rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        process.send_signal(number)
        rest, errors = await process.communicate()

    assert (process.returncode, rest) == (0, b""), errors.decode()
    assert b"Traceback" not in errors
    assert ready["event"] == "ready"
    assert ready["piles"] == [
        {
            "pile_id": "A-01",
            "face": "modbus",
            "address": f"{host}:{port}",
            "model": "abb-terra-ac",
            "evses": ["A-01*1"],
        },
        {
            "pile_id": "B-01",
            "face": "ocpp16",
            "address": "ws://127.0.0.1:1/B-01",
            "model": "generic",
            "evses": ["B-01*1"],
        },
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("text", "code"), [("[sim]\nsead = 1\n", 3), (None, 3)])
def test_process_tells_configuration_mistakes_with_exit_code_three(
    tmp_path: Path, text: str | None, code: int
) -> None:
    """Mistakes go to stderr and nothing is served."""
    config = tmp_path / "sim.toml"
    if text is not None:
        config.write_text(text)

    ended = subprocess.run(
        [*COMMAND, str(config)], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith("error[CFG-")


@pytest.mark.slow
@pytest.mark.parametrize(("text", "code"), [("[sim]\nsead = 1\n", 3), ("[sim]\nseed = 1\n", 0)])
def test_process_that_only_checks_serves_nothing(tmp_path: Path, text: str, code: int) -> None:
    """`--check` tells mistakes as a start does, and ends without a word where there are none."""
    config = tmp_path / "sim.toml"
    config.write_text(text)

    ended = subprocess.run(
        [*COMMAND, str(config), "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (code, "")
    assert bool(ended.stderr) == bool(code)


@pytest.mark.slow
async def test_process_whose_port_is_taken_exits_with_three(tmp_path: Path) -> None:
    """A port in use is told with its address."""
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = tmp_path / "sim.toml"
    config.write_text(PILE + f'listen = "127.0.0.1:{port}"\n')

    process = await asyncio.create_subprocess_exec(
        *COMMAND, str(config), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    server.close()

    assert process.returncode == 3
    assert f"127.0.0.1:{port}" in errors.decode()
    assert "Traceback" not in errors.decode()
