"""Device profiles as data, one TOML file for each model, and how they are found and loaded."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from edge_agent.core.profile import Profile
from edge_agent.core.profile_file import parse_profile


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that come with the agent, sorted."""
    folder = resources.files(__name__)
    return tuple(
        sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))
    )


@cache
def load_profile(name: str) -> Profile:
    """The bundled profile; raises `KeyError` for an unknown name, `ProfileError` for a bad file."""
    if name not in profile_names():
        raise KeyError(name)
    text = resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return parse_profile(tomllib.loads(text))


def bundled_folder() -> Path:
    """Where the bundled profiles lie."""
    return Path(str(resources.files(__name__)))


class Shelf:
    """The bundled profiles and an operator's own, which count where both have the same id."""

    def __init__(self, own: Mapping[str, Profile] | None = None) -> None:
        self._own = dict(own or {})

    @property
    def names(self) -> tuple[str, ...]:
        """Every id, sorted."""
        return tuple(sorted({*profile_names(), *self._own}))

    def take(self, name: str) -> Profile:
        """The profile; raises `KeyError` or `ProfileError`."""
        return self._own[name] if name in self._own else load_profile(name)

    def is_own(self, name: str) -> bool:
        """True for a profile of the operator's."""
        return name in self._own
