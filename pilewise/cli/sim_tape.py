"""`pilewise sim record` and `replay`: what was said, in one file, and played again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import become

Json = Annotated[bool, typer.Option("--json", help="One JSON object, the last line of stdout.")]


def record(
    config: Annotated[Path, typer.Option("--config", "-c", help="A simulator, or taps, TOML.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The tape; .gz packs it.")],
    for_s: Annotated[float, typer.Option("--for", help="Seconds; 0 until told to stop.")] = 0.0,
    json: Json = False,
) -> None:
    """Writes down Modbus, OCPP and MQTT in the order of time."""
    words = ["-c", str(config), "-o", str(output), "--for", str(for_s)]
    become("firmware_sim", "record", *words, *(["--json"] if json else []))


def replay(
    tape: Annotated[Path | None, typer.Argument(help="What `record` wrote.")] = None,
    speed: Annotated[float, typer.Option(help="How much faster than it was.")] = 1.0,
    central: Annotated[str, typer.Option(help="ws://HOST:PORT that charge points dial.")] = "",
    mqtt: Annotated[str, typer.Option(help="mqtt://HOST:PORT for the sensors.")] = "",
    listen: Annotated[
        list[str] | None, typer.Option(help="PILE=HOST:PORT of a Modbus pile; else a free port.")
    ] = None,
    intervals: Annotated[
        Path | None, typer.Option(help="Status intervals of a network, CSV or gz.")
    ] = None,
    connectors: Annotated[Path | None, typer.Option(help="Its connectors, CSV.")] = None,
    piles: Annotated[int, typer.Option(help="So many of its connectors.")] = 10,
    face: Annotated[str, typer.Option(help="modbus, ocpp16 or ocpp201.")] = "modbus",
    seed: Annotated[int, typer.Option(help="Of the cars that come.")] = 0,
    json: Json = False,
) -> None:
    """Plays a tape, or a real network's status intervals, to masters and central systems."""
    words = [str(tape)] if tape else []
    words += ["--speed", str(speed), "--piles", str(piles), "--face", face, "--seed", str(seed)]
    words += ["--central", central] if central else []
    words += ["--mqtt", mqtt] if mqtt else []
    for place in listen or ():
        words += ["--listen", place]
    words += ["--intervals", str(intervals)] if intervals else []
    words += ["--connectors", str(connectors)] if connectors else []
    become("firmware_sim", "replay", *words, *(["--json"] if json else []))
