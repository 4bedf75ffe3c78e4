"""From a torch module to an ONNX file and from files to a bundle.

Normalisation is inside the graph, batch and candidates are open axes, weights are inside the file.
The same weights give the same bytes: nothing of the machine that exported them is kept.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from coordinator.models.manifest import FORMAT, Manifest, Part, Tensor

OPSET = 18
PARITY = 1e-5
# Golden values carry nine digits: float32 survives the way through text unchanged.
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Exported:
    """A part ready to be written; not `worth` serving where something simpler is better."""

    name: str
    content: bytes
    inputs: list[Tensor]
    outputs: list[Tensor]
    golden: dict[str, Any]
    schema_sha256: str
    training_data_sha256: str
    metrics: dict[str, float]
    plots: dict[str, str] = field(default_factory=dict)  # SVG by file name, for the card
    worth: bool = True


class ParityBroken(RuntimeError):
    """The exported model does not compute what the trained one does."""

    def __init__(self, name: str, difference: float) -> None:
        super().__init__(f"{name}: ONNX and torch differ by {difference:.2e}, allowed is {PARITY}")
        self.name, self.difference = name, difference

    def __reduce__(self) -> tuple[type[ParityBroken], tuple[str, float]]:
        """So that it comes out of another process whole."""
        return ParityBroken, (self.name, self.difference)


def to_onnx(
    module: torch.nn.Module,
    feed: Mapping[str, torch.Tensor],
    output: str,
    axes: Sequence[Sequence[str]],
) -> bytes:
    """The module as ONNX bytes; `axes` names the open axes of each input, in order.

    The example in `feed` has two rows: a batch of one would be frozen into the graph.
    """
    dims = {name: torch.export.Dim(name) for names in axes for name in names}
    shapes = tuple({axis: dims[name] for axis, name in enumerate(names)} for names in axes)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            tuple(feed.values()),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=list(feed),
            output_names=[output],
            dynamic_shapes=shapes,
            verbose=False,
        )
    return _stripped(program.model_proto)


def _stripped(model: onnx.ModelProto) -> bytes:
    """The model without names of files and stack traces, as deterministic bytes."""
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.doc_string = ""
    graph.name = "pilewise"
    del graph.metadata_props[:]
    for item in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def run_onnx(content: bytes, feed: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """The first output of a model for these inputs."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    output: NDArray[np.float32] = session.run(None, dict(feed))[0]
    return output


def check_parity(
    name: str, module: torch.nn.Module, content: bytes, feed: Mapping[str, torch.Tensor]
) -> float:
    """The greatest relative difference of both on this input; raises `ParityBroken` above 1e-5."""
    with torch.no_grad():
        expected = module(*feed.values()).numpy()
    seen = run_onnx(content, {key: value.numpy() for key, value in feed.items()})
    difference = float(np.max(np.abs(seen - expected) / np.maximum(np.abs(expected), 1.0)))
    if not difference <= PARITY:
        raise ParityBroken(name, difference)
    return difference


def golden(content: bytes, feed: Mapping[str, torch.Tensor], output: str) -> dict[str, Any]:
    """Inputs and what the ONNX model makes of them, as plain lists."""
    arrays = {name: value.numpy() for name, value in feed.items()}
    arrays[output] = run_onnx(content, arrays)
    return {name: _plain(array) for name, array in arrays.items()}


class NotKept(ValueError):
    """The parts of a folder that were to be kept are not what its manifest says."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.hint = "train all parts into this folder, or name another one with --out"


def keep(folder: Path, anew: Sequence[str]) -> Manifest | None:
    """What a folder's manifest says of the parts that are not made anew; None without one.

    Raises `NotKept` when a file that stays is not the one that the manifest names.
    """
    path = folder / "manifest.json"
    if not path.exists():
        return None
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.MsgspecError as error:
        raise NotKept(path, str(error)) from error
    parts = {name: part for name, part in manifest.parts.items() if name not in anew}
    for part in parts.values():
        for name in (part.file, part.golden):
            file = folder / name
            if not file.is_file() or _sha256(file.read_bytes()) != manifest.files.get(name):
                raise NotKept(file, "not the file that the manifest names")
    files = {name: manifest.files[name] for p in parts.values() for name in (p.file, p.golden)}
    return msgspec.structs.replace(manifest, parts=parts, files=files)


def write_bundle(
    folder: Path,
    name: str,
    version: str,
    parts: Sequence[Exported],
    expires_at: str = "",
    kept: Manifest | None = None,
) -> str:
    """Writes files and manifest, the manifest last; returns the manifest's SHA-256.

    Parts of `kept` are named in the manifest as they were, and their files left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = dict(kept.files) if kept else {}
    for part in parts:
        for file, content in (
            (f"{part.name}.onnx", part.content),
            (f"{part.name}.golden.json", msgspec.json.encode(part.golden)),
        ):
            (folder / file).write_bytes(content)
            files[file] = _sha256(content)
    named = {**(kept.parts if kept else {}), **{part.name: _part(part) for part in parts}}
    manifest = Manifest(
        format=FORMAT,
        name=name,
        version=version,
        # In one order, so that the same parts give the same bytes whichever was made last.
        files=dict(sorted(files.items())),
        parts=dict(sorted(named.items())),
        expires_at=expires_at,
    )
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    (folder / "manifest.json").write_bytes(content)
    return _sha256(content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _part(part: Exported) -> Part:
    return Part(
        file=f"{part.name}.onnx",
        golden=f"{part.name}.golden.json",
        inputs=part.inputs,
        outputs=part.outputs,
        schema_sha256=part.schema_sha256,
        training_data_sha256=part.training_data_sha256,
        metrics={name: round(value, 6) for name, value in part.metrics.items()},
    )


def _plain(array: NDArray[np.float32]) -> Any:
    if array.ndim == 0:
        return float(f"{float(array):.{_DIGITS}g}")
    return [_plain(row) for row in array]
