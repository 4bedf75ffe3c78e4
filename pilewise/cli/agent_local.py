"""`pilewise agent` on its gateway: what the running agent does, and its systemd unit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.agent import ConfigFile
from pilewise.cli.launch import become

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this file to `pilewise agent`."""
    app.command()(tail)
    app.command()(unit)


def tail(
    config: ConfigFile = Path("agent.toml"),
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until stopped.")] = False,
    count: Annotated[int, typer.Option("--count", "-n", help="How many to begin with.")] = 20,
    pile: Annotated[str, typer.Option(help="Only this pile.")] = "",
    json: AsJson = False,
) -> None:
    """Prints the newest records of the running agent, one a line."""
    words = ["-c", str(config), "-n", str(count)]
    words += ["-f"] if follow else []
    words += ["--pile", pile] if pile else []
    words += ["--json"] if json else []
    become("edge_agent", "tail", *words)


def unit(
    serial: Annotated[bool, typer.Option(help="The drop-in for piles on serial lines.")] = False,
) -> None:
    """Prints the systemd unit of the agent, with this very Python in it."""
    become("edge_agent", "unit", *(["--serial"] if serial else []))
