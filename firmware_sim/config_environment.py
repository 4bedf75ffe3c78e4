"""Settings from the environment: `PILEWISE_SIM__TABLE__KEY` goes before a key of sim.toml.

Only tables that stand once can be reached so; piles stand in the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from firmware_sim.toml_file import Reader

PREFIX = "PILEWISE_SIM__"


def override(
    reader: Reader,
    data: dict[str, Any],
    tables: Mapping[str, type[msgspec.Struct]],
    environ: Mapping[str, str],
) -> None:
    """Puts what the environment says into the tables, each value with the type of its key."""
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX):
            continue
        key = variable.removeprefix(PREFIX).lower().replace("__", ".")
        table, _, leaf = key.partition(".")
        reader.environment[key] = variable
        inside = data.setdefault(table, {}) if table in tables else None
        if not leaf or "." in leaf or not isinstance(inside, dict):
            hint = f"the environment sets TABLE__KEY of {', '.join(tables)}, such as SIM__SEED"
            reader.fail("CFG-003", key, f"{variable} names no key", hint=hint)
            continue
        kinds = {field.encode_name: field.type for field in msgspec.structs.fields(tables[table])}
        inside[leaf] = _typed(text, kinds.get(leaf, str))


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
