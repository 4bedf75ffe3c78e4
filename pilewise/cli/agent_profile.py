"""`pilewise agent profile` and `pilewise agent probe`: what is known of pile models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import become

group = typer.Typer(help="Device profiles: check, list, show.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object as the last line.")]
ProfilesDir = Annotated[
    Path | None, typer.Option("--profiles-dir", help="A folder of your own profiles.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands of this file to `pilewise agent`."""
    app.add_typer(group, name="profile")
    app.command()(probe)


@group.command()
def lint(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Profile files, or folders of them.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Checks the bundled profiles and these files: every mistake at once, exit code 3."""
    become("edge_agent", "profile", "lint", *_json(json), *map(str, paths or []))


@group.command("list")
def list_profiles(profiles_dir: ProfilesDir = None, json: AsJson = False) -> None:
    """Lists the models that are known."""
    become("edge_agent", "profile", "list", *_folder(profiles_dir), *_json(json))


@group.command()
def show(
    name: Annotated[str, typer.Argument(help="The profile; see profile list.")],
    profiles_dir: ProfilesDir = None,
    json: AsJson = False,
) -> None:
    """Shows all that is known of a model, with its sources and what is unverified."""
    become("edge_agent", "profile", "show", *_folder(profiles_dir), *_json(json), name)


def probe(
    host: Annotated[str, typer.Argument(help="Where the device is reached over TCP.")] = "",
    port: Annotated[int | None, typer.Option(help="TCP port; else the profile's.")] = None,
    device_id: Annotated[int | None, typer.Option(help="Unit id; else the profile's.")] = None,
    profile: Annotated[str, typer.Option(help="Only this profile; else each is tried.")] = "",
    serial: Annotated[str, typer.Option(help="A serial device instead of a host.")] = "",
    transport: Annotated[str, typer.Option(help="modbus-tcp or modbus-rtu-over-tcp.")] = "",
    profiles_dir: ProfilesDir = None,
    json: AsJson = False,
) -> None:
    """Reads a device and tells which profile fits, and whether words come in another order."""
    words = [host] if host else []
    for option, value in (
        ("--port", port),
        ("--device-id", device_id),
        ("--profile", profile),
        ("--serial", serial),
        ("--transport", transport),
    ):
        if value not in ("", None):
            words += [option, str(value)]
    become("edge_agent", "probe", *words, *_folder(profiles_dir), *_json(json))


def _json(wanted: bool) -> list[str]:
    return ["--json"] if wanted else []


def _folder(folder: Path | None) -> list[str]:
    return [] if folder is None else ["--profiles-dir", str(folder)]
