"""`python -m edge_agent buffer show|flush`: what waits on the disk, and sending it now.

Nothing is ever deleted by hand. Exit codes: 0 well, 1 the spool cannot be read, 3 mistakes in the
configuration, 4 no agent runs that could send, 5 some is still there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edge_agent.commands.running import NotRunning, ask
from edge_agent.commands.speaking import (
    CONFIG,
    FAILED,
    OK,
    UNREACHABLE,
    config_of,
    emit,
    say,
    trouble,
)
from edge_agent.config import Config
from edge_agent.errors import SpoolError
from edge_agent.uplink.spool_view import SpoolView, kinds, view_spool
from pilewise.patience import waiting
from pilewise.wrong_words import WordParser

PARTIAL: Final = 5
MARGIN_S: Final = 10.0


def main(arguments: list[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = WordParser(prog="python -m edge_agent buffer", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, text in (("show", "what waits on the disk"), ("flush", "send it now")):
        action = actions.add_parser(name, help=text)
        action.add_argument("-c", "--config", type=Path, default=Path("agent.toml"))
        action.add_argument("--json", action="store_true", help="one JSON object")
        if name == "flush":
            action.add_argument("--wait-s", type=float, default=60.0, help="how long to wait")
    options = parser.parse_args(arguments)
    config = config_of(options.config)
    if config is None:
        return CONFIG
    if options.action == "show":
        return _show(config, options.json)
    return _flush(config, options.wait_s, options.json)


def _show(config: Config, as_json: bool) -> int:
    try:
        seen = view_spool(config.data_dir)
        counts = kinds(config.data_dir)
    except SpoolError as error:
        trouble("SPL-002", str(error), hint="the agent puts a damaged file aside when it starts")
        return FAILED
    for line in lines(seen, counts):
        say(line)
    if as_json:
        emit({**asdict(seen), "kinds": counts})
    return OK


def lines(seen: SpoolView, counts: Mapping[str, int]) -> list[str]:
    """What lies in a spool, for people; `counts` are its records by kind.

    >>> lines(SpoolView(), {})
    ['0 records wait for the coordinator', '0.0 MiB on disk']
    """
    found = [f"{seen.records} records wait for the coordinator"]
    found += [f"  {count} {kind}" for kind, count in sorted(counts.items())]
    if seen.records:
        found.append(f"  observed {_instant(seen.oldest_at_ms)} to {_instant(seen.newest_at_ms)}")
    for reason, count in Counter(gap.reason for gap in seen.gaps).items():
        found.append(f"{count} gaps to be told: {reason}")
    found += [f"put aside as damaged: {name}" for name in seen.quarantined]
    found.append(f"{seen.size_bytes / (1 << 20):.1f} MiB on disk")
    return found


def _flush(config: Config, wait_s: float, as_json: bool) -> int:
    request = {"command": "flush", "wait_s": wait_s}
    try:
        with waiting("the agent sends", plain=True):
            answer = ask(config.data_dir, request, wait_s + MARGIN_S)
    except NotRunning as error:
        trouble(
            "CMD-001",
            str(error),
            note="only the agent sends; what it has not sent stays on the disk",
            hint="start it: systemctl start pilewise-agent",
        )
        return UNREACHABLE
    if answer["ok"]:
        say(f"{answer['sent']} records sent, none waits")
    else:
        trouble("SPL-003", answer["why"], note=f"{answer.get('left')} records are still here")
    if as_json:
        emit(answer)
    return OK if answer["ok"] else PARTIAL


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
