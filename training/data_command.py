"""`python -m training data FILE...`: which sources these are, and how good their rows.

How rows are judged is in `sources/`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pilewise.patience import waiting
from training.backtest.command import fail
from training.sources.files import SourceInvalid
from training.sources.report import describe, lines


def add_to(commands: Any) -> None:
    """Adds the command to those of `python -m training`."""
    data = commands.add_parser("data", help="columns and quality of data, file by file")
    data.add_argument("files", nargs="+", type=Path, help="files, folders, a coordinator's data")
    data.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: argparse.Namespace) -> int:
    """0 with the reports on stdout; 3 with an error that names the file and what to do."""
    try:
        with waiting("reading"):
            sources = describe(options.files)
    except SourceInvalid as error:
        return fail("TRAIN-002", str(error), error.hint)
    if options.json:
        print(json.dumps({"sources": sources}, separators=(",", ":")))
    else:
        print("\n".join(line for told in sources for line in lines(told)))
    return 0
