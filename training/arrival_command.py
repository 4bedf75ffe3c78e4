"""`python -m training arrival`: an arrival model from an operator's own states of connectors.

The new bundle has the parts of another one, the arrival part made anew. The last fifth of the time
is not learned from; the figures are of that, beside those of the rules.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from pilewise.patience import waiting
from training.backtest.command import fail
from training.sources import SourceInvalid, read_connectors, read_intervals

NO_TORCH = 2
_INSTALL = 'pip install "pilewise[train]" (a CPU build of torch is enough)'


def add_to(commands: Any) -> None:
    """Adds the command to those of `python -m training`."""
    arrival = commands.add_parser("arrival", help="an arrival model from states of connectors")
    arrival.add_argument("--connectors", type=Path, required=True, help="CSV of connectors")
    arrival.add_argument("--intervals", type=Path, required=True, help="CSV of their states")
    arrival.add_argument("--out", type=Path, default=None, help="new folder of the bundle")
    arrival.add_argument(
        "--base", type=Path, default=None, help="bundle with the other parts; absent: the bundled"
    )
    arrival.add_argument("--seed", type=int, default=7, help="seed of rows and weights")
    arrival.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: argparse.Namespace) -> int:
    """0 with figures on stdout; 3 with an error that says what to do; 2 without torch."""
    folder: Path = options.out or Path(f"arrival-seed{options.seed}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return fail("TRAIN-009", f"{folder} is not empty", "name a new folder with --out")
    try:
        import torch
    except ImportError:
        fail("TRAIN-001", "torch is not installed", _INSTALL)
        return NO_TORCH
    from coordinator.errors import BundleRefused
    from training.arrival_part import TooFewStates

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with waiting("training the arrival model"):
            result = make(options, folder)
    except SourceInvalid as error:
        return fail("TRAIN-002", str(error), error.hint)
    except TooFewStates as error:
        return fail("TRAIN-008", f"too little data, nothing is made: {error}", error.hint)
    except BundleRefused as error:
        return fail("TRAIN-010", f"the bundle with the other parts is refused: {error}", error.hint)
    lines = [f"{name:<24} {value}" for name, value in result.items()]
    print(json.dumps(result, separators=(",", ":")) if options.json else "\n".join(lines))
    return 0


def make(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Trains, writes and loads the bundle; says how good it is."""
    from coordinator.models.arrival import PART
    from coordinator.models.bundle import load
    from coordinator.models.serving import BUNDLED
    from training.arrival_part import arrival_part
    from training.export import keep, write_bundle

    base: Path = options.base or BUNDLED
    others = load(base)
    connectors = read_connectors(options.connectors)
    intervals = read_intervals(options.intervals, connectors)
    part = arrival_part(
        connectors, intervals, options.seed, tell=lambda text: print(text, file=sys.stderr)
    )
    kept = keep(base, [PART])
    folder.mkdir(parents=True, exist_ok=True)
    for name in kept.files if kept else ():
        shutil.copyfile(base / name, folder / name)
    version = f"{others.version}-arrival-{part.training_data_sha256[:8]}"[:64]
    digest = write_bundle(folder, others.name, version, [part], kept=kept)
    load(folder, digest)
    return {
        "name": others.name,
        "version": version,
        "path": str(folder),
        "manifest_sha256": digest,
        "parts": sorted([PART, *(kept.parts if kept else ())]),
        **{name: round(value, 5) for name, value in part.metrics.items()},
    }
