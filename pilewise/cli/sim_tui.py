"""`pilewise sim tui`: the register view of running piles, in the terminal."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import require
from pilewise.cli.output import Exit, fail


def tui(
    bench: Annotated[str, typer.Option(help="HOST:PORT of a running simulator's bench.")] = "",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Start a simulator on this TOML file.")
    ] = None,
    pile: Annotated[str, typer.Option(help="Begin with this pile.")] = "",
    every_s: Annotated[float, typer.Option(help="Seconds between two looks.")] = 0.5,
) -> None:
    """Shows registers as they change; faults, plugs and time are moved from the keyboard."""
    if bool(bench) == (config is not None):
        fail(
            "CMD-104",
            "name a running simulator or a configuration, one of both",
            hint="pilewise sim tui -c sim.toml, or --bench HOST:PORT as its ready line says",
            exit_code=Exit.USAGE,
        )
    if find_spec("textual") is None:
        fail(
            "ENV-001",
            "the register view needs the extra 'tui' (module textual is not installed)",
            hint='pip install "pilewise[sim,tui]"',
            exit_code=Exit.FAILED,
        )
    if not sys.stdout.isatty():
        fail(
            "CMD-105",
            "the register view needs a terminal",
            hint="for scripts there is pilewise sim registers",
            exit_code=Exit.USAGE,
        )
    try:
        asyncio.run(_show(bench, config, pile, every_s))
    except ConnectionError as error:
        hint = "is the simulator running? its ready line names the bench"
        fail("NET-001", str(error), hint=hint, exit_code=Exit.UNREACHABLE)


async def _show(bench: str, config: Path | None, pile: str, every_s: float) -> None:
    from pilewise.cli.bench_view.app import BenchView
    from pilewise.cli.bench_view.source import Source
    from pilewise.rooms import RoomFailed, RoomProcess

    if config is None:
        async with Source(bench) as source:
            await BenchView(source, pile, every_s).run_async()
        return
    require("firmware_sim")
    with tempfile.TemporaryDirectory(prefix="pilewise-") as folder:
        try:
            async with (
                RoomProcess(
                    "firmware_sim", ("-c", str(config)), Path(folder) / "sim.log", True
                ) as room,
                Source(str(room.ready["bench"])) as source,
            ):
                await BenchView(source, pile, every_s).run_async()
        except RoomFailed as error:
            fail("SIM-001", str(error), exit_code=Exit.CONFIG)
