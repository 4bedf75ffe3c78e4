"""The keys of a configuration file, as the room that reads it tells them.

The room prints its JSON schema with a sentence for each key; nothing about keys is known here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pilewise.cli.launch import NEEDS, require
from pilewise.cli.output import Exit, fail

# What people call a file, the room that reads it, and the table that only this room has.
ROOMS = {"agent": "edge_agent", "coordinator": "coordinator", "sim": "firmware_sim"}
READ_S = 60.0
_NAMED = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "object": "table",
}
_FORMATS = {"date-time": " (date and time with zone)", "date": " (date)"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table; `default` is None where it has none, `starter` where a new file has it
    as a comment only."""

    name: str
    path: str
    kind: str
    needed: bool
    default: Any
    about: str
    example: Any
    starter: Any


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the file; `many` where it is an array of tables."""

    path: str
    many: bool
    usual: bool
    about: str
    keys: tuple[Key, ...]


def installed(name: str) -> bool:
    """Whether the room that reads this kind of file is here."""
    return find_spec(NEEDS[ROOMS[name]][1]) is not None


def ask(name: str, *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, answer and what was said for people, of a room's own `config` command."""
    room = ROOMS[name]
    require(room)
    ran = subprocess.run(
        [sys.executable, "-m", room, "config", *words],
        capture_output=True,
        timeout=READ_S,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    said = ran.stderr.decode("utf-8", "replace")
    try:
        told = json.loads(ran.stdout.decode().splitlines()[-1])
    except (ValueError, IndexError):
        note = said.strip().splitlines()[-1] if said.strip() else "it said nothing"
        fail("ENV-003", f"{room} could not be asked", note=note, exit_code=Exit.FAILED)
    return ran.returncode, told, said


def schema_of(name: str) -> dict[str, Any]:
    """What the room tells of its keys: schema, words, names, starter and example values."""
    return ask(name, "schema")[1]


def described(told: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema with the sentence of every key in it."""
    schema: dict[str, Any] = told["schema"]
    for path, definition, _ in _tables(schema):
        for key, words in told["words"].get(path, {}).items():
            if key in definition.get("properties", {}):
                definition["properties"][key]["description"] = words
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def tables_of(told: Mapping[str, Any]) -> list[Table]:
    """Every table of the file, those inside others after them."""
    schema, found = told["schema"], []
    for path, definition, spec in _tables(schema):
        words = told["words"].get(path, {})
        keys = [
            _key(told, f"{path}.{name}", one, name in definition.get("required", ()), words)
            for name, one in definition["properties"].items()
            if _inside(schema, one) is None
        ]
        about = (definition.get("description") or "").split(": ", 1)[-1]
        usual = "default" not in spec or spec["default"] is not None
        found.append(Table(path, _many(spec), usual, about[:1].upper() + about[1:], tuple(keys)))
    return found


def guess(path: Path) -> str:
    """Which file this is, by the tables that only one room has, else by its name."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for name in ROOMS:
        if any(line.strip().replace(" ", "").startswith(f"[{name}]") for line in lines):
            return name
    return next((name for name in ROOMS if name in path.name), "agent")


def _key(
    told: Mapping[str, Any], path: str, one: Any, needed: bool, words: Mapping[str, str]
) -> Key:
    name = path.rpartition(".")[2]
    return Key(
        name=name,
        path=path,
        kind=kind_of(told["schema"], one),
        needed=needed,
        default=one.get("default"),
        about=words.get(name, ""),
        example=told.get("example", {}).get(path),
        starter=told.get("starter", {}).get(path),
    )


def _tables(schema: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Path, definition and place of every table, outer ones first."""
    waiting = [("", schema)]
    while waiting:
        path, spec = waiting.pop(0)
        definition = _definition(schema, spec)
        if path:
            yield path, definition, dict(spec)
        inner = [
            (f"{path}.{name}" if path else name, one)
            for name, one in definition["properties"].items()
            if _inside(schema, one) is not None
        ]
        waiting = inner + waiting


def _inside(schema: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """The table that a key holds, once or many times; None where it holds a plain value."""
    for one in (spec, spec.get("items", {}), *spec.get("anyOf", ())):
        found = _resolved(schema, one)
        if "properties" in found:
            return found
    return None


def _definition(schema: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    found = _inside(schema, spec)
    assert found is not None  # only tables are walked
    return found


def _resolved(schema: Mapping[str, Any], spec: Any) -> dict[str, Any]:
    if not isinstance(spec, Mapping):
        return {}
    name = spec.get("$ref", "").rpartition("/")[2]
    return dict(schema["$defs"][name]) if name else dict(spec)


def _many(spec: Mapping[str, Any]) -> bool:
    return spec.get("type") == "array"


def kind_of(schema: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """What a value must be, in words."""
    one = _resolved(schema, spec)
    choices = [part for part in one.get("anyOf", ()) if part.get("type") != "null"]
    if choices:
        return kind_of(schema, choices[0])
    if "enum" in one:
        return "one of " + ", ".join(str(value) for value in one["enum"])
    kind = str(one.get("type", "any"))
    if kind == "array":
        item = one.get("items") or (one.get("prefixItems") or [{}])[0]
        return f"list: {kind_of(schema, item)}" if item else "list"
    return _NAMED.get(kind, kind) + _bounds(one) + _FORMATS.get(one.get("format", ""), "")


def _bounds(one: Mapping[str, Any]) -> str:
    low, high = one.get("minimum"), one.get("maximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}" if abs(high) < 1e6 else f", {low} to {high}"
    if low is not None:
        return f", {low:g} or more"
    if "exclusiveMinimum" in one:
        top = f" and at most {high:g}" if high is not None else ""
        return f", above {one['exclusiveMinimum']:g}{top}"
    return ""
