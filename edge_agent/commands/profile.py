"""`python -m edge_agent profile lint|list|show`: what is known of the models, and whether it holds.

Exit codes: 0 well, 2 wrong usage, 3 mistakes in a profile.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from edge_agent.profiles import load_profile, profile_names


def main(arguments: list[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = argparse.ArgumentParser(prog="python -m edge_agent profile", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="the models that are known")
    listing.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    return _list(options.json)


def _list(as_json: bool) -> int:
    profiles = [load_profile(name) for name in profile_names()]
    for profile in profiles:
        line = f"{profile.profile_id:28} {profile.maker} {profile.model}"
        print(line, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        emit({"profiles": [profile.profile_id for profile in profiles]})
    return 0


def emit(told: Mapping[str, Any]) -> None:
    """One compact JSON object as the last line of stdout."""
    print(json.dumps(told, ensure_ascii=False, separators=(",", ":")), flush=True)
