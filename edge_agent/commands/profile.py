"""`python -m edge_agent profile lint|list|show`: what is known of the models, and whether it holds.

Exit codes: 0 well, 1 no such profile, 2 wrong usage, 3 mistakes in a profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from edge_agent.commands.profile_page import markdown, page, summary
from edge_agent.commands.speaking import CONFIG, FAILED, OK, emit, say, trouble
from edge_agent.core.profile import Profile
from edge_agent.profile_files import read_profiles
from edge_agent.profiles import Shelf, bundled_folder
from pilewise.wrong_words import WordParser


def main(arguments: list[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = WordParser(prog="python -m edge_agent profile", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    lint = actions.add_parser("lint", help="check the bundled profiles, and files or folders")
    lint.add_argument("paths", type=Path, nargs="*", help="profile files or folders of them")
    listing = actions.add_parser("list", help="the models that are known")
    listing.add_argument("--markdown", action="store_true", help="a table for docs/profiles.md")
    show = actions.add_parser("show", help="all that is known of a model")
    show.add_argument("name", help="the id of a profile")
    for action in (listing, show):
        action.add_argument("--profiles-dir", type=Path, help="a folder of your own profiles")
    for action in (lint, listing, show):
        action.add_argument("--json", action="store_true", help="one JSON object at the end")
    options = parser.parse_args(arguments)
    if options.action == "lint":
        return _lint(options.paths, options.json)
    shelf = shelf_of(options.profiles_dir)
    if shelf is None:
        return CONFIG
    if options.action == "list":
        return _list(shelf, options.json, options.markdown)
    return _show(shelf, options.name, options.json)


def shelf_of(folder: Path | None) -> Shelf | None:
    """The bundled profiles and those of a folder; None after its mistakes were said."""
    if folder is None:
        return Shelf()
    read = read_profiles([folder])
    for problem in read.problems:
        say(str(problem))
    return None if read.problems else Shelf(read.profiles)


def _lint(paths: list[Path], as_json: bool) -> int:
    # An own profile may stand in for a bundled one of the same id, so each is judged alone.
    bundled, own = read_profiles([bundled_folder()]), read_profiles(paths)
    profiles = {**bundled.profiles, **own.profiles}
    problems = [*bundled.problems, *own.problems]
    for problem in problems:
        say(str(problem))
    models = sum(profile.is_modbus for profile in profiles.values())
    told: dict[str, Any] = {
        "models": models,
        "profiles": len(profiles),
        "errors": len(problems),
        "problems": [
            {"code": p.code, "file": p.file, "line": p.line, "key": p.key, "message": p.message}
            for p in problems
        ],
    }
    if as_json:
        emit(told)
    else:
        say(f"{models} models, {len(problems)} mistakes")
    return CONFIG if problems else OK


def _list(shelf: Shelf, as_json: bool, as_markdown: bool) -> int:
    profiles = [shelf.take(name) for name in shelf.names]
    if as_markdown:
        print(markdown([profile for profile in profiles if profile.is_modbus]))
        return OK
    if as_json:
        emit({"profiles": [summary(profile, shelf) for profile in profiles]})
        return OK
    width = max(len(profile.profile_id) for profile in profiles)
    for profile in profiles:
        own = "  (your own)" if shelf.is_own(profile.profile_id) else ""
        transports = ", ".join(profile.transports)
        print(f"{profile.profile_id:{width}}  {_name(profile)}: {transports}{own}")
    return OK


def meant(name: str, known: Sequence[str]) -> str:
    """The hint for a name that is unknown: the nearest, else all of them."""
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


def _show(shelf: Shelf, name: str, as_json: bool) -> int:
    try:
        profile = shelf.take(name)
    except KeyError:
        trouble("CMD-003", f'no profile "{name}"', hint=meant(name, shelf.names))
        return FAILED
    told = page(profile, shelf)
    if as_json:
        emit(told)
        return OK
    print(f"{_name(profile)} ({profile.profile_id})")
    for title, lines in told.items():
        if isinstance(lines, list):
            print(f"\n{title.replace('_', ' ')}")
            for line in lines:
                print(f"  {line if isinstance(line, str) else _row(line)}")
        elif title not in ("profile", "maker", "model"):
            print(f"  {title.replace('_', ' ')}: {lines}")
    return OK


def _name(profile: Profile) -> str:
    return f"{profile.maker} {profile.model}"


def _row(columns: dict[str, Any]) -> str:
    first, *rest = (str(value) for value in columns.values() if value not in ("", None))
    return f"{first:22} {'  '.join(rest)}"
