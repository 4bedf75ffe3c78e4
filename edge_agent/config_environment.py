"""Settings from the environment: `PILEWISE_AGENT__TABLE__KEY` goes before a key of the file.

Only tables that stand once can be reached so; piles stand in the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

PREFIX: Final = "PILEWISE_AGENT__"


def overrides(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Dotted key to the name of its variable and the text in it.

    >>> overrides({"PILEWISE_AGENT__UPLINK__BEAT_S": "30", "HOME": "/"})
    {'uplink.beat_s': ('PILEWISE_AGENT__UPLINK__BEAT_S', '30')}
    """
    return {
        name.removeprefix(PREFIX).lower().replace("__", "."): (name, text)
        for name, text in sorted(environ.items())
        if name.startswith(PREFIX)
    }


def typed(text: str, kind: Any) -> Any:
    """The value that a text means where `kind` is expected: as TOML, else as it stands.

    >>> typed("30", float), typed("30", str), typed('["a"]', list[str])
    (30, '30', ['a'])
    """
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
