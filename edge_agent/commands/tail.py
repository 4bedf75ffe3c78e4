"""`python -m edge_agent tail`: the newest records of the running agent, as lines people can read.

Exit codes: 0 well, 3 mistakes in the configuration, 4 no agent runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_agent.commands.running import NotRunning, answers
from edge_agent.commands.speaking import CONFIG, FAILED, OK, UNREACHABLE, config_of, emit, trouble
from edge_agent.core.telling import line
from pilewise.wrong_words import WordParser


def main(arguments: list[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = WordParser(prog="python -m edge_agent tail", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, default=Path("agent.toml"))
    parser.add_argument("-f", "--follow", action="store_true", help="go on until stopped")
    parser.add_argument("-n", "--count", type=int, default=20, help="how many to begin with")
    parser.add_argument("--pile", default="", help="only this pile")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args(arguments)
    config = config_of(options.config)
    if config is None:
        return CONFIG
    if options.pile and options.pile not in {pile.facts.pile_id for pile in config.piles}:
        known = ", ".join(pile.facts.pile_id for pile in config.piles)
        trouble("CMD-002", f'no pile "{options.pile}"', hint=f"known piles: {known}")
        return FAILED
    request = {
        "command": "tail",
        "count": options.count,
        "follow": options.follow,
        "pile": options.pile,
    }
    try:
        for told in answers(config.data_dir, request, None if options.follow else 10.0):
            _show(told, options.json)
    except NotRunning as error:
        trouble(
            "CMD-001",
            str(error),
            hint="start it, or see what it left behind with: pilewise agent buffer show",
        )
        return UNREACHABLE
    except (KeyboardInterrupt, BrokenPipeError):
        return OK
    return OK


def _show(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit(told)
    elif told.get("missed"):
        print(f"... {told['missed']} records passed over", flush=True)
    elif "kind" in told:
        print(line(told), flush=True)
    else:
        print(told.get("why", ""), flush=True)
