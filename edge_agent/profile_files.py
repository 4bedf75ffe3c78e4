"""Profiles of the operator's own: files and folders, each mistake with its file and line.

The profiles that come with the agent are found by `edge_agent.profiles`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.core.profile import Profile
from edge_agent.core.profile_audit import audit
from edge_agent.core.profile_file import ProfileError, parse_profile
from edge_agent.core.profile_table import Mistake
from edge_agent.errors import ConfigError, ConfigProblem
from edge_agent.toml_source import TomlSource

NAME_MISMATCH: Final = "PRF-008"
TWICE: Final = "PRF-009"
NO_FOLDER: Final = "PRF-010"


@dataclass(frozen=True, slots=True)
class ProfileFiles:
    """Profiles by id, and every mistake that was found on the way to them."""

    profiles: dict[str, Profile]
    problems: tuple[ConfigProblem, ...]


def read_profiles(paths: Iterable[Path]) -> ProfileFiles:
    """The profiles in these files, and in all `*.toml` of these folders."""
    profiles: dict[str, Profile] = {}
    problems: list[ConfigProblem] = []
    for path in paths:
        if path.is_dir():
            files = sorted(path.glob("*.toml"))
        elif path.exists():
            files = [path]
        else:
            files = []
            text = "there is no such file or folder"
            problems.append(ConfigProblem(NO_FOLDER, text, str(path), 1))
        for file in files:
            profile, wrong = read_profile(file)
            problems += wrong
            if profile is None:
                continue
            if profile.profile_id in profiles:
                text = f'a profile "{profile.profile_id}" was read from another file before'
                problems.append(ConfigProblem(TWICE, text, str(file), 1, "id"))
            profiles.setdefault(profile.profile_id, profile)
    return ProfileFiles(profiles, tuple(problems))


def read_profile(path: Path) -> tuple[Profile | None, list[ConfigProblem]]:
    """The profile in a file, None where it cannot be used, and all mistakes in it."""
    try:
        source = TomlSource(path)
    except ConfigError as error:
        return None, list(error.problems)
    try:
        profile = parse_profile(source.tables)
    except ProfileError as error:
        return None, [_problem(mistake, source) for mistake in error.mistakes]
    mistakes = audit(profile)
    if profile.profile_id != path.stem:
        text = f'id = "{profile.profile_id}", but the file is named {path.name}'
        mistakes.append(Mistake(NAME_MISMATCH, "id", text))
    if mistakes:
        return None, [_problem(mistake, source) for mistake in mistakes]
    return profile, []


def _problem(mistake: Mistake, source: TomlSource) -> ConfigProblem:
    line = source.line(mistake.key)
    return ConfigProblem(mistake.code, mistake.text, source.file, line, mistake.key)
