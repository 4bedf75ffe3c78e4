"""`pilewise sim scenario`: plays scenario files on simulated piles in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import become

app = typer.Typer(help="Scenarios: steps, deadlines and demands.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="One JSON object, the last line of stdout.")]


@app.command()
def run(
    what: Annotated[list[str], typer.Argument(help="A name of the list, a TOML file, or all.")],
    seed: Annotated[int, typer.Option(help="Of everything that is random.")] = 0,
    json: Json = False,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit report here.")] = None,
    speed: Annotated[
        float | None, typer.Option(help="Real processes at so many times real time, to watch.")
    ] = None,
    central: Annotated[str, typer.Option(help="ws://HOST:PORT piles dial, with --speed.")] = "",
    mqtt: Annotated[str, typer.Option(help="mqtt://HOST:PORT of sensors, with --speed.")] = "",
    listen: Annotated[
        list[str] | None, typer.Option(help="PILE=HOST:PORT of a Modbus pile, with --speed.")
    ] = None,
    begin_after: Annotated[float, typer.Option(help="Real seconds before the first step.")] = 0.0,
    mutate: Annotated[
        str | None, typer.Option(help="Break the pile on purpose: a name, or all.")
    ] = None,
) -> None:
    """Plays scenarios; exit code 1 if a demand was not met, 3 if a file has mistakes."""
    words = ["run", *what, "--seed", str(seed)]
    words += ["--json"] if json else []
    words += ["--junit", str(junit)] if junit else []
    if speed is not None:
        words += ["--speed", str(speed), "--begin-after", str(begin_after)]
        words += ["--central", central] if central else []
        words += ["--mqtt", mqtt] if mqtt else []
        for place in listen or ():
            words += ["--listen", place]
    words += ["--mutate", mutate] if mutate else []
    become("firmware_sim", "scenario", *words)


@app.command("list")
def list_them(json: Json = False) -> None:
    """The scenarios that come with the package."""
    become("firmware_sim", "scenario", "list", *(["--json"] if json else []))


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The file to write.")], json: Json = False
) -> None:
    """Writes a commented scenario that runs as it stands."""
    become("firmware_sim", "scenario", "new", str(file), *(["--json"] if json else []))
