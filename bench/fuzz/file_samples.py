"""Good files of every kind that the rooms read: those in `samples/`, and those that they ship.

A kind is a room, what it is read as, and how its files are named: `coordinator/stations.csv`. How
they are spoiled is in `file_door.py`.
"""

from __future__ import annotations

import gzip
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUNDLE = ROOT / "coordinator" / "models" / "bundled"
TRIAL = "coordinator/trial.onnx"
GOLDEN = "coordinator/golden.json"
MODEL = "coordinator/model.onnx"
PROFILE = "edge_agent/profile.toml"


def samples() -> dict[str, tuple[bytes, ...]]:
    """Contents of good files by their kind, in an order that does not change.

    >>> sorted(samples())[:3]
    ['coordinator/config.toml', 'coordinator/context.csv', 'coordinator/context.json']
    """
    found: dict[str, list[bytes]] = {}
    for path in sorted((HERE / "samples").glob("*/*")):
        kind = f"{path.parent.name}/{path.stem.partition('-')[0]}{path.suffix}"
        found.setdefault(kind, []).append(path.read_bytes())
    for kind, folder, pattern in (
        (PROFILE, ROOT / "edge_agent" / "profiles", "*.toml"),
        ("firmware_sim/scenario.toml", ROOT / "firmware_sim" / "scenarios", "*.toml"),
        ("coordinator/manifest.json", BUNDLE, "manifest.json"),
        (MODEL, BUNDLE, "*.onnx"),
        (GOLDEN, BUNDLE, "*.golden.json"),
    ):
        found[kind] = [path.read_bytes() for path in sorted(folder.glob(pattern))]
    found["firmware_sim/tape.gz"] = [
        gzip.compress(tape, mtime=0) for tape in found["firmware_sim/tape.jsonl"]
    ]
    return {kind: tuple(found[kind]) for kind in sorted(found)}
