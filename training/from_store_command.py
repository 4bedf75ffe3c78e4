"""`python -m training from-store --data-dir DIR`: a candidate bundle, its verdict, its activation.

0: better, and activated if asked. 5: made, but not surely better, so not activated. 3: data that
cannot be used, or too little; nothing is made. 2: no torch. 1: it passed, but was not activated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from coordinator.core.recommend.rules_ranker import RULES_RANKER
from coordinator.errors import BundleRefused
from coordinator.models import ranker
from coordinator.models.bundle import load
from coordinator.models.bundle_files import MANIFEST
from coordinator.models.kept import SHIPPED, KeptBundles
from coordinator.models.manifest import Manifest
from coordinator.models.serving import BUNDLED
from training.backtest.command import fail
from training.card import CARD, ranker_plots
from training.from_store import OwnSplit, TooLittle, own_choices, split_own
from training.gate import judge
from training.sources.files import SourceInvalid
from training.sources.store import read_store

DONE, NOT_ACTIVATED, NO_TORCH, GATE_FAILED = 0, 1, 2, 5
ACTIVATE_S = 120.0
_INSTALL = 'pip install "pilewise[train]" (a CPU build of torch is enough)'
_PILEWISE = "from pilewise.cli import main; main()"
_MORE = "let the coordinator serve on; drivers' ReportOutcome and plug-ins of promised cars count"


def add_to(commands: Any) -> None:
    """Adds the command to those of `python -m training`."""
    own = commands.add_parser("from-store", help="a ranker from a coordinator's own requests")
    own.add_argument("--data-dir", type=Path, required=True, help="data_dir of a coordinator")
    own.add_argument("--out", type=Path, default=None, help="new folder of the candidate bundle")
    own.add_argument(
        "--active", type=Path, default=None, help="bundle to beat; absent: what serves"
    )
    own.add_argument("--seed", type=int, default=7, help="seed of data, weights and intervals")
    own.add_argument("--cities", type=int, default=4, help="generated cities to learn from as well")
    own.add_argument("--activate", action="store_true", help="activate it if it passed the gate")
    own.add_argument("--target", default="127.0.0.1:50051", help="coordinator to activate it at")
    own.add_argument("--key", type=Path, default=None, help="private key to sign the bundle with")
    own.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: argparse.Namespace) -> int:
    """Makes, judges and perhaps activates a candidate; prints what came of it."""
    folder: Path = options.out or Path(f"candidate-seed{options.seed}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return fail("TRAIN-009", f"{folder} is not empty", "name a new folder with --out")
    try:
        own = own_choices(read_store(options.data_dir))
        parts = split_own(own)
    except SourceInvalid as error:
        return fail("TRAIN-002", str(error), error.hint)
    except TooLittle as error:
        return fail("TRAIN-008", f"too little data, nothing is made: {error}", _MORE)
    try:
        import torch  # noqa: F401
    except ImportError:
        fail("TRAIN-001", "torch is not installed", _INSTALL)
        return NO_TORCH
    from training.export import NotKept

    active = options.active or active_folder(options.data_dir)
    try:
        result = make(parts, folder, active, options.seed, options.cities)
    except (BundleRefused, NotKept) as error:
        return fail("TRAIN-010", f"the bundle to beat is refused: {error}", error.hint)
    told = {**result, "labels": own.labels, "dropped": own.dropped, "activated": False}
    code = DONE if told["gate"] == "passed" else GATE_FAILED
    if code == DONE and options.activate:
        code = _activate(folder, options.target, options.key)
        told["activated"] = code == DONE
    _print(told, options.json)
    return code


def make(
    parts: OwnSplit, folder: Path, active: Path, seed: int, cities: int, effort: Any = None
) -> dict[str, Any]:
    """Trains, judges and writes a candidate; says what came of it. Raises `BundleRefused`."""
    from training.candidate import OwnEffort, train_candidate, write_candidate
    from training.export import run_onnx

    beaten = load(active)
    with _stages() as stage:
        stage(f"learning from {len(parts.learn)} own choices and {cities} generated cities")
        candidate = train_candidate(parts, seed, effort or OwnEffort(cities=cities))
        stage(f"testing on {len(parts.test)} later choices")
        rows = parts.test.choices
        feed = {"features": rows.features, "mask": rows.mask}
        scores = run_onnx(candidate.content, feed)
        content = ranker_of(active)
        before = RULES_RANKER.scores(rows.features) if content is None else run_onnx(content, feed)
        verdict = judge(parts.test, scores, before, seed)
        stage("writing the bundle")
        version = f"1.0.0-own-{candidate.data_sha256[:8]}-seed{seed}"
        plots = ranker_plots(rows, {"candidate": scores, "active": before})
        digest = write_candidate(folder, active, candidate, verdict, version, plots)
        load(folder, digest)
    return {
        **verdict.told(),
        "against": beaten.version if beaten.ranker else "rules",
        "learned_from": len(parts.learn),
        "stopped_by": len(parts.stop),
        "name": "own-choices",
        "version": version,
        "path": str(folder),
        "card": str(folder / CARD),
        "manifest_sha256": digest,
        "activate_with": f"pilewise coordinator models activate {folder}",
    }


def ranker_of(folder: Path) -> bytes | None:
    """The ranker of a bundle that was loaded before, as bytes; None where it has none.

    The loaded one has a deadline for one pass of requests, and a test has many times as many.
    """
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    part = manifest.parts.get(ranker.PART)
    return None if part is None else (folder / part.file).read_bytes()


def active_folder(data_dir: Path) -> Path:
    """The bundle that serves in this data directory; the shipped one where none was activated."""
    bundles = KeptBundles(data_dir / "models")
    active = bundles.read().active
    return BUNDLED if active is None or active == SHIPPED else bundles.folder(active)


def _activate(folder: Path, target: str, key: Path | None) -> int:
    """Signs the bundle if there is a key, and has the coordinator serve it."""
    calls = [["activate", str(folder.resolve()), "--target", target]]
    if key is not None:
        calls.insert(0, ["sign", str(folder.resolve()), "--key", str(key)])
    for call in calls:
        command = [sys.executable, "-c", _PILEWISE, "coordinator", "models", *call]
        try:
            done = subprocess.run(command, capture_output=True, timeout=ACTIVATE_S, text=True)
            sys.stderr.write(done.stdout + done.stderr)
            why = f"ended with code {done.returncode}" if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
        if why:
            by_hand = f"pilewise coordinator models {' '.join(call)}"
            fail("TRAIN-011", f"the candidate passed but was not activated: {why}", by_hand)
            return NOT_ACTIVATED
    return DONE


@contextmanager
def _stages() -> Iterator[Any]:
    """A bar on stderr, and a way to say which stage begins."""
    console = Console(stderr=True, highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=3)
        begun = 0

        def stage(text: str) -> None:
            nonlocal begun
            progress.update(task, description=text, completed=begun)
            begun += 1
            if not console.is_terminal:
                console.print(text, markup=False)

        yield stage
        progress.update(task, completed=begun)


def _print(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(told, separators=(",", ":")))
        return
    low, high = told["ci"]["ndcg10"]
    print(f"gate: {told['gate']}")
    print(f"ndcg10 {told['ndcg10']} against {told['active']['ndcg10']}: {low:+.4f} to {high:+.4f}")
    print(f"bundle {told['version']} in {told['path']}, tested on {told['rows']} requests")
    if told["gate"] == "passed" and not told["activated"]:
        print(f"to activate: {told['activate_with']}")
