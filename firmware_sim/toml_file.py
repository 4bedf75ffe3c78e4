"""Reads a TOML file into strict structs and finds every mistake at once, with its line.

Which keys a room has is in `config.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec

from firmware_sim.errors import Finding

T = TypeVar("T", bound=msgspec.Struct)

_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-]+)\s*=")


class LineIndex:
    """Where each table and key of a TOML text stands; lines count from 1."""

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        counts: dict[str, int] = {}
        table = ""
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.match(line):
                table = _qualified(header[2], counts, is_array=header[1] == "[[")
                self._lines.setdefault(table, number)
            elif key := _KEY.match(line):
                path = f"{table}.{key[1]}" if table else key[1]
                self._lines.setdefault(path, number)

    def all(self) -> dict[str, int]:
        """Every path with its line."""
        return dict(self._lines)

    def line(self, path: str) -> int:
        """The line of `path` (e.g. `pile[0].face`), or of the nearest table around it, or 1."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path.rpartition(".")[0]
        return 1


def _qualified(name: str, counts: dict[str, int], *, is_array: bool) -> str:
    """`pile` as `pile[n]`; a table inside an array belongs to the array's last element."""
    parts = name.split(".")
    if is_array:
        counts[name] = counts.get(name, -1) + 1
        return f"{name}[{counts[name]}]"
    if len(parts) > 1 and parts[0] in counts:
        return f"{parts[0]}[{counts[parts[0]]}]." + ".".join(parts[1:])
    return name


class Reader:
    """Turns tables into structs and gathers what is wrong with them."""

    def __init__(self, text: str) -> None:
        self._index = LineIndex(text)
        self.findings: list[Finding] = []
        # Keys that the environment sets, and by which variable.
        self.environment: dict[str, str] = {}

    def fail(self, code: str, path: str, message: str, *, note: str = "", hint: str = "") -> None:
        """Notes one mistake at `path`."""
        variable = self.environment.get(path, "")
        line = 0 if variable else self._index.line(path)
        self.findings.append(Finding(code, message, path, line, note, hint, variable))

    def line(self, path: str) -> int:
        """The line that `path` stands on."""
        return self._index.line(path)

    def lines(self) -> dict[str, int]:
        """Every key with the line that it stands on."""
        return self._index.all()

    def struct(self, kind: type[T], table: Any, path: str) -> T | None:
        """The table as `kind`; None after a mistake, of which every one has been noted."""
        if not isinstance(table, Mapping):
            self.fail("CFG-005", path, f"{path} must be a table")
            return None
        before = len(self.findings)
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        values: dict[str, Any] = {}
        for key, value in table.items():
            at = f"{path}.{key}" if path else key
            field = fields.get(key)
            if field is None:
                near = get_close_matches(key, fields, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(fields))}"
                self.fail("CFG-003", at, f'unknown key "{key}"', hint=hint)
                continue
            try:
                values[field.name] = msgspec.convert(value, field.type, strict=True)
            except msgspec.ValidationError as error:
                self.fail("CFG-005", at, f"{at}: {str(error).lower()}")
        for field in fields.values():
            if field.required and field.encode_name not in table:
                self.fail("CFG-004", path or field.encode_name, f'"{field.encode_name}" is missing')
        return kind(**values) if len(self.findings) == before else None
