"""`pilewise city compare`: its options, handed to the laboratory as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import become

Scene = Annotated[str, typer.Option(help="campus-280, or shenzhen-N with N plugs.")]
StationList = Annotated[
    Path | None, typer.Option(help="The station list that a real city is read from.")
]
Policies = Annotated[str | None, typer.Option(help="Names, with commas; else the usual ones.")]
Cars = Annotated[
    str | None, typer.Option(help="Numbers of cars, with commas; else as many as usual.")
]
Seeds = Annotated[
    int | None, typer.Option(help="How many days of each; else 16, or 1 of a city.", min=1)
]
FirstSeed = Annotated[int, typer.Option(help="The first seed.", min=0)]
WalkIns = Annotated[
    float | None, typer.Option(help="Cars that come without asking, 0-1.", min=0.0, max=0.95)
]
Failing = Annotated[
    float | None, typer.Option(help="Stations that stop for good, 0-1.", min=0.0, max=0.9)
]
Disobey = Annotated[
    float | None, typer.Option(help="Cars that go where they like, 0-1.", min=0.0, max=1.0)
]
Vips = Annotated[
    float | None, typer.Option(help="Cars that are served first, 0-1.", min=0.0, max=1.0)
]
Load = Annotated[
    float | None, typer.Option(help="Charges asked for at the peak, of all plugs.", min=0.01)
]
Layout = Annotated[
    int | None, typer.Option(help="Where stations stand, by number; else the usual one.", min=0)
]
WithPast = Annotated[
    bool, typer.Option("--past", help="Drivers have habits, plugs a record of faults.")
]
Ablation = Annotated[
    bool, typer.Option("--ablation", help="What each part of the product is worth.")
]
Jobs = Annotated[int, typer.Option(help="Processes; 0 for one a core.", min=0)]
Resume = Annotated[Path | None, typer.Option(help="File of finished runs, from which it goes on.")]
Out = Annotated[
    Path | None, typer.Option(help="Folder for finished runs and the result; it goes on.")
]
ReportFolder = Annotated[
    Path | None, typer.Option(help="Folder for one page with tables and figures.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def compare(
    scenario: Scene = "campus-280",
    stations: StationList = None,
    policies: Policies = None,
    cars: Cars = None,
    seeds: Seeds = None,
    seed: FirstSeed = 1,
    walk_in_share: WalkIns = None,
    failing_share: Failing = None,
    disobey_share: Disobey = None,
    vip_share: Vips = None,
    load: Load = None,
    layout: Layout = None,
    past: WithPast = False,
    ablation: Ablation = False,
    jobs: Jobs = 0,
    resume: Resume = None,
    out: Out = None,
    report: ReportFolder = None,
    json: Json = False,
) -> None:
    """Plays every policy on the same cars and prints what it came to."""
    options = {
        "--scenario": scenario, "--stations": stations, "--policies": policies, "--cars": cars,
        "--seeds": seeds, "--seed": seed, "--walk-in-share": walk_in_share,
        "--failing-share": failing_share, "--disobey-share": disobey_share,
        "--vip-share": vip_share, "--load": load, "--layout": layout, "--jobs": jobs,
        "--resume": resume, "--out": out, "--report": report,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    switches = {"--past": past, "--ablation": ablation, "--json": json}
    args = [part for name, value in given.items() for part in (name, str(value))]
    args += [name for name, on in switches.items() if on]
    become("city_sim", "compare", *args, needs="coordinator")
