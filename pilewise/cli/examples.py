"""An example or two at the end of every command's help, from `examples.toml`.

Read only when somebody asks for help. That each can be typed as it stands is tested.
"""

from __future__ import annotations

import tomllib
from functools import cache, partial
from importlib.resources import files
from typing import Any


@cache
def examples() -> dict[str, list[str]]:
    """Lines to type by command, e.g. "agent probe"."""
    text = files("pilewise.cli").joinpath("examples.toml").read_text("utf-8")
    told: dict[str, list[str]] = tomllib.loads(text)
    return told


def teach(command: Any, path: str = "") -> None:
    """Lets the help of a command, and of all below it, end with its examples."""
    for name, inner in getattr(command, "commands", {}).items():
        words = f"{path} {name}".strip()
        inner.format_epilog = partial(_format, words)
        teach(inner, words)


def _format(words: str, context: Any, formatter: Any) -> None:
    if lines := examples().get(words):
        formatter.write_paragraph()
        with formatter.section("Examples" if len(lines) > 1 else "Example"):
            for line in lines:
                # Not as text, which would be broken where the terminal ends.
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")
