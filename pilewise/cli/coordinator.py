"""`pilewise coordinator`: run a district, bring data in and out."""

from __future__ import annotations

import asyncio
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pilewise.cli import backup, coordinator_agents, coordinator_ca, knowledge, models, privacy
from pilewise.cli.ask import AsJson, place
from pilewise.cli.bring import bring_in, scrap, take_out
from pilewise.cli.command import command
from pilewise.cli.coordinator_districts import districts
from pilewise.cli.coordinator_unit import unit
from pilewise.cli.coordinator_whatif import whatif
from pilewise.cli.launch import LogLevel, become, require
from pilewise.cli.loudness import log_level as level
from pilewise.cli.output import Exit, emit, fail, say
from pilewise.cli.waiting import waiting

if TYPE_CHECKING:
    from coordinator.config import Config

app = typer.Typer(help="The coordinator of a district, or of a city.", no_args_is_help=True)
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="Configuration, TOML.")]
Paths = list[Path] | None


class Role(StrEnum):
    """What a coordinator keeps."""

    DISTRICT = "district"
    CITY = "city"


FORMATS = (
    "geojson", "ocpi", "csv", "connectors", "ocpi-tariffs", "tariffs", "sessions", "requests",
)  # fmt: skip


@app.command()
def run(
    config: ConfigFile = Path("coordinator.toml"),
    role: Annotated[
        Role | None, typer.Option(help="Instead of the file's: a district, or the city above.")
    ] = None,
    log_level: LogLevel = None,
) -> None:
    """Runs the coordinator until it is told to stop."""
    words = () if role is None else ("--role", role.value)
    become("coordinator", "-c", str(config), "--log-level", level(log_level), *words)


@app.command("import")
def import_(
    config: ConfigFile = Path("coordinator.toml"),
    stations: Annotated[
        Paths, typer.Option(help="CSV, GeoJSON, OCPI locations or Open Charge Map.")
    ] = None,
    tariffs: Annotated[Paths, typer.Option(help="CSV or OCPI tariffs.")] = None,
    users: Annotated[Paths, typer.Option(help="CSV.")] = None,
    roads: Annotated[Paths, typer.Option(help="CSV edge list; replaces the roads.")] = None,
    owners: Annotated[Paths, typer.Option(help="CSV: pile_id,agent_id.")] = None,
    outages: Annotated[Paths, typer.Option(help="CSV; replaces the planned outages.")] = None,
    sessions: Annotated[Paths, typer.Option(help="CSV: evse_id,started_at,ended_at,...")] = None,
    requests: Annotated[Paths, typer.Option(help="CSV: request_id,asked_at,...")] = None,
    context: Annotated[Paths, typer.Option(help="CSV or JSON: weather, traffic, height.")] = None,
    piles: Annotated[Paths, typer.Option(help="CSV: facts of piles at known stations.")] = None,
    near: Annotated[str, typer.Option(help="Stations around LAT,LON only.")] = "",
    limit: Annotated[int | None, typer.Option(help="The nearest N stations.", min=1)] = None,
    json: AsJson = False,
) -> None:
    """Brings files in, whole or not at all; through the coordinator where it runs."""
    settings = _settings(config)
    from coordinator.errors import CoordinatorError, DirectoryBusy
    from coordinator.importers import Files, import_into_store, read_files

    kinds = (stations, tariffs, users, roads, owners, outages, sessions, requests, context, piles)
    files = Files(*(tuple(paths or ()) for paths in kinds))
    if not any(kinds):
        fail("CMD-102", "nothing to import", hint="--stations FILE", exit_code=Exit.USAGE)
    try:
        with waiting("reading the files") as now:
            imported = read_files(files, place(near) if near else None, limit)
            data_dir = Path(settings.coordinator.data_dir)
            now("storing " + ", ".join(f"{n} {name}" for name, n in imported.counts().items() if n))
            try:
                counts = asyncio.run(import_into_store(data_dir, imported))
            except DirectoryBusy:
                listen = settings.coordinator.listen
                counts = asyncio.run(_reach(bring_in(listen, imported), settings))
    except CoordinatorError as error:
        _refuse(error)
    if json:
        emit(counts)
    else:
        # An empty list of outages does something: it clears them.
        named = [(n, name) for name, n in counts.items() if n or (name == "outages" and outages)]
        told = [f"{n} {name.removesuffix('s') if n == 1 else name}" for n, name in named]
        say("imported " + ", ".join(told))


