"""`python -m coordinator ca`: the district's own authority: made, shown, rotated; servers' files.

How certificates are made is in `trust/`. Exit codes: 0 done, 1 not done, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from coordinator.auth_errors import AuthorityUnusable
from coordinator.errors import CoordinatorError
from coordinator.trust import authority as made
from coordinator.trust.authority import Authority, TrustedAuthority
from pilewise.wrong_words import WordParser

_FAILED: Final = 1
# A server is also reached from its own host.
_HERE: Final = ("localhost", "127.0.0.1", "::1")


def main(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    options = _parser().parse_args(arguments)
    try:
        told, lines = _do(options)
    except (CoordinatorError, OSError, ValueError) as error:
        code = getattr(error, "code", AuthorityUnusable.code)
        print(f"error[{code}]: {error}", file=sys.stderr)
        if hint := getattr(error, "hint", ""):
            print(f"  hint: {hint}", file=sys.stderr)
        return _FAILED
    for line in lines:
        print(line, file=sys.stderr)
    if options.json:
        print(json.dumps({"ok": True, **told}, separators=(",", ":")), flush=True)
    return 0


def _parser() -> WordParser:
    parser = WordParser(prog="python -m coordinator ca", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    shared = WordParser(add_help=False)
    shared.add_argument("--folder", type=Path, default=Path("ca"))
    shared.add_argument("--json", action="store_true")
    init = commands.add_parser("init", parents=[shared], help="make an authority")
    init.add_argument("--district", required=True)
    init.add_argument("--days", type=_days, default=made.AUTHORITY_DAYS)
    commands.add_parser("show", parents=[shared], help="who signs, and who is trusted")
    server = commands.add_parser("issue-server", parents=[shared], help="a server's key and chain")
    server.add_argument("--host", action="append", default=[], help="name or address; repeat")
    server.add_argument("--days", type=_days, default=made.SERVER_DAYS)
    server.add_argument("--out", type=Path, help="else server.pem in the folder")
    rotate = commands.add_parser("rotate", parents=[shared], help="a new key signs from now on")
    rotate.add_argument("--days", type=_days, default=made.AUTHORITY_DAYS)
    commands.add_parser("forget", parents=[shared], help="trust former authorities no longer")
    return parser


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= 36_500:
        raise argparse.ArgumentTypeError("days are above 0 and at most 36500")
    return days


def _do(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """What came of it, for programs and for people."""
    folder: Path = options.folder
    if options.command == "init":
        kept = made.init_authority(folder, options.district, options.days)
        return _shown(folder, kept)
    kept = Authority(folder)
    if options.command == "show":
        return _shown(folder, kept)
    if options.command == "issue-server":
        return _server(options, kept)
    if options.command == "rotate":
        kept.rotate(options.days)
        told, lines = _shown(folder, kept)
        todo = "agents take it with their next renewal; then: ca issue-server, then ca forget"
        return told, [*lines, todo]
    former = kept.forget_former()
    names = ", ".join(one.sha256 for one in former) or "nobody"
    told, lines = _shown(folder, kept)
    return told | {"forgotten": [one.sha256 for one in former]}, [*lines, f"forgotten: {names}"]


def _server(options: argparse.Namespace, kept: Authority) -> tuple[dict[str, Any], list[str]]:
    path: Path = options.out or options.folder / made.SERVER
    hosts = [*options.host, *(host for host in _HERE if host not in options.host)]
    until_s = kept.issue_server(hosts, options.days, path)
    told = {"file": str(path), "hosts": hosts, "valid_until": _instant(until_s)}
    text = f"{path} is for {', '.join(hosts)} until {told['valid_until']}"
    return told, [text, "a running coordinator shows it from the next connection on"]


def _shown(folder: Path, kept: Authority) -> tuple[dict[str, Any], list[str]]:
    trusted = kept.trusted()
    told = {
        "folder": str(folder),
        "sha256": trusted[0].sha256,
        "trust_file": str(folder / made.TRUST),
        "authorities": [
            {
                "name": one.name,
                "sha256": one.sha256,
                "valid_until": _instant(one.valid_until_s),
                "signs": one.signs,
            }
            for one in trusted
        ],
    }
    return told, [_line(one) for one in trusted]


def _line(one: TrustedAuthority) -> str:
    what = "signs" if one.signs else "is trusted still"
    return f"{one.name} {what}, until {_instant(one.valid_until_s)}: {one.sha256}"


def _instant(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
