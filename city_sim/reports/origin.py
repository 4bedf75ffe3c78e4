"""Where a report came from: command, seeds, parameters, versions, models, the day.

Nothing here names a folder of the machine: files are named as they were given, or alone.
"""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilewise.version import __version__

if TYPE_CHECKING:
    from coordinator.models.bundle import PartInfo

# What figures depend on; those that are not installed are left out.
LIBRARIES = ("numpy", "scipy", "onnxruntime", "h3", "matplotlib")


@dataclass(frozen=True, slots=True)
class Origin:
    """How a run is repeated. `argv` is the command word by word; `at` is given, never read here.

    `models` are hashes by part, `inputs` hashes of data files by name.
    """

    argv: Sequence[str]
    at: datetime
    seeds: Sequence[int] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command, ready to be pasted into a shell."""
        return shlex.join(_placeless(word) for word in self.argv)


def versions() -> dict[str, str]:
    """Versions by name: the product, Python, and the libraries that figures depend on."""
    found = {"pilewise": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def model_hashes(parts: Iterable[PartInfo]) -> dict[str, str]:
    """Hashes of the models of a bundle (`Serving.parts`), with their versions, by part."""
    return {part.name: f"{part.version}, SHA-256 {part.sha256}" for part in parts}


def spans(seeds: Sequence[int]) -> str:
    """Seeds in short.

    >>> spans([1, 2, 3, 7, 9, 10]), spans([]), spans([4])
    ('1–3, 7, 9–10', '', '4')
    """
    runs: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in runs)


def placeless(value: Any) -> Any:
    """The value without folders of the machine, where it is a path or a sequence of them."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return _placeless(value)
    if isinstance(value, list | tuple):
        return [placeless(part) for part in value]
    return value


def _placeless(word: str) -> str:
    """An absolute path as seen from here, or its name alone; `--option=PATH` likewise.

    >>> _placeless("--seeds=3"), _placeless("data/a.csv")
    ('--seeds=3', 'data/a.csv')
    """
    option, equals, value = word.partition("=")
    if equals and option.startswith("-"):
        return f"{option}={_placeless(value)}"
    path = Path(word)
    if not path.is_absolute():
        return word
    try:
        return os.fspath(path.relative_to(Path.cwd()))
    except ValueError:
        return path.name
