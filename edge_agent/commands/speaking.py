"""How the agent's commands speak: people read lines, programs one JSON object at the end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from edge_agent.config import Config
from edge_agent.config_file import load_config
from edge_agent.errors import ConfigError

OK: Final = 0
FAILED: Final = 1
CONFIG: Final = 3
UNREACHABLE: Final = 4


def say(text: str) -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr, flush=True)


def emit(told: Mapping[str, Any]) -> None:
    """One compact JSON object on stdout."""
    print(json.dumps(told, ensure_ascii=False, separators=(",", ":")), flush=True)


def trouble(code: str, text: str, *, note: str = "", hint: str = "") -> None:
    """An error for people: what is wrong and what to do."""
    say(f"error[{code}]: {text}")
    if note:
        say(f"  = note: {note}")
    if hint:
        say(f"  hint: {hint}")


def config_of(path: Path) -> Config | None:
    """The configuration; None after its mistakes were said."""
    try:
        return load_config(path, environ=os.environ)
    except ConfigError as error:
        say(str(error))
        return None
