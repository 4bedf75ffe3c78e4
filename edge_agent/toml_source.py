"""A TOML file whose every mistake can be pointed at: file, line and key path, all at once.

What the keys of the agent's configuration mean belongs to `config.py`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec

from edge_agent.config_environment import typed
from edge_agent.errors import ConfigError, ConfigProblem

S = TypeVar("S", bound=msgspec.Struct)
_HEADER: Final = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY: Final = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*="""
)
_AT_LINE: Final = re.compile(r"at line (\d+)")


class TomlSource:
    """The tables of a file and where each key stands; collects problems until `finish`.

    `overrides` are keys that the environment sets: name of the variable and its text.
    """

    def __init__(self, path: Path, overrides: Mapping[str, tuple[str, str]] | None = None) -> None:
        self.file = str(path)
        self.problems: list[ConfigProblem] = []
        self.environment: dict[str, str] = {}
        self._unread: set[str] = set()
        try:
            text = path.read_text(encoding="utf-8")
            self.tables: dict[str, Any] = tomllib.loads(text)
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            problem = ConfigProblem(
                "CFG-001", f"cannot read the file: {why}", self.file, 0,
                hint="-c FILE names another; pilewise config init agent writes one with comments",
            )  # fmt: skip
            raise ConfigError([problem]) from error
        except (ValueError, RecursionError) as error:
            found = _AT_LINE.search(str(error))
            line = int(found.group(1)) if found else text.count("\n") + 1
            raise ConfigError(
                [ConfigProblem("CFG-002", f"this is not TOML: {error}", self.file, line)]
            ) from error
        self.lines = key_lines(text)
        for key, (variable, value) in (overrides or {}).items():
            self._override(key, variable, value)

    def _override(self, key: str, variable: str, text: str) -> None:
        """Puts a text from the environment in a key's place; it gets its type when it is read."""
        self.environment[key] = variable
        table, _, leaf = key.partition(".")
        inside = self.tables.setdefault(table, {}) if leaf else None
        if not isinstance(inside, dict) or "." in leaf:
            note = "the environment sets TABLE__KEY of tables that stand once, such as AGENT__ID"
            self._unreadable("CFG-003", f"{variable} names no key", key, note=note)
            return
        inside[leaf] = text

    def place(self, key: str) -> tuple[str, int]:
        """File and line of a key; the variable and 0 where the environment set it."""
        for known, variable in self.environment.items():
            if key == known or (known.startswith(f"{key}.") and key not in self.lines):
                return f"environment {variable}", 0
        return self.file, self.line(key)

    def line(self, key: str) -> int:
        """The line of a key path such as `pile[0].port`, or of the nearest table above it."""
        while key:
            if key in self.lines:
                return self.lines[key]
            if key.endswith("]"):
                key = key[: key.rindex("[")]
            else:
                key = key.rsplit(".", 1)[0] if "." in key else ""
        return 1

    def report(self, code: str, message: str, key: str, note: str = "", hint: str = "") -> None:
        """Notes a mistake at a key; not at one that could not be read, which was said already."""
        if not self.sound(key):
            return
        self.problems.append(ConfigProblem(code, message, *self.place(key), key, note, hint))

    def sound(self, key: str) -> bool:
        """False for a key whose value, or a table around it, could not be read."""
        return not any(key == bad or key.startswith((f"{bad}.", f"{bad}[")) for bad in self._unread)

    def finish(self) -> None:
        """Raises `ConfigError` with everything noted; does nothing where all is well."""
        if self.problems:
            raise ConfigError(self.problems)

    def section(self, kind: type[S], name: str, *, required: bool = False) -> S | None:
        """The struct of a top-level table as of `decode`; None where it is absent."""
        if name in self.tables:
            return self.decode(kind, self.tables[name], name)
        if required:
            self._unreadable("CFG-004", f"[{name}] is missing", name)
        return None

    def sections(self, kind: type[S], name: str) -> list[S]:
        """The structs of an array of tables, each as of `decode`."""
        tables = self.tables.get(name, [])
        if not isinstance(tables, list):
            self._unreadable("CFG-005", f"write [[{name}]], because there may be several", name)
            return []
        return [self.decode(kind, table, f"{name}[{i}]") for i, table in enumerate(tables)]

    def only_known(self, table: dict[str, Any], key: str, known: Sequence[str]) -> None:
        """Notes every key of a table that is not among the known ones."""
        for name in table:
            if name not in known:
                self._unknown(name, _join(key, name), list(known))

    def decode(self, kind: type[S], table: Any, key: str) -> S:
        """The struct in a table, after its mistakes were noted, each one.

        A key that cannot be read has its default or a stand-in, so that what was read can be
        checked further; `sound` tells which, and `finish` lets no such struct through.
        """
        if not isinstance(table, dict):
            self._unreadable("CFG-005", f"{key or 'the file'} must be a table", key)
            table = {}
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        self.only_known(table, key, list(fields))
        found: dict[str, Any] = {}
        for name, field in fields.items():
            where = _join(key, name)
            if name in table:
                found[field.name] = self._value(field.type, table[name], where)
            elif field.required:
                self._unreadable("CFG-004", f"{name} is missing", where, hint=f"add {name} = ...")
            if field.name not in found or found[field.name] is None:
                found.pop(field.name, None)
                if field.required:
                    found[field.name] = _stand_in(field.type)
        return kind(**found)

    def _value(self, kind: Any, value: Any, key: str) -> Any:
        struct, many = _struct_in(kind)
        if struct is not None and not many:
            return self.decode(struct, value, key)
        if struct is not None:
            if not isinstance(value, list):
                self._unreadable("CFG-005", f"{key} must be a list of tables: [[{key}]]", key)
                return None
            return [self.decode(struct, item, f"{key}[{i}]") for i, item in enumerate(value)]
        if key in self.environment:
            table, _, leaf = key.partition(".")
            value = self.tables[table][leaf] = typed(value, kind)
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            said = str(error).split(" - at ")[0]
            said = f"{said}, got {value!r}" if "got" not in said else said
            self._unreadable("CFG-005", said, key)
            return None

    def _unreadable(
        self, code: str, message: str, key: str, *, note: str = "", hint: str = ""
    ) -> None:
        self.report(code, message, key, note=note, hint=hint)
        self._unread.add(key)

    def _unknown(self, name: str, key: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, 1)
        self.report(
            "CFG-003",
            f'unknown key "{name}"',
            key,
            note=f"known keys: {', '.join(known)}",
            hint=f"did you mean {near[0]}" if near else "",
        )


