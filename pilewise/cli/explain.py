"""`pilewise explain CODE`: what an error means, how it comes about, what to do.

The texts are data in `errors/*.toml`; which code is raised where is checked by a house test.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.output import Exit, emit, fail

FOLDER = Path(__file__).with_name("errors")
_LOOSE = re.compile(r"([A-Z]+)[- ]?(\d{1,3})")  # as people type it: cfg-14
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@dataclass(frozen=True, slots=True)
class Page:
    """One code: what it says, where from, and what to do."""

    code: str
    rooms: tuple[str, ...]
    says: str
    cause: str
    fix: str


def pages() -> dict[str, Page]:
    """Every code that is raised anywhere, in the order of codes."""
    found: dict[str, Page] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        for code, told in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if code in found:
                raise ValueError(f"{file.name}: {code} is explained twice")
            found[code] = Page(code, tuple(told["rooms"]), told["says"], told["cause"], told["fix"])
    return dict(sorted(found.items()))


def explain(
    code: Annotated[str, typer.Argument(help="As an error shows it, e.g. CFG-014; else all.")] = "",
    json: AsJson = False,
) -> None:
    """Tells what an error code means, how it comes about and what to do."""
    known = pages()
    if not code:
        _list(known, json)
        return
    wanted = code.strip().strip("[]").upper().removeprefix("ERROR[")
    if loose := _LOOSE.fullmatch(wanted):
        wanted = f"{loose[1]}-{loose[2]:0>3}"
    page = known.get(wanted)
    if page is None:
        near = get_close_matches(wanted, known, 1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        fail(
            "CMD-107",
            f"no error has the code {code!r}",
            hint=f"{hint}pilewise explain lists all",
            exit_code=Exit.USAGE,
        )
    if json:
        emit(asdict(page))
        return
    typer.echo(f"{page.code}: {page.says}")
    typer.echo(f"  cause: {page.cause}")
    typer.echo(f"  fix:   {page.fix}")
    typer.echo(f"  from:  {', '.join(page.rooms)}")


def _list(known: dict[str, Page], as_json: bool) -> None:
    if as_json:
        emit({"codes": [asdict(page) for page in known.values()]})
        return
    for page in known.values():
        typer.echo(f"{page.code:<10} {page.says}")
