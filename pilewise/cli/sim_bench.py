"""`pilewise sim fault` and `pilewise sim registers`: one question to a running simulator each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from pilewise.cli.output import Exit, emit, fail, say

if TYPE_CHECKING:
    from pilewise.cli.bench_view.source import Source

T = TypeVar("T")
Bench = Annotated[str, typer.Option(help="HOST:PORT of the bench, as the ready line says it.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, the last line of stdout.")]
Evse = Annotated[str, typer.Argument(help="The EVSE, e.g. A-01*1.")]

fault = typer.Typer(help="What is broken at simulated piles.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands of this file to `pilewise sim`."""
    app.add_typer(fault, name="fault")
    app.command()(registers)


@fault.command("list")
def list_them(bench: Bench, json: Json = False) -> None:
    """Every name that can be injected."""
    names = _ask(bench, lambda source: source.faults())
    if json:
        emit({"faults": names})
        return
    for name in names:
        typer.echo(name)


@fault.command()
def inject(
    evse: Evse,
    name: Annotated[str, typer.Argument(metavar="FAULT", help="Its name; see fault list.")],
    bench: Bench,
    for_s: Annotated[float, typer.Option("--for", help="Domain seconds; 0 is until mended.")] = 0.0,
    json: Json = False,
) -> None:
    """Breaks something at an EVSE."""
    told = _ask(bench, lambda source: source.inject(evse, name, for_s))
    if json:
        emit({"evse": evse, "fault": name, "for_s": for_s, "told": told})
    else:
        say(told)


@fault.command()
def clear(
    evse: Evse,
    bench: Bench,
    name: Annotated[str, typer.Argument(metavar="FAULT", help="Which; all unless told.")] = "",
    json: Json = False,
) -> None:
    """Mends one fault of an EVSE, or all."""
    told = _ask(bench, lambda source: source.clear(evse, name))
    if json:
        emit({"evse": evse, "fault": name, "told": told})
    else:
        say(told)


def registers(
    pile: Annotated[str, typer.Argument(help="The pile.")],
    bench: Bench,
    find: Annotated[str, typer.Option(help="Only what has these words.")] = "",
    json: Json = False,
) -> None:
    """The registers of a pile: address, name, raw words, value, unit, writer and age."""
    from pilewise.cli.bench_view.rows import COLUMNS, matching

    rows = matching(_ask(bench, lambda source: source.rows(pile)), find)
    if json:
        emit({"pile": pile, "registers": [asdict(row) for row in rows]})
        return
    widths = [wide for _, wide in COLUMNS.values()]
    for cells in (tuple(COLUMNS), *(row.cells(wide=True) for row in rows)):
        line = " ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        typer.echo(line.rstrip())


def _ask(bench: str, question: Callable[[Source], Awaitable[T]]) -> T:
    """The answer; ends the command where nobody answers, or where the bench refuses."""
    from pilewise.cli.bench_view.source import Refused, Source

    async def asked() -> T:
        async with Source(bench) as source:
            return await question(source)

    try:
        return asyncio.run(asked())
    except ConnectionError as error:
        hint = "is the simulator running? its ready line names the bench"
        fail("NET-001", str(error), hint=hint, exit_code=Exit.UNREACHABLE)
    except Refused as error:
        hint = "pilewise sim fault list shows all names"
        fail("SIM-002", str(error), hint=hint, exit_code=Exit.FAILED)
