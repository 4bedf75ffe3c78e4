"""`pilewise agent` on its gateway: what the running agent does, and its systemd unit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.agent import ConfigFile
from pilewise.cli.launch import become

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


buffer = typer.Typer(help="What waits on the disk of the gateway.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands of this file to `pilewise agent`."""
    app.command()(doctor)
    app.command()(enroll)
    app.add_typer(buffer, name="buffer")
    app.command()(tail)
    app.command()(unit)


def doctor(
    config: ConfigFile = Path("agent.toml"),
    json: AsJson = False,
    offline: Annotated[bool, typer.Option("--offline", help="The gateway only.")] = False,
) -> None:
    """Looks at everything the agent needs, and says what to do; exit code 1 with errors."""
    words = ["--json"] if json else []
    words += ["--offline"] if offline else []
    become("edge_agent", "doctor", "-c", str(config), *words)


def enroll(
    config: ConfigFile = Path("agent.toml"),
    token_file: Annotated[
        str, typer.Option(help="File of the one-time token, - for stdin; else the config's.")
    ] = "",
    ca_hash: Annotated[str, typer.Option(help="sha256:... of the district's authority.")] = "",
    again: Annotated[bool, typer.Option("--again", help="A new identity, too.")] = False,
    json: AsJson = False,
) -> None:
    """Has this gateway's first certificate made with a one-time token of the operator."""
    words = ["-c", str(config)]
    words += ["--token-file", token_file] if token_file else []
    words += ["--ca-hash", ca_hash] if ca_hash else []
    words += ["--again"] if again else []
    words += ["--json"] if json else []
    become("edge_agent", "enroll", *words)


@buffer.command()
def show(config: ConfigFile = Path("agent.toml"), json: AsJson = False) -> None:
    """Shows what waits for the coordinator; reads only."""
    become("edge_agent", "buffer", "show", "-c", str(config), *(["--json"] if json else []))


@buffer.command()
def flush(
    config: ConfigFile = Path("agent.toml"),
    json: AsJson = False,
    wait_s: Annotated[float, typer.Option(help="How long to wait.")] = 60.0,
) -> None:
    """Has the running agent send what waits, and waits for it; never deletes."""
    words = ["-c", str(config), "--wait-s", str(wait_s), *(["--json"] if json else [])]
    become("edge_agent", "buffer", "flush", *words)


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
