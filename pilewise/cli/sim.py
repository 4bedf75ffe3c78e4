"""`pilewise sim`: run simulated piles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli import sim_bench, sim_scenario, sim_tape, sim_tui
from pilewise.cli.launch import LogLevel, become
from pilewise.cli.loudness import log_level as level

app = typer.Typer(help="Simulated piles for benches and demos.", no_args_is_help=True)
app.add_typer(sim_scenario.app, name="scenario")
app.command()(sim_tape.record)
app.command()(sim_tape.replay)
app.command()(sim_tui.tui)
sim_bench.register(app)


@app.callback()
def _group() -> None:
    """Keeps `run` a command of its own."""


@app.command()
def run(
    config: Annotated[Path, typer.Option("--config", "-c", help="Configuration, TOML.")] = Path(
        "sim.toml"
    ),
    log_level: LogLevel = None,
    check: Annotated[bool, typer.Option("--check", help="Check the file and exit.")] = False,
) -> None:
    """Runs the piles of a configuration until told to stop."""
    only = ["--check"] if check else []
    become("firmware_sim", "-c", str(config), "--log-level", level(log_level), *only)
