"""`pilewise coordinator whatif`: a stored day with other piles, demand, models or policy.

It is replayed by `python -m city_sim whatif`; here are its options.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.ask import AsJson
from pilewise.cli.launch import become, require
from pilewise.cli.output import Exit, fail, say


def whatif(
    day: Annotated[str, typer.Option(help="The stored day, local: YYYY-MM-DD.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="Configuration, TOML.")] = Path(
        "coordinator.toml"
    ),
    data_dir: Annotated[
        Path | None, typer.Option(help="Instead of the data_dir of the configuration.")
    ] = None,
    remove: Annotated[str, typer.Option(help="Piles that are taken away, with commas.")] = "",
    add: Annotated[
        str, typer.Option(help="STATION,...=N: N more piles there; several after semicolons.")
    ] = "",
    demand_scale: Annotated[
        float, typer.Option(help="So many times the cars.", min=0.05, max=20.0)
    ] = 1.0,
    model: Annotated[Path | None, typer.Option(help="Folder of another bundle.")] = None,
    policy: Annotated[str, typer.Option(help="Another policy of the city, e.g. nearest.")] = "",
    utc_offset: Annotated[
        float | None, typer.Option(help="Hours of the local day; else by longitude.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the scaled demand.", min=0)] = 1,
    report: Annotated[Path | None, typer.Option(help="Folder for a report.html.")] = None,
    json: AsJson = False,
) -> None:
    """Replays a stored day changed and unchanged: waits, who is turned away, use by station."""
    require("coordinator")
    folder, bundle = _where(config, data_dir)
    options = {
        "--data-dir": folder, "--day": day, "--remove": remove, "--add": add,
        "--demand-scale": demand_scale, "--model": model, "--base-model": bundle,
        "--policy": policy, "--utc-offset": utc_offset, "--seed": seed, "--report": report,
        "--as-typed": shlex.join(["pilewise", *sys.argv[1:]]),
    }  # fmt: skip
    # Joined by =, so that a value may begin with a minus.
    args = [f"{name}={value}" for name, value in options.items() if value not in (None, "")]
    become("city_sim", "whatif", *args, *(["--json"] if json else []), needs="coordinator")


def _where(config: Path, data_dir: Path | None) -> tuple[str, str]:
    """Data directory and bundle; the configuration may be missing where the directory is given."""
    from coordinator.config import read_config
    from coordinator.errors import CoordinatorError

    if data_dir is not None and not config.exists():
        return str(data_dir), ""
    try:
        settings = read_config(config)
    except CoordinatorError as error:
        say(str(error), style="red")
        raise typer.Exit(int(Exit.CONFIG)) from error
    folder = str(data_dir or settings.coordinator.data_dir)
    if not Path(folder).is_dir():
        hint = "give --data-dir, or set coordinator.data_dir"
        fail("WHATIF-001", f"{folder}: no such folder", hint=hint, exit_code=Exit.FAILED)
    return folder, settings.models.bundle
