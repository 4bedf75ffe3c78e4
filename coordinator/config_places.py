"""Where each setting stands: a line of the file, or a variable of the environment.

`PILEWISE_COORDINATOR__TABLE__KEY` goes before a key of the file. What settings mean
is in `config.py`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from coordinator.errors import Problem

PREFIX = "PILEWISE_COORDINATOR__"
_HEADER = re.compile(r"^\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=""")


class Lines(dict[str, int]):
    """Dotted key to its line; `environment` is dotted key to the variable that sets it."""

    def __init__(self, text: str) -> None:
        super().__init__(_line_numbers(text))
        self.environment: dict[str, str] = {}


def where(path: Path, dotted: str, lines: dict[str, int]) -> str:
    """`file:line` of a key, or of the nearest table around it, or the file; or the variable."""
    for known, variable in getattr(lines, "environment", {}).items():
        if known == dotted or (known.startswith(f"{dotted}.") and dotted not in lines):
            return f"environment {variable}"
    while dotted:
        if dotted in lines:
            return f"{path}:{lines[dotted]}"
        dotted = dotted.rpartition(".")[0]
    return str(path)


def override(
    data: dict[str, Any], kind: type[msgspec.Struct], lines: Lines, environ: Mapping[str, str]
) -> Iterator[Problem]:
    """Puts what the environment says into the tables, each value with the type of its key."""
    tables = get_type_hints(kind, include_extras=True)
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX):
            continue
        key = variable.removeprefix(PREFIX).lower().replace("__", ".")
        table, _, leaf = key.partition(".")
        lines.environment[key] = variable
        inside = data.setdefault(table, {}) if table in tables else None
        if not leaf or "." in leaf or not isinstance(inside, dict):
            known = f"TABLE__KEY with a table of {', '.join(tables)}, such as COORDINATOR__LISTEN"
            yield Problem("CFG-003", f"environment {variable}", "this names no key", hint=known)
            continue
        keys = get_type_hints(tables[table], include_extras=True)
        inside[leaf] = _typed(text, keys.get(leaf, str))


def _typed(text: str, kind: Any) -> Any:
    """The value that a text means where `kind` is expected: as TOML, else as it stands."""
    try:
        written = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
    for candidate in (written, text):
        try:
            msgspec.convert(candidate, kind)
        except msgspec.ValidationError:
            continue
        return candidate
    return written


def _line_numbers(text: str) -> dict[str, int]:
    """Dotted key to the line on which it stands first."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = header.group(1)
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            name = key.group(1).replace(" ", "").strip("\"'")
            found.setdefault(f"{table}.{name}" if table else name, number)
    return found
