"""The scenarios that come with the package, and the template for a new one.

They are data files in `firmware_sim/scenarios`; reading one is in `reading.py`.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from firmware_sim.bench.scenario.reading import Scenario, load, read
from firmware_sim.bench.scenario.subjects import unknown
from firmware_sim.errors import ConfigError, Finding

_FOLDER = "scenarios"
_TEMPLATE = "template.toml.txt"


def names() -> list[str]:
    """The names of the scenarios that come with the package, in order."""
    folder = files("firmware_sim") / _FOLDER
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def shipped(name: str) -> Scenario:
    """A scenario of the package by name."""
    entry = files("firmware_sim") / _FOLDER / f"{name}.toml"
    return read(entry.read_text(encoding="utf-8"), name=name, file=f"{name}.toml")


def find(word: str) -> list[Scenario]:
    """What a word asks for: `all`, a scenario of the package, or a file. Raises ConfigError."""
    known = names()
    if word == "all":
        return [shipped(name) for name in known]
    if word in known:
        return [shipped(word)]
    path = Path(word)
    if path.suffix == ".toml" or path.exists():
        return [load(path)]
    hint = f"{unknown(word, known)}; or name a file that ends in .toml"
    finding = Finding("SCN-011", f"no scenario {word!r}", "", 0, hint=hint)
    raise ConfigError(word, [finding])


def template() -> str:
    """A scenario with comments that runs as it stands."""
    return (files("firmware_sim") / _FOLDER / _TEMPLATE).read_text(encoding="utf-8")
