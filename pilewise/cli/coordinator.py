"""`pilewise coordinator`: run a district, bring data in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import become

app = typer.Typer(help="The coordinator of a district.", no_args_is_help=True)
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="Configuration, TOML.")]


@app.command()
def run(
    config: ConfigFile = Path("coordinator.toml"),
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Runs the coordinator until it is told to stop."""
    become("coordinator", "-c", str(config), "--log-level", log_level)
