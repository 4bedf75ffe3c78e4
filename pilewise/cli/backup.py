"""`pilewise coordinator backup|restore|fence`: a copy of a district, and its way back.

What is in a copy, and what a restore checks, is the coordinator's: `coordinator/store/backup.py`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pilewise.cli import dial
from pilewise.cli.ask import AsJson, Target, call
from pilewise.cli.launch import require
from pilewise.cli.output import Exit, emit, fail, say
from pilewise.cli.waiting import waiting

if TYPE_CHECKING:
    from coordinator.config import CoordinatorSection

fence = typer.Typer(help="Fences that keep old directives from piles.", no_args_is_help=True)
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="Configuration, TOML.")]
# A copy takes as long as its disk needs.
COPY_S = 3_600.0
CALL_S = 60.0


def backup(
    to: Annotated[Path, typer.Argument(help="A new file, or a folder that gets one.")],
    config: ConfigFile = Path("coordinator.toml"),
    json: AsJson = False,
) -> None:
    """Copies the coordinator's data into one file, while it runs or not."""
    settings = _settings(config)
    from coordinator.errors import CoordinatorError, DirectoryBusy
    from coordinator.store.backup import write_backup
    from coordinator.store.database import DirectoryLock

    data_dir, place = Path(settings.data_dir), to.absolute()
    try:
        if not any(data_dir.glob("*.db")):
            hint = "is coordinator.data_dir the right one?"
            fail("CMD-130", f"no data in {data_dir}", hint=hint, exit_code=Exit.FAILED)
        try:
            lock = DirectoryLock(data_dir)
        except DirectoryBusy:
            written = asyncio.run(call(_copied(settings.listen, place), settings.listen))
        else:
            try:
                never = threading.Event()
                with waiting(f"writing {place}"):
                    path = write_backup(data_dir, settings.district, place, time.time(), never)
            finally:
                lock.release()
            written = str(path)
    except CoordinatorError as error:
        _refuse(error)
    size = Path(written).stat().st_size if Path(written).exists() else 0
    if json:
        emit({"file": written, "size_bytes": size})
    else:
        say(f"wrote {written}, {size / 1e6:.1f} MB; it holds keys: keep it as safe as the data")


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    config: ConfigFile = Path("coordinator.toml"),
    json: AsJson = False,
) -> None:
    """Takes a backup back into an empty data directory; nothing is granted before the fence."""
    settings = _settings(config)
    from coordinator.errors import CoordinatorError
    from coordinator.store.restore import restore_backup

    try:
        with waiting(f"restoring {file}"):
            manifest = restore_backup(file, Path(settings.data_dir))
    except CoordinatorError as error:
        _refuse(error)
    taken_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(manifest.taken_at_s))
    if json:
        emit(
            {
                "data_dir": settings.data_dir,
                "district": manifest.district,
                "taken_at": taken_at,
                "version": manifest.version,
                "files": len(manifest.entries),
            }
        )
        return
    say(f"restored {len(manifest.entries)} files of {manifest.district}, as of {taken_at}")
    if manifest.district != settings.district:
        say(f"the configuration names another district: {settings.district}", style="yellow")
    say("next: start the coordinator, wait for the agents, `pilewise coordinator fence advance`")


@fence.command()
def advance(
    by: Annotated[int, typer.Option(help="How far past what is known.", min=1)] = 1_000,
    target: Target = "127.0.0.1:50051",
    json: AsJson = False,
) -> None:
    """Lifts every fence past what agents know; after a restore, grants go on from then."""
    count, missing = asyncio.run(call(_advanced(target, by), target))
    if json:
        emit({"evses": count, "agents_away": missing})
        return
    say(f"{count} fences advanced; holds are granted")
    if missing:
        say(f"not connected: {', '.join(missing)}; their fences are taken when they come back")


async def _copied(target: str, place: Path) -> str:
    """The path of the backup that a running coordinator wrote."""

    from pilewise.v1 import operator_service_pb2 as op
    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with dial.channel(target) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        answer = await stub.Backup(op.BackupRequest(path=str(place)), timeout=COPY_S)
    return str(answer.files[0])


async def _advanced(target: str, by: int) -> tuple[int, list[str]]:
    """How many EVSEs were lifted, and which agents were away."""

    from pilewise.v1 import operator_service_pb2 as op
    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with dial.channel(target) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        listed = await stub.ListAgents(op.ListAgentsRequest(), timeout=CALL_S)
        answer = await stub.AdvanceFence(op.AdvanceFenceRequest(by=by), timeout=CALL_S)
    return answer.evse_count, [a.agent_id for a in listed.agents if not a.connected]


def _settings(config: Path) -> CoordinatorSection:
    """The checked section, or the command's end with all that is wrong."""
    require("coordinator")
    from coordinator.config import read_config
    from coordinator.errors import CoordinatorError

    try:
        return read_config(config, os.environ).coordinator
    except CoordinatorError as error:
        _refuse(error)


def _refuse(error: Any) -> NoReturn:
    from coordinator.errors import FileInvalid

    if isinstance(error, FileInvalid):
        say(str(error), style="red")
        raise typer.Exit(int(Exit.CONFIG))
    fail(error.code, str(error), hint=error.hint, exit_code=Exit.FAILED)
