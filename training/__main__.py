"""`python -m training all|arrival|portrait|backtest|data`: models, backtests, quality."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import sys
from pathlib import Path

from pilewise.patience import hushed, waiting
from pilewise.unread import ending
from pilewise.wrong_words import WordParser
from training import arrival_command, data_command, from_store_command, portrait_command
from training.backtest import command

_NO_TORCH = (
    "error[TRAIN-001]: torch is not installed\n"
    '  hint: pip install "pilewise[train]" (a CPU build of torch is enough)\n'
)
_PINS = '"""Which bundle this version came with."""\n\nBUNDLED_SHA256 = "{}"\n'


def main(arguments: list[str] | None = None) -> int:
    """Gives 0 when it is done, 2 for wrong usage or without torch, 3 for unusable data."""
    parser = WordParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_all(commands)
    command.add_to(commands)
    data_command.add_to(commands)
    from_store_command.add_to(commands)
    portrait_command.add_to(commands)
    arrival_command.add_to(commands)
    options = parser.parse_args(arguments)
    if options.command == "backtest":
        return command.run(options)
    if options.command == "data":
        return data_command.run(options)
    if options.command == "from-store":
        return from_store_command.run(options)
    if options.command == "arrival":
        return arrival_command.run(options)
    try:
        import torch  # noqa: F401
    except ImportError:
        sys.stderr.write(_NO_TORCH)
        return 2
    return portrait_command.run(options) if options.command == "portrait" else _all(options)


def _add_all(commands: argparse._SubParsersAction[WordParser]) -> None:
    everything = commands.add_parser("all", help="all models from the made-up city")
    everything.add_argument("--seed", type=int, default=7, help="seed of data and weights")
    everything.add_argument("--out", type=Path, default=None, help="folder of the bundle")
    everything.add_argument(
        "--bundled", action="store_true", help="replace and pin the bundle that the package brings"
    )
    everything.add_argument(
        "--only",
        type=lambda text: [name.strip() for name in text.split(",") if name.strip()],
        default=[],
        metavar="PART[,PART]",
        help="train these parts and keep the others of the folder",
    )
    everything.add_argument(
        "--choices",
        type=Path,
        default=None,
        metavar="FILE",
        help="CSV of what was shown and chosen, one row a candidate, for the ranker to learn from",
    )
    everything.add_argument(
        "--layers",
        choices=("joint", "separate"),
        default="joint",
        help="whether the layers of the travel model learn together or one by one",
    )
    everything.add_argument("--json", action="store_true", help="one JSON object on stdout")


def _all(options: argparse.Namespace) -> int:
    from coordinator.models import serving
    from training.choices_file import ChoicesUnusable
    from training.everything import Effort, UnknownPart, train_all
    from training.export import NotKept

    folder = options.out or Path(f"bundle-seed{options.seed}")
    if options.bundled:
        folder = serving.BUNDLED
    tell = _silent if hushed() else functools.partial(print, file=sys.stderr)
    effort = Effort()
    travel = dataclasses.replace(effort.travel, layers=options.layers)
    effort = dataclasses.replace(effort, choices_file=options.choices, travel=travel)
    try:
        processes = os.cpu_count() or 1
        with waiting("training"):
            result = train_all(options.seed, folder, effort, tell, options.only, processes)
    except (ChoicesUnusable, OSError) as error:
        hint = getattr(error, "hint", "is the path right?")
        sys.stderr.write(f"error[TRAIN-007]: {error}\n  hint: {hint}\n")
        return 3
    except (UnknownPart, NotKept) as error:
        code = "TRAIN-005" if isinstance(error, UnknownPart) else "TRAIN-006"
        sys.stderr.write(f"error[{code}]: {error}\n  hint: {error.hint}\n")
        return 2
    if options.bundled:
        pins = Path(serving.__file__).with_name("pins.py")
        pins.write_text(_PINS.format(result["manifest_sha256"]), "utf-8")
    if options.json:
        print(json.dumps(result, separators=(",", ":")))
    else:
        print(f"bundle {result['version']} in {folder}, {result['bytes']} bytes")
    return 0


def _silent(text: str) -> None:
    """Takes what is told of the progress where nobody wants to hear of it."""


if __name__ == "__main__":
    sys.exit(ending(main))
