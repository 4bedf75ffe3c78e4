"""`pilewise city paper`: the paper's simulation, its methods and ours on the same cars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import become


def paper(
    config: Annotated[str, typer.Option(help="A to H, or all: what the paper leaves open.")] = "D",
    size: Annotated[str, typer.Option(help="Cars x plugs: 100x10 or 500x280.")] = "100x10",
    cars_per_pile: Annotated[
        float | None, typer.Option(help="Instead of the size's cars, e.g. 7.6.")
    ] = None,
    slots: Annotated[int | None, typer.Option(help="Cars that fit one station.")] = None,
    traffic: Annotated[
        str, typer.Option(help="Least load wins (min), or as the paper's text has it (max).")
    ] = "min",
    seeds: Annotated[int, typer.Option(help="How many scenes.")] = 300,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 1,
    jobs: Annotated[int, typer.Option(help="Processes; 0 for one a core.")] = 0,
    report: Annotated[
        Path | None, typer.Option(help="Folder for a page with all figures of the paper.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """The paper's four methods, Pilewise and the optimum, by the paper's five indexes."""
    options = {
        "--config": config, "--size": size, "--cars-per-pile": cars_per_pile, "--slots": slots,
        "--traffic": traffic, "--seeds": seeds, "--seed": seed, "--jobs": jobs, "--report": report,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    args = [part for name, value in given.items() for part in (name, str(value))]
    become("city_sim", "paper", *args, *(["--json"] if json else []), needs="coordinator")