def key_lines(text: str) -> dict[str, int]:
    """Key path to line number, from 1; arrays of tables count from 0.

    >>> key_lines('[a]\\nb = 1\\n[[pile]]\\nuid = "x"')
    {'a': 1, 'a.b': 2, 'pile[0]': 3, 'pile[0].uid': 4}
    """
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            current = _table_path(header.group(2), header.group(1) == "[[", counts)
            lines.setdefault(current, number)
            continue
        key = _KEY.match(line)
        if key:
            lines.setdefault(_join(current, re.sub(r"[\s\"']", "", key.group(1))), number)
    return lines


def _table_path(name: str, array: bool, counts: dict[str, int]) -> str:
    path = ""
    parts = [part.strip().strip("\"'") for part in name.split(".")]
    for i, part in enumerate(parts):
        path = _join(path, part)
        if array and i == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = f"{path}[{counts[path]}]"
    return path


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _stand_in(kind: Any) -> Any:
    """A value of a required key's type, for checks of the keys beside it."""
    bare = get_args(kind)[0] if get_origin(kind) is typing.Annotated else kind
    return "?" if bare is str else bare(1)


def _struct_in(kind: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The struct that a type holds, directly, optionally or in a list; and whether in a list."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind, False
    origin = get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        for part in get_args(kind):
            struct, many = _struct_in(part)
            if struct is not None:
                return struct, many
    if origin is list:
        struct, _ = _struct_in(get_args(kind)[0])
        return struct, struct is not None
    return None, False
