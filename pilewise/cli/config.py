"""`pilewise config`: write, check and understand configuration files, whichever room reads them."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pilewise.cli import config_keys, config_page
from pilewise.cli.output import Exit, chat, emit, explain, fail, say

app = typer.Typer(help="Configuration files: write, check, understand.", no_args_is_help=True)
KINDS = tuple(config_keys.ROOMS)
Kind = Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]
OneFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The file; else KIND.toml of this folder.")
]


@app.command()
def init(
    kind: Kind,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file, - for stdout; else KIND.toml.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
    json: AsJson = False,
) -> None:
    """Writes a commented file with every key and its default, which runs as it stands."""
    _known(kind)
    told = config_keys.schema_of(kind)
    text = config_page.page(kind, told["prefix"], config_keys.tables_of(told))
    path = output or Path(f"{kind}.toml")
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        hint = "--force writes over it; -o names another"
        fail("CMD-103", f"{path} is there already", hint=hint, exit_code=Exit.USAGE)
    except OSError as error:
        fail("CMD-103", f"{path} cannot be written: {error.strerror}", exit_code=Exit.USAGE)
    if json:
        emit({"file": str(path), "kind": kind})
    else:
        say(f"wrote {path}; check it after every change: pilewise config check {path}")


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Files; else those here.")] = None,
    config: OneFile = None,
    json: AsJson = False,
) -> None:
    """Checks files as the room that reads them would: every mistake at once, exit code 3."""
    wanted = [*(files or ()), *([config] if config else ())] or _here()
    results, good = [], True
    for path in wanted:
        kind = config_keys.guess(path)
        _, told, said = config_keys.ask(kind, "read", str(path))
        good = good and told["ok"]
        if told["ok"]:
            chat(f"{path}: {kind}, no mistakes")
        else:
            sys.stderr.write(said)
        problems = [{k: v for k, v in one.items() if k != "told"} for one in told["problems"]]
        results.append({"file": str(path), "kind": kind, "ok": told["ok"], "problems": problems})
    if json:
        count = sum(len(one["problems"]) for one in results)
        emit({"ok": good, "mistakes": count, "files": results})
    raise typer.Exit(int(Exit.OK if good else Exit.CONFIG))


@app.command()
def show(
    file: Annotated[Path | None, typer.Argument(help="The file; else the one here.")] = None,
    config: OneFile = None,
    origin: Annotated[
        bool, typer.Option("--origin", help="Where each value comes from, too.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Shows every value that holds: of the file, the environment, or by default."""
    path = file or config or _here()[0]
    kind = config_keys.guess(path)
    _, told, said = config_keys.ask(kind, "read", str(path))
    if not told["ok"]:
        sys.stderr.write(said)
        raise typer.Exit(int(Exit.CONFIG))
    values = _values(config_keys.tables_of(config_keys.schema_of(kind)), told, path)
    if json:
        emit({"file": str(path), "kind": kind, "values": values})
        return
    lines = [f"{one['key']} = {config_page.literal(one['value'])}" for one in values]
    width = min(60, max(map(len, lines), default=0))
    for line, one in zip(lines, values, strict=True):
        typer.echo(f"{line:<{width}}  # {one['where']}" if origin else line)


@app.command()
def schema(
    name: Annotated[
        str, typer.Argument(help="agent, coordinator, sim; a list of names; or a key.")
    ] = "",
    json: AsJson = False,
) -> None:
    """Tells what may stand in a file (JSON schema), the names of a list, or about a key."""
    if name in KINDS:
        whole = config_keys.described(config_keys.schema_of(name))
        typer.echo(json_text.dumps(whole, indent=None if json else 2, ensure_ascii=False))
        return
    lists: list[str] = []
    for kind in filter(config_keys.installed, KINDS):
        told = config_keys.schema_of(kind)
        if name in told["names"]:
            _list(name, told["names"][name], json)
            return
        lists += told["names"]
        tables = config_keys.tables_of(told)
        key = next((one for table in tables for one in table.keys if one.path == name), None)
        if key is not None:
            _tell(key, json)
            return
    note = f"files: {', '.join(KINDS)}; lists: {', '.join(lists)}; or a key such as uplink.beat_s"
    said = f"there is nothing named {name!r}" if name else "name what you want to know about"
    fail("CMD-101", said, note=note, exit_code=Exit.USAGE)


def _known(kind: str) -> None:
    if kind not in KINDS:
        note = ", ".join(KINDS)
        fail("CMD-101", f"no file is called {kind!r}", note=note, exit_code=Exit.USAGE)


def _here() -> list[Path]:
    """The configuration files of this folder; ends the command where there is none."""
    found = [path for kind in KINDS if (path := Path(f"{kind}.toml")).exists()]
    if not found:
        hint = "name one, or begin with: pilewise config init agent"
        explain("CMD-102", "no configuration file is named, and none is here", hint=hint)
        raise typer.Exit(int(Exit.USAGE))
    return found


def _values(
    tables: list[config_keys.Table], told: dict[str, Any], path: Path
) -> list[dict[str, Any]]:
    """Key, value and origin of everything that holds, in the order of the file's tables."""
    rows = []
    for table in tables:
        for at, present in _places(told["tables"], table.path):
            if present is None and not table.usual:
                continue
            for key in table.keys:
                where, origin = "default", "default"
                value, full = key.default, f"{at}.{key.name}"
                if present is not None and key.name in present:
                    value, origin = present[key.name], "file"
                    line = told["lines"].get(full)
                    where = f"{path}:{line}" if line else str(path)
                if variable := told["environment"].get(full):
                    where, origin = variable, "environment"
                if value is not None or origin != "default":
                    rows.append({"key": full, "value": value, "origin": origin, "where": where})
    return rows


def _places(tables: dict[str, Any], path: str) -> list[tuple[str, dict[str, Any] | None]]:
    """Where a table stands, each time that it does; once as absent where it does not."""
    found: list[tuple[str, Any]] = [("", tables)]
    for part in path.split("."):
        inner = []
        for at, one in found:
            full = f"{at}.{part}" if at else part
            below = one.get(part) if isinstance(one, dict) else None
            if isinstance(below, list):
                inner += [(f"{full}[{i}]", table) for i, table in enumerate(below)]
            else:
                inner.append((full, below))
        found = inner
    return found


def _list(name: str, names: list[str], as_json: bool) -> None:
    if as_json:
        emit({"name": name, "names": names})
    for one in names if not as_json else ():
        typer.echo(one)


def _tell(key: config_keys.Key, as_json: bool) -> None:
    told = {"key": key.path, "kind": key.kind, "needed": key.needed, "default": key.default,
            "about": key.about}  # fmt: skip
    if as_json:
        emit(told)
        return
    default = "needed" if key.needed else f"default {config_page.literal(key.default)}"
    typer.echo(f"{key.path}: {key.about}")
    typer.echo(
        f"  {key.kind}; {'no default' if key.default is None and not key.needed else default}"
    )
