"""The demo, as a newcomer types it: everything starts, holds, loses nothing, and ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from pictures import keep_terminal, terminal_svg

pytestmark = [pytest.mark.flow, pytest.mark.slow]
COMMAND = (sys.executable, "-c", "from pilewise.cli import main; main()", "demo")


async def play(*args: str) -> asyncio.subprocess.Process:
    """The demo as a process."""
    return await asyncio.create_subprocess_exec(
        *COMMAND, *args, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "FORCE_COLOR": "1"},
    )  # fmt: skip


async def test_the_summary_says_what_happened() -> None:
    """All agents and piles are up, conflicts are solved, cars re-routed, and nothing is lost."""
    process = await play("--for", "20s", "--json")
    out, err = await asyncio.wait_for(process.communicate(), 110)

    assert process.returncode == 0, err.decode()[-2000:]
    lines = out.decode().splitlines()
    assert len(lines) == 1
    shown = json.loads(lines[0])
    assert shown["agents_up"] == 3
    assert shown["piles_talking"] >= 12
    assert shown["cars"] >= 8
    assert shown["records_lost"] == 0 < shown["records_stored"] == shown["records_spooled"]
    assert shown["conflicts_resolved"] >= 1
    assert shown["reroutes"] >= 1
    assert shown["errors"] == []
    assert {model["name"] for model in shown["models"]} >= {"ranker", "failure"}
    svg = terminal_svg(err.decode(), "pilewise demo")
    words = re.sub(r"<[^>]+>", "", svg).replace("&#160;", " ")
    assert "re-routed" in words
    assert "Summary: 24 cars" in words
    keep_terminal(svg, "demo.svg")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_an_early_end_still_counts_and_cleans_up(how: signal.Signals) -> None:
    """Ctrl-C or SIGTERM in the middle brings the summary, and leaves no process and no folder."""
    process = await play("--for", "10m", "--json")
    assert process.stderr is not None
    folder = None
    async with asyncio.timeout(60):
        while b"ask it yourself" not in (line := await process.stderr.readline()):
            if b"data in " in line:
                folder = Path(line.decode().split("data in ")[1].split(" ")[0])
        await process.stderr.readline()
    await asyncio.sleep(0)
    process.send_signal(how)
    out, _ = await asyncio.wait_for(process.communicate(), 60)

    assert json.loads(out.decode().splitlines()[-1])["records_lost"] == 0
    assert folder is not None
    assert folder.parent == Path(tempfile.gettempdir())
    assert not folder.exists()
