"""Device profiles as data, one TOML file for each model, and how they are found and loaded."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

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
