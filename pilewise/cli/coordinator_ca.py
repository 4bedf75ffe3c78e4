"""`pilewise coordinator ca`: the district's own authority, and its servers' certificates.

What it does is the coordinator's: `python -m coordinator ca`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.ask import AsJson
from pilewise.cli.launch import become

app = typer.Typer(help="The district's own authority.", no_args_is_help=True)
Folder = Annotated[Path, typer.Option(help="Folder of the authority.")]
Days = Annotated[float, typer.Option(help="How long the certificate holds.")]


@app.command()
def init(
    district: Annotated[str, typer.Option(help="Name of the district.")],
    folder: Folder = Path("ca"),
    days: Days = 3650.0,
    json: AsJson = False,
) -> None:
    """Makes an authority, whose hash agents pin; its key never leaves the folder."""
    _become("init", folder, json, "--district", district, "--days", str(days))


@app.command()
def show(folder: Folder = Path("ca"), json: AsJson = False) -> None:
    """Shows who signs and who is trusted, each with the hash that agents pin."""
    _become("show", folder, json)


@app.command("issue-server")
def issue_server(
    host: Annotated[list[str] | None, typer.Option(help="Name or address; repeat.")] = None,
    folder: Folder = Path("ca"),
    days: Days = 90.0,
    out: Annotated[Path | None, typer.Option(help="Else server.pem in the folder.")] = None,
    json: AsJson = False,
) -> None:
    """Writes a server's key and chain into one file; a running coordinator takes it at once."""
    words = [word for name in host or () for word in ("--host", name)]
    words += ["--days", str(days), *(["--out", str(out)] if out else [])]
    _become("issue-server", folder, json, *words)


@app.command()
def rotate(folder: Folder = Path("ca"), days: Days = 3650.0, json: AsJson = False) -> None:
    """Has a new key sign from now on; what the former one signed stays good until `forget`."""
    _become("rotate", folder, json, "--days", str(days))


@app.command()
def forget(folder: Folder = Path("ca"), json: AsJson = False) -> None:
    """Trusts former authorities no longer: their certificates open nothing from then on."""
    _become("forget", folder, json)


def _become(what: str, folder: Path, json: bool, *words: str) -> None:
    more = ["--json"] if json else []
    become("coordinator", "ca", what, "--folder", str(folder), *words, *more)
