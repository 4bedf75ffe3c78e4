"""`pilewise city replay`: a real feed again, and where its drivers would have been sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import become

Feed = Annotated[Path, typer.Option(help="CSV of states: connector_id, state, start, end.")]


def replay(
    connectors: Annotated[Path, typer.Option(help="CSV of connectors, with type, lat and lon.")],
    intervals: Feed,
    history: Annotated[
        Path | None, typer.Option(help="Earlier states, to learn from and not to judge.")
    ] = None,
    history_until: Annotated[
        str | None, typer.Option(help="Learn from the intervals until this date, judge the rest.")
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="The core alone, without sockets.")] = False,
    requests: Annotated[int, typer.Option(help="At most so many requests.", min=1)] = 10_000,
    seed: Annotated[int, typer.Option(help="Of who asks where.", min=0)] = 7,
    own_plug: Annotated[
        bool, typer.Option("--own-plug", help="The plug that a driver took is a candidate, free.")
    ] = False,
    taken_retry_s: Annotated[
        float, typer.Option(help="What a plug found taken counts beyond the wait.", min=0.0)
    ] = 1800.0,
    piles: Annotated[
        int, typer.Option(help="Without --fast: so many, around the busiest plug.", min=1)
    ] = 40,
    from_: Annotated[
        str | None, typer.Option("--from", help="Without --fast: where the stretch begins.")
    ] = None,
    for_min: Annotated[
        float, typer.Option(help="Without --fast: minutes of the feed.", min=1.0)
    ] = 60.0,
    speed: Annotated[float, typer.Option(help="Without --fast: times real time.", min=1.0)] = 30.0,
    report: Annotated[Path | None, typer.Option(help="Folder for a page of the figures.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Asks for every car that really plugged in, and judges the answers by what followed."""
    options: dict[str, object] = {
        "--connectors": connectors, "--intervals": intervals, "--requests": requests,
        "--seed": seed, "--history": history, "--history-until": history_until,
        "--taken-retry-s": taken_retry_s, "--piles": piles, "--from": from_,
        "--report": report, "--for-min": for_min, "--speed": speed,
    }  # fmt: skip
    given = [(name, value) for name, value in options.items() if value is not None]
    args = [part for name, value in given for part in (name, str(value))]
    flags = {"--fast": fast, "--own-plug": own_plug, "--json": json}
    args += [name for name, wanted in flags.items() if wanted]
    become("city_sim", "replay", *args, needs="coordinator" if fast else None)
