"""`pilewise demo`: a whole district on this machine, in one line."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.ask import place
from pilewise.cli.launch import require
from pilewise.cli.loudness import Loudness, loudness
from pilewise.cli.output import Exit, emit, fail, say

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
Cars = Annotated[int, typer.Option(help="Cars in 90 s; more where a real list needs more.", min=8)]
Browser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Show the operator's page on a desktop.")
]


def duration_s(text: str) -> float:
    """Seconds of `90`, `60s`, `5m` or `1h`; raises `typer.BadParameter`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise typer.BadParameter(f"{text!r} is not a duration, e.g. 60s or 5m")
    return float(match[1]) * UNITS[match[2]]


def demo(
    for_: Annotated[str, typer.Option("--for", help="Wall time, e.g. 60s or 5m.")] = "90s",
    speed: Annotated[
        float | None,
        typer.Option(help="Simulated seconds per second; 60, more in a short show.", min=1.0),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of cars and bad luck.")] = 7,
    cars: Cars = 24,
    stations: Annotated[Path | None, typer.Option(help="A real station list, CSV or OCPI.")] = None,
    near: Annotated[str, typer.Option(help="With --stations: around LAT,LON (WGS84).")] = "",
    limit: Annotated[int, typer.Option(help="With --stations: nearest N stations.", min=1)] = 4,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data folder.")] = False,
    browser: Browser = True,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, last line.")] = False,
) -> None:
    """Starts a coordinator, three agents, piles and cars on loopback, and breaks a pile.

    Needs no configuration, network, broker or container. Watch a conflict solved, cars re-routed,
    and the waiting time against driving to the nearest pile.
    """
    wall_s, around = duration_s(for_), place(near) if near else None
    require("city_sim")
    from city_sim import demo as show
    from coordinator.errors import FileInvalid
    from pilewise.rooms import RoomFailed

    try:
        found = show.real_stations(stations, around, limit) if stations is not None else ()
        options = show.Options(
            seed=seed,
            speed=speed or min(120.0, max(60.0, show.HOUR_S / wall_s)),
            for_s=wall_s,
            cars=cars,
            stations=tuple(found),
            keep=keep,
            browser=browser and not json,
            quiet=loudness() is Loudness.QUIET,
        )
        result = asyncio.run(show.run(options))
    except FileInvalid as error:
        say(str(error), style="red")
        raise typer.Exit(int(Exit.CONFIG)) from None
    except RoomFailed as error:
        fail("ENV-002", str(error), hint="--keep keeps the logs", exit_code=Exit.FAILED)
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(130) from None
    if json:
        emit(result)
    if result["records_lost"] or result["errors"]:
        raise typer.Exit(int(Exit.FAILED))
