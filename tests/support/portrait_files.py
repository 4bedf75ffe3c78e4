"""Portrait encoders as ONNX files made by hand, and bundles that have one."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
from model_files import graph, model, node, tensor

from coordinator.core.recommend.portrait import COLUMNS, STATISTICS
from coordinator.models import portrait
from coordinator.models.serving import BUNDLED

WORDS = slice(len(STATISTICS), len(COLUMNS))


def encoder_file(words: float, statistics: float = 0.0) -> bytes:
    """An encoder that weighs models and habits so, and statistics so."""
    weights = np.zeros((len(COLUMNS), portrait.WIDTH), np.float32)
    for row in range(len(COLUMNS)):
        weights[row, row] = statistics if row < len(STATISTICS) else words
    return _file([node("MatMul", ["rows", "weights"], ["vectors"])], weights)


def contrary_file() -> bytes:
    """An encoder that puts who has no history opposite to those of the same words."""
    seen = np.zeros((len(COLUMNS), 1), np.float32)
    seen[0, 0] = 2.0
    weights = np.zeros((len(COLUMNS), portrait.WIDTH), np.float32)
    for row in range(WORDS.start, WORDS.stop):
        weights[row, row] = 1.0
    nodes = [
        node("MatMul", ["rows", "seen"], ["twice"]),
        node("Sub", ["twice", "one"], ["side"]),
        node("MatMul", ["rows", "weights"], ["words"]),
        node("Mul", ["words", "side"], ["vectors"]),
    ]
    return _file(nodes, weights, tensor("seen", seen), tensor("one", np.float32(1.0)))


def not_finite_file() -> bytes:
    """An encoder whose vectors are NaN for who has a history, fine for golden rows of 0."""
    weights = -np.ones((len(COLUMNS), portrait.WIDTH), np.float32)
    nodes = [node("MatMul", ["rows", "weights"], ["below"]), node("Sqrt", ["below"], ["vectors"])]
    return _file(nodes, weights)


def _file(nodes: list[bytes], weights: np.ndarray, *more: bytes) -> bytes:
    made = graph(nodes, portrait.INPUTS, portrait.OUTPUTS, [tensor("weights", weights), *more])
    return model(made)


def write_portrait_bundle(folder: Path, content: bytes, **part: object) -> Path:
    """The shipped bundle with this encoder as its part `portrait`."""
    shutil.copytree(BUNDLED, folder)
    rows = np.zeros((2, len(COLUMNS)), np.float32)
    vectors = onnxruntime.InferenceSession(content).run(None, {"rows": rows})[0]
    golden = json.dumps({"rows": rows.tolist(), "vectors": vectors.tolist()}).encode()
    written = json.loads((folder / "manifest.json").read_text())
    for name, bytes_ in (("portrait.onnx", content), ("portrait.golden.json", golden)):
        (folder / name).write_bytes(bytes_)
        written["files"][name] = hashlib.sha256(bytes_).hexdigest()
    written["parts"]["portrait"] = {
        "file": "portrait.onnx",
        "golden": "portrait.golden.json",
        "inputs": [{"name": "rows", "dtype": "float32", "shape": ["batch", len(COLUMNS)]}],
        "outputs": [{"name": "vectors", "dtype": "float32", "shape": ["batch", portrait.WIDTH]}],
        "schema_sha256": portrait.SCHEMA_SHA256,
        "training_data_sha256": "0" * 64,
        **part,
    }
    (folder / "manifest.json").write_text(json.dumps(written))
    return folder
