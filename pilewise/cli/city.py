"""`pilewise city`: the laboratory, where policies are compared on the same cars."""

from __future__ import annotations

from typing import Annotated

import typer

from pilewise.cli.city_paper import paper
from pilewise.cli.city_replay import replay
from pilewise.cli.launch import become

app = typer.Typer(help="Compares ways of sending cars in a simulated city.", no_args_is_help=True)
app.command()(paper)
app.command()(replay)


@app.callback()
def _group() -> None:
    """Keeps each a command of its own."""


@app.command()
def compare(
    scenario: Annotated[str, typer.Option(help="The scene.")] = "campus-280",
    policies: Annotated[
        str, typer.Option(help="Names, with commas.")
    ] = "nearest,nearest-free,queue-eta,greedy-hold,pilewise",
    cars: Annotated[str, typer.Option(help="Numbers of cars, with commas.")] = "700,950",
    seeds: Annotated[int, typer.Option(help="How many days of each.", min=1)] = 16,
    seed: Annotated[int, typer.Option(help="The first seed.", min=0)] = 1,
    walk_in_share: Annotated[
        float, typer.Option(help="Cars that come without asking, 0-1.", min=0.0, max=0.95)
    ] = 0.0,
    failing_share: Annotated[
        float, typer.Option(help="Stations that stop for good, 0-1.", min=0.0, max=0.9)
    ] = 0.0,
    layout: Annotated[
        int | None, typer.Option(help="Where stations stand, by number; else the usual one.", min=0)
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes; 0 for one a core.", min=0)] = 0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Plays every policy on the same cars and prints what it came to."""
    options = {
        "--scenario": scenario, "--policies": policies, "--cars": cars, "--seeds": seeds,
        "--seed": seed, "--walk-in-share": walk_in_share, "--failing-share": failing_share,
        "--jobs": jobs,
    }  # fmt: skip
    if layout is not None:
        options["--layout"] = layout
    args = [part for name, value in options.items() for part in (name, str(value))]
    become("city_sim", "compare", *args, *(["--json"] if json else []), needs="coordinator")
