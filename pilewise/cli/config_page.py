"""A new configuration file: every key with its meaning, its type and its default, as comments.

What the keys are comes from the room (`config_keys.py`).
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from pilewise.cli.config_keys import Key, Table

WIDTH = 98


def page(name: str, prefix: str, tables: list[Table]) -> str:
    """The text of a file that passes the room's check as it stands."""
    lines = [
        f"# {name}.toml: commented out is what holds anyway; take the # away to change it.",
        f"# Check it: pilewise config check {name}.toml. The environment goes before it, e.g.",
        f"# {_variable(prefix, tables)}.",
        "",
    ]
    for table in tables:
        lines += [*_table(table), ""]
    return "\n".join(lines).rstrip() + "\n"


def literal(value: Any) -> str:
    """A value as TOML writes it.

    >>> literal("a"), literal(True), literal([1, "b"]), literal(0.5)
    ('"a"', 'true', '[1, "b"]', '0.5')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(literal(one) for one in value)}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(name)} = {literal(one)}" for name, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _table(table: Table) -> Iterator[str]:
    yield from _comment(table.about)
    # In a new file stand the tables that say something, so that every key is below its own.
    off = "" if any(key.starter is not None for key in table.keys) else "#"
    yield f"{off}[[{table.path}]]" if table.many else f"{off}[{table.path}]"
    for key in table.keys:
        yield from _comment(f"{key.about} {_nature(key)}".strip())
        value = key.starter if key.starter is not None else key.default
        if value is None:
            value = key.example if key.example is not None else ""
        active = key.starter is not None
        yield f"{'' if active else '#'}{key.name} = {literal(_dated(key, value))}"


def _nature(key: Key) -> str:
    if key.needed:
        return f"({key.kind}; needed)"
    return f"({key.kind}; none)" if key.default is None else f"({key.kind})"


def _dated(key: Key, value: Any) -> Any:
    """Times travel as text between processes, and are times in TOML."""
    if isinstance(value, str) and "date and time" in key.kind and value:
        return datetime.fromisoformat(value)
    return value


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(" ".join(text.split()), WIDTH - 2, break_on_hyphens=False):
        yield f"# {line}"


def _variable(prefix: str, tables: list[Table]) -> str:
    first = tables[0]
    key = next((one for one in first.keys if one.starter is not None), first.keys[0])
    return f"{prefix}{first.path.upper()}__{key.name.upper()}={key.starter}"
