"""ONNX files and bundles made by hand: models that behave as a test needs."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from coordinator.core.recommend.features import FEATURES
from coordinator.models import ranker
from coordinator.models.manifest import Tensor
from coordinator.models.serving import BUNDLED

_TYPES = {"float32": 1, "int64": 7, "bool": 9}


def varint(number: int) -> bytes:
    """A base-128 number."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | bytes | str) -> bytes:
    """A field of a message: a varint, or something with a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, values: Any) -> bytes:
    """A TensorProto with its values inside."""
    array = np.asarray(values)
    dims = b"".join(field(1, size) for size in array.shape)
    kind = field(2, _TYPES[array.dtype.name])
    return dims + kind + field(8, name) + field(9, array.tobytes())


def node(
    op: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **attributes: Any
) -> bytes:
    """A NodeProto; attributes may be an int, a float, a list of ints, or a graph (bytes)."""
    parts = [field(1, name) for name in inputs] + [field(2, name) for name in outputs]
    parts.append(field(4, op))
    parts += [field(5, _attribute(name, value)) for name, value in attributes.items()]
    return b"".join(parts) + (field(7, domain) if domain else b"")


def _attribute(name: str, value: Any) -> bytes:
    start = field(1, name)
    if isinstance(value, bytes):
        return start + field(6, value) + field(20, 5)
    if isinstance(value, float):
        return start + varint(2 << 3 | 5) + struct.pack("<f", value) + field(20, 1)
    if isinstance(value, list):
        return start + b"".join(field(8, one) for one in value) + field(20, 7)
    return start + field(3, value) + field(20, 2)


def graph(
    nodes: Iterable[bytes],
    inputs: Iterable[Tensor],
    outputs: Iterable[Tensor],
    initializers: Iterable[bytes] = (),
) -> bytes:
    """A GraphProto."""
    return b"".join(
        [
            *(field(1, one) for one in nodes),
            field(2, "g"),
            *(field(5, one) for one in initializers),
            *(field(11, _value_info(one)) for one in inputs),
            *(field(12, _value_info(one)) for one in outputs),
        ]
    )


def _value_info(tensor: Tensor) -> bytes:
    dims = (field(1, axis) if isinstance(axis, int) else field(2, axis) for axis in tensor.shape)
    shape = b"".join(field(1, dim) for dim in dims)
    kind = field(1, _TYPES[tensor.dtype]) + field(2, shape)
    return field(1, tensor.name) + field(2, field(1, kind))


def model(content: bytes, extra_domain: str = "") -> bytes:
    """A ModelProto of opset 18 around a graph."""
    custom = field(8, field(1, extra_domain) + field(2, 1)) if extra_domain else b""
    return field(1, 9) + field(7, content) + field(8, field(2, 18)) + custom


# Nodes that give `top`, the largest feature, and `mean`, each candidate's mean feature.
ABOUT = (
    node("ReduceMax", ["features"], ["top"], keepdims=0),
    node("ReduceMean", ["features", "last"], ["mean"], keepdims=0),
)
LAST = tensor("last", np.array([2], np.int64))


def ranker_file(nodes: Iterable[bytes], initializers: Iterable[bytes] = ()) -> bytes:
    """A ranker of these nodes, which may use `top` and `mean` and must give `scores`."""
    made = graph([*ABOUT, *nodes], ranker.INPUTS, ranker.OUTPUTS, [LAST, *initializers])
    return model(made)


# Rankers that are quick and good as long as no feature is above 9: as in a golden batch.
HEALTHY = ranker_file([node("Identity", ["mean"], ["scores"])])


def _loop(trip: bytes) -> list[bytes]:
    """Nodes that multiply matrices so many times before they give the mean."""
    square = [64, 64]
    body = graph(
        [
            node("MatMul", ["acc_in", "eye"], ["acc_out"]),
            node("Identity", ["go_in"], ["go_out"]),
        ],
        [
            Tensor("i", "int64", []),
            Tensor("go_in", "bool", []),
            Tensor("acc_in", "float32", square),
        ],
        [Tensor("go_out", "bool", []), Tensor("acc_out", "float32", square)],
    )
    return [
        trip,
        node("Loop", ["trips", "", "eye"], ["acc"], body=body),
        node("ReduceMin", ["acc"], ["nothing"], keepdims=0),  # of the identity: 0
        node("Add", ["mean", "nothing"], ["scores"]),
    ]


_EYE = tensor("eye", np.eye(64, dtype=np.float32))
_OVER = (
    node("Sub", ["top", "nine"], ["over"]),
    node("Relu", ["over"], ["excess"]),
)
_NINE = tensor("nine", np.float32(9.0))
_MANY = tensor("many", np.float32(1e8))

# Minutes of work for any request.
ALWAYS_SLOW = ranker_file(
    _loop(node("Identity", ["trip_count"], ["trips"])),
    [_EYE, tensor("trip_count", np.int64(100_000_000))],
)
SLOW_LATER = ranker_file(
    [
        *_OVER,
        node("Mul", ["excess", "many"], ["work"]),
        *_loop(node("Cast", ["work"], ["trips"], to=7)),
    ],
    [_EYE, _NINE, _MANY],
)
NAN_LATER = ranker_file(
    [
        node("Sub", ["nine", "top"], ["under"]),
        node("Log", ["under"], ["log"]),
        node("Mul", ["log", "zero"], ["nothing"]),
        node("Add", ["mean", "nothing"], ["scores"]),
    ],
    [_NINE, tensor("zero", np.float32(0.0))],
)
# The larger the excess, the less is left of the differences: 0 already for a small one.
CONSTANT_LATER = ranker_file(
    [
        *_OVER,
        node("Sign", ["excess"], ["is_over"]),
        node("Sub", ["one", "is_over"], ["left"]),
        node("Mul", ["mean", "left"], ["scores"]),
    ],
    [_NINE, tensor("one", np.float32(1.0))],
)
CONSTANT = ranker_file(
    [node("Mul", ["mean", "zero"], ["scores"])], [tensor("zero", np.float32(0.0))]
)
# 2^34 floats: 64 GiB.
BOMB = ranker_file(
    [
        node("ConstantOfShape", ["shape"], ["much"]),
        node("ReduceMax", ["much"], ["nothing"], keepdims=0),
        node("Add", ["mean", "nothing"], ["scores"]),
    ],
    [tensor("shape", np.array([2**34], np.int64))],
)
BOMB_LATER = ranker_file(
    [
        *_OVER,
        node("Mul", ["excess", "many"], ["amount"]),
        node("Cast", ["amount"], ["count"], to=7),
        node("Max", ["count", "few"], ["shape"]),
        node("ConstantOfShape", ["shape"], ["much"]),
        node("ReduceMax", ["much"], ["nothing"], keepdims=0),
        node("Add", ["mean", "nothing"], ["scores"]),
    ],
    [_NINE, _MANY, tensor("few", np.array([1], np.int64))],
)


def golden_of(content: bytes | None) -> bytes:
    """Two requests with three candidates, no feature above 1, and what the model makes of them."""
    rng = np.random.default_rng(5)
    features = rng.random((2, 3, len(FEATURES)), dtype=np.float32)
    mask = np.ones((2, 3), np.float32)
    feed = {"features": features, "mask": mask}
    if content is None:
        scores = features.mean(axis=2)
    else:
        scores = onnxruntime.InferenceSession(content).run(None, feed)[0]
    plain = {"features": features, "mask": mask, "scores": scores}
    return json.dumps({name: array.tolist() for name, array in plain.items()}).encode()


def write_bundle(
    folder: Path, content: bytes, version: str = "2.0.0", *, run: bool = False, **manifest: Any
) -> Path:
    """The shipped bundle with another ranker. `run`: the golden scores are what it gives itself."""
    shutil.copytree(BUNDLED, folder)
    golden = golden_of(content if run else None)
    written = json.loads((folder / "manifest.json").read_text())
    for name, bytes_ in (("ranker.onnx", content), ("ranker.golden.json", golden)):
        (folder / name).write_bytes(bytes_)
        written["files"][name] = hashlib.sha256(bytes_).hexdigest()
    written |= {"version": version, **manifest}
    (folder / "manifest.json").write_text(json.dumps(written))
    return folder
