"""A folder of models that is loaded whole or not at all.

Every file is read once; what was hashed is what is loaded. A part must declare what its port asks
for, contain nothing but standard operators and its own weights, and reproduce its golden outputs.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import ModelUnavailable
from coordinator.errors import BundleRefused
from coordinator.models import failure, ranker
from coordinator.models.failure import OnnxFailureModel
from coordinator.models.manifest import FORMAT, Manifest, Part, Tensor
from coordinator.models.onnx import OnnxModel
from coordinator.models.onnx_file import NotOnnx, check
from coordinator.models.ranker import OnnxRanker
from coordinator.models.registry import PARTS

MANIFEST = "manifest.json"
GOLDEN_TOLERANCE = 1e-5
_MOST_BYTES = 16 * 1024 * 1024

_MAKE_ANEW = "make it anew with `pilewise train all --out FOLDER`, or use the bundled one"
_COPY_ANEW = "copy the bundle again; if you changed it on purpose, train it anew"


@dataclass(frozen=True, slots=True)
class PartInfo:
    """Which model serves: the name of its part, the bundle's version, the hash of its file."""

    name: str
    version: str
    sha256: str
    schema_sha256: str
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Checked, loaded models, each as its port; a part that the bundle does not have is None."""

    path: Path
    name: str
    version: str
    expires_at: datetime | None
    parts: tuple[PartInfo, ...]
    models: Mapping[str, Any]

    @property
    def ranker(self) -> OnnxRanker | None:
        """The sorting model."""
        return self.models.get(ranker.PART)

    @property
    def failure(self) -> OnnxFailureModel | None:
        """The failure model."""
        return self.models.get(failure.PART)

    def expired(self, now: datetime) -> bool:
        """Whether it should have been replaced by now; it still answers."""
        return self.expires_at is not None and now >= self.expires_at


def load(folder: Path, manifest_sha256: str | None = None) -> Bundle:
    """The models of a folder, each checked by its golden batch.

    `manifest_sha256` pins the manifest and with it every file. Raises `BundleRefused` naming the
    file, what is wrong with it, and what to do.
    """
    content = _read(folder / MANIFEST)
    if manifest_sha256 is not None and _sha256(content) != manifest_sha256:
        raise _refused(folder / MANIFEST, "it is not the one this version came with", _COPY_ANEW)
    manifest = _parse(folder / MANIFEST, content)
    files = {name: _read(folder / name) for name in manifest.files}
    for name, expected in manifest.files.items():
        if _sha256(files[name]) != expected:
            raise _refused(folder / name, f"its SHA-256 is not {expected[:12]}…", _COPY_ANEW)
    models = {
        name: PARTS[name].wrapper(_load_part(folder, name, part, files))
        for name, part in manifest.parts.items()
        if name in PARTS
    }
    return Bundle(
        path=folder,
        name=manifest.name,
        version=manifest.version,
        expires_at=_expiry(folder / MANIFEST, manifest.expires_at),
        parts=tuple(
            PartInfo(
                name,
                manifest.version,
                manifest.files[part.file],
                part.schema_sha256,
                dict(part.metrics),
            )
            for name, part in manifest.parts.items()
            if name in models
        ),
        models=models,
    )


def _parse(path: Path, content: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise _refused(path, str(error), _MAKE_ANEW) from error
    if manifest.format != FORMAT:
        raise _refused(path, f"format {manifest.format}, this version reads {FORMAT}", _MAKE_ANEW)
    for name, part in manifest.parts.items():
        for file in (part.file, part.golden):
            if file not in manifest.files:
                raise _refused(path, f"part {name} names {file}, which has no hash", _MAKE_ANEW)
    if not manifest.parts.keys() & PARTS.keys():
        known = ", ".join(sorted(PARTS))
        raise _refused(path, f"it has none of the parts {known}", _MAKE_ANEW)
    return manifest


def _load_part(folder: Path, name: str, part: Part, files: dict[str, bytes]) -> OnnxModel:
    path = folder / part.file
    asked = PARTS[name]
    if part.schema_sha256 != asked.schema_sha256:
        raise _refused(
            path,
            f"trained on columns {part.schema_sha256[:12]}…, "
            f"this version has {asked.schema_sha256[:12]}…",
            _MAKE_ANEW,
        )
    try:
        check(files[part.file])
        model = OnnxModel(name, files[part.file], part.metrics)
    except NotOnnx as error:
        raise _refused(path, str(error), _MAKE_ANEW) from error
    except Exception as error:
        raise _refused(path, f"not loaded: {str(error).splitlines()[0]}", _MAKE_ANEW) from error
    for want, declared, found in (
        (asked.inputs, part.inputs, model.inputs),
        (asked.outputs, part.outputs, model.outputs),
    ):
        if want != declared or want != found:
            seen = found if want != found else declared
            raise _refused(path, f"it has {_words(seen)}, asked is {_words(want)}", _MAKE_ANEW)
    _check_golden(folder / part.golden, model, part, files[part.golden])
    return model


def _check_golden(path: Path, model: OnnxModel, part: Part, content: bytes) -> None:
    """Runs the golden batch; all outputs must be finite and within the tolerance."""
    try:
        golden = msgspec.json.decode(content, type=dict[str, Any])
        feed = {tensor.name: _array(golden[tensor.name], tensor) for tensor in part.inputs}
        expected = [_array(golden[tensor.name], tensor) for tensor in part.outputs]
    except (msgspec.MsgspecError, KeyError, ValueError, TypeError) as error:
        raise _refused(path, f"not a golden batch: {error!r}", _MAKE_ANEW) from error
    if not expected or any(array.size == 0 for array in expected):
        raise _refused(path, "the golden batch is empty", _MAKE_ANEW)
    try:
        seen = model.run(feed)
    except ModelUnavailable as error:
        raise _refused(path, error.why, _MAKE_ANEW) from error
    if not all(np.isfinite(array).all() for array in seen):
        raise _refused(path, "it gave a value that is not finite", _MAKE_ANEW)
    if any(not _alike(a, b) for a, b in zip(seen, expected, strict=True)):
        raise _refused(path, "the model does not reproduce its golden batch", _MAKE_ANEW)


def _alike(seen: NDArray[Any], expected: NDArray[Any]) -> bool:
    return seen.shape == expected.shape and np.allclose(
        seen, expected, rtol=GOLDEN_TOLERANCE, atol=GOLDEN_TOLERANCE
    )


def _read(path: Path) -> bytes:
    """The bytes of a regular file of bearable size; links are not followed, nothing is waited for.

    What was looked at is what is read: both by the same descriptor.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _refused(path, "not a regular file", _COPY_ANEW)
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        why = "not a regular file" if error.errno == errno.ELOOP else error.strerror or str(error)
        raise _refused(path, why, _COPY_ANEW) from error
    if len(content) > _MOST_BYTES:
        raise _refused(path, f"larger than {_MOST_BYTES // 2**20} MiB", _MAKE_ANEW)
    return content


def _expiry(path: Path, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise _refused(path, f"expires_at {text!r} is not an instant", _MAKE_ANEW) from error


def _array(values: Any, tensor: Tensor) -> NDArray[Any]:
    return np.asarray(values, dtype=tensor.dtype)


def _words(tensors: list[Tensor]) -> str:
    return ", ".join(f"{t.name} {t.dtype}{t.shape}" for t in tensors) or "nothing"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _refused(path: Path, why: str, hint: str) -> BundleRefused:
    return BundleRefused(str(path), why, hint)