@app.command()
def export(
    config: ConfigFile = Path("coordinator.toml"),
    format: Annotated[str, typer.Option(help=", ".join(FORMATS))] = FORMATS[0],  # noqa: A002
) -> None:
    """Writes the stations to stdout, live where the coordinator runs; or sessions, or requests."""
    settings = _settings(config)
    from coordinator.errors import CoordinatorError, DirectoryBusy
    from coordinator.importers import export_from_store, party_of

    if format not in FORMATS:
        note = ", ".join(FORMATS)
        fail("CMD-101", f"unknown format {format!r}", note=note, exit_code=Exit.USAGE)
    try:
        with waiting(f"exporting {format}"):
            try:
                here, party = settings.coordinator, party_of(settings.ocpi)
                stored = export_from_store(Path(here.data_dir), format, party, here.district)
                text = asyncio.run(stored)
            except DirectoryBusy:
                text = asyncio.run(_reach(take_out(settings.coordinator.listen, format), settings))
    except CoordinatorError as error:
        _refuse(error)
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


@app.command()
def retire(
    pile_id: Annotated[str, typer.Argument(help="The pile that is scrapped.")],
    config: ConfigFile = Path("coordinator.toml"),
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    json: AsJson = False,
) -> None:
    """Takes a pile out for good: cars promised it are sent elsewhere; --piles brings it back."""
    settings = _settings(config)
    from coordinator.errors import CoordinatorError, DirectoryBusy
    from coordinator.importers import retire_in_store

    try:
        with waiting(f"retiring {pile_id}"):
            try:
                asyncio.run(retire_in_store(Path(settings.coordinator.data_dir), pile_id, reason))
            except DirectoryBusy:
                asyncio.run(_reach(scrap(settings.coordinator.listen, pile_id, reason), settings))
    except CoordinatorError as error:
        _refuse(error)
    if json:
        emit({"retired": pile_id})
    else:
        say(f"retired {pile_id}")


app.command()(command)
app.command()(unit)
app.command()(whatif)
app.command()(districts)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(backup.fence, name="fence")
app.add_typer(knowledge.app, name="knowledge")
app.add_typer(models.app, name="models")
app.add_typer(privacy.app, name="privacy")
app.add_typer(coordinator_ca.app, name="ca")
app.add_typer(coordinator_agents.app, name="agents")


def _settings(config: Path) -> Config:
    """The checked configuration, or the command's end with all that is wrong in it."""
    require("coordinator")
    from coordinator.config import read_config
    from coordinator.errors import CoordinatorError

    try:
        return read_config(config, os.environ)
    except CoordinatorError as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    """Ends the command with what the coordinator's own code says is wrong."""
    from coordinator.errors import FileInvalid

    if isinstance(error, FileInvalid):
        say(str(error), style="red")
        raise typer.Exit(int(Exit.CONFIG))
    code, hint = getattr(error, "code", "COORD-000"), getattr(error, "hint", "")
    fail(code, str(error), hint=hint, exit_code=Exit.FAILED)


async def _reach(work: Any, settings: Config) -> Any:
    import grpc

    try:
        return await work
    except grpc.aio.AioRpcError as error:
        listen = settings.coordinator.listen
        fail(
            "NET-001",
            f"a coordinator owns {settings.coordinator.data_dir} but does not answer at {listen}",
            note=str(error.details()),
            hint="give coordinator.listen a fixed port, or stop the coordinator",
            exit_code=Exit.UNREACHABLE,
        )
