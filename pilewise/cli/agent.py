"""`pilewise agent`: run and check an edge agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import LogLevel, become
from pilewise.cli.loudness import log_level as level

app = typer.Typer(help="The edge agent on a pile gateway.", no_args_is_help=True)
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="Configuration, TOML.")]


@app.command()
def run(
    config: ConfigFile = Path("agent.toml"),
    log_level: LogLevel = None,
) -> None:
    """Runs the agent until it is told to stop."""
    become("edge_agent", "-c", str(config), "--log-level", level(log_level))


@app.command()
def check(
    config: ConfigFile = Path("agent.toml"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Checks the configuration and its ports: every error at once, exit code 3."""
    become("edge_agent", "-c", str(config), "--check", *(["--json"] if json else []))
