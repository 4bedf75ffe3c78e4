"""`pilewise train`: models from the shipped generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import become

app = typer.Typer(help="Trains models and writes bundles.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `all` a command of its own."""


@app.command("all")
def train_all(
    seed: Annotated[int, typer.Option(help="Seed of data and weights.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Folder of the bundle.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Trains everything from the generated city; needs the extra `train`."""
    args = ["all", "--seed", str(seed)]
    if out is not None:
        args += ["--out", str(out)]
    if json:
        args.append("--json")
    become("training", *args)
