"""A folder of models that is loaded whole or not at all.

Every file is read once; what was hashed is what is loaded. A part must declare what its port asks
for, contain nothing but standard operators and its own weights, and reproduce its golden outputs,
quickly. Who vouches for a bundle is in `signature.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import ModelUnavailable
from coordinator.models import failure, ranker
from coordinator.models.bundle_files import (
    MANIFEST,
    SIGNATURE,
    read_file,
    refused,
    sha256,
    untrusted,
)
from coordinator.models.failure import OnnxFailureModel
from coordinator.models.manifest import FORMAT, Manifest, Part, Tensor
from coordinator.models.onnx import OnnxModel
from coordinator.models.onnx_file import NotOnnx, NotSafe, check
from coordinator.models.ranker import OnnxRanker
from coordinator.models.registry import PARTS
from coordinator.models.signature import Trust, check_signature

GOLDEN_TOLERANCE = 1e-5
# A golden batch is a few rows: who needs longer for it is too slow to answer cars.
GOLDEN_BUDGET_S = 0.05
# While a model is loaded the whole process may stand still; processor time.
LOAD_BUDGET_S = 0.5
_TRIES = 3
_SMALLER = "make the model smaller"


@dataclass(frozen=True, slots=True)
class PartInfo:
    """Which model serves: the name of its part, the bundle's version, the hash of its file."""

    name: str
    version: str
    sha256: str
    schema_sha256: str
    metrics: dict[str, float]
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """Checked, loaded models, each as its port; a part that the bundle does not have is None."""

    path: Path
    name: str
    version: str
    expires_at: datetime | None
    manifest_sha256: str
    signed_by: str  # the file of the trusted key; empty if nobody was asked
    parts: tuple[PartInfo, ...]
    models: Mapping[str, Any]
    sessions: Mapping[str, OnnxModel]  # what runs under each port

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


def load(folder: Path, manifest_sha256: str | None = None, trust: Trust | None = None) -> Bundle:
    """The models of a folder, each checked by its golden batch.

    `manifest_sha256` pins the manifest and with it every file. `trust` says whose signature is
    asked for; None asks for none. Raises `BundleRefused` naming the file, what is wrong with it,
    and what to do.
    """
    pinned = manifest_sha256 is not None
    path = folder / MANIFEST
    content = read_file(path, alone=not pinned)
    if pinned and sha256(content) != manifest_sha256:
        raise untrusted(path, "it is not the one that is expected")
    signed_by = _signer(folder, content, trust) if trust else ""
    manifest = _parse(path, content)
    files = {name: read_file(folder / name, alone=not pinned) for name in manifest.files}
    for name, expected in manifest.files.items():
        if sha256(files[name]) != expected:
            raise untrusted(folder / name, f"its SHA-256 is not {expected[:12]}…")
    sessions = {
        name: _load_part(folder, name, part, files)
        for name, part in manifest.parts.items()
        if name in PARTS
    }
    expires_at = _expiry(path, manifest.expires_at)
    return Bundle(
        path=folder,
        name=manifest.name,
        version=manifest.version,
        expires_at=expires_at,
        manifest_sha256=sha256(content),
        signed_by=signed_by,
        parts=tuple(_info(name, manifest, expires_at) for name in sessions),
        models={name: _port(path, name, session) for name, session in sessions.items()},
        sessions=sessions,
    )


def _port(path: Path, name: str, session: OnnxModel) -> Any:
    """The model as its port, which may find more wrong with it."""
    try:
        return PARTS[name].wrapper(session)
    except ModelUnavailable as error:
        raise refused(path, str(error)) from error


def _signer(folder: Path, manifest: bytes, trust: Trust) -> str:
    """The trusted key that signed this manifest; raises `BundleRefused`."""
    path = folder / SIGNATURE
    signature = read_file(path, alone=True) if os.path.lexists(path) else None
    return check_signature(folder, manifest, signature, trust)


def _info(name: str, manifest: Manifest, expires_at: datetime | None) -> PartInfo:
    part = manifest.parts[name]
    return PartInfo(
        name,
        manifest.version,
        manifest.files[part.file],
        part.schema_sha256,
        dict(part.metrics),
        expires_at,
    )


def _parse(path: Path, content: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise refused(path, str(error)) from error
    if manifest.format != FORMAT:
        raise refused(path, f"format {manifest.format}, this version reads {FORMAT}")
    for name, part in manifest.parts.items():
        for file in (part.file, part.golden):
            if file not in manifest.files:
                raise refused(path, f"part {name} names {file}, which has no hash")
    if not manifest.parts.keys() & PARTS.keys():
        known = ", ".join(sorted(PARTS))
        raise refused(path, f"it has none of the parts {known}")
    return manifest


def _load_part(folder: Path, name: str, part: Part, files: dict[str, bytes]) -> OnnxModel:
    path = folder / part.file
    asked = PARTS[name]
    if part.schema_sha256 != asked.schema_sha256:
        raise refused(
            path,
            f"trained on columns {part.schema_sha256[:12]}…, "
            f"this version has {asked.schema_sha256[:12]}…",
        )
    started_s = thread_time()
    try:
        check(files[part.file])
        model = OnnxModel(name, files[part.file], part.metrics, asked.budget_s)
    except NotSafe as error:
        raise untrusted(path, str(error)) from error
    except NotOnnx as error:
        raise refused(path, str(error)) from error
    except Exception as error:
        raise refused(path, f"not loaded: {str(error).splitlines()[0]}") from error
    if (took_s := thread_time() - started_s) > LOAD_BUDGET_S:
        why = f"it took {took_s:.2f} s to load, at most {LOAD_BUDGET_S:g} s are allowed"
        raise refused(path, why, _SMALLER)
    for want, declared, found in (
        (asked.inputs, part.inputs, model.inputs),
        (asked.outputs, part.outputs, model.outputs),
    ):
        if want != declared or want != found:
            seen = found if want != found else declared
            raise refused(path, f"it has {_words(seen)}, asked is {_words(want)}")
    _check_golden(folder / part.golden, model, part, files[part.golden])
    return model


def _check_golden(path: Path, model: OnnxModel, part: Part, content: bytes) -> None:
    """Runs the golden batch; all outputs must be finite and within the tolerance."""
    try:
        golden = msgspec.json.decode(content, type=dict[str, Any])
        feed = {tensor.name: _array(golden[tensor.name], tensor) for tensor in part.inputs}
        expected = [_array(golden[tensor.name], tensor) for tensor in part.outputs]
    except (msgspec.MsgspecError, LookupError, ValueError, TypeError, ArithmeticError,
            RecursionError) as error:  # fmt: skip
        raise refused(path, f"not a golden batch: {error!r}") from error
    if not expected or any(array.size == 0 for array in expected):
        raise refused(path, "the golden batch is empty")
    seen = _quick_run(path, model, feed)
    if not all(np.isfinite(array).all() for array in seen):
        raise refused(path, "it gave a value that is not finite")
    if any(not _alike(a, b) for a, b in zip(seen, expected, strict=True)):
        raise refused(path, "the model does not reproduce its golden batch")
    if any(array.size > 1 and np.ptp(array) == 0 for array in seen) and _varied(feed):
        raise refused(path, "the model gives one value whatever it is asked")


def _quick_run(path: Path, model: OnnxModel, feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The outputs, if one of a few runs keeps the budget: others use this processor too."""
    fastest_s = float("inf")
    for _ in range(_TRIES):
        started_s = perf_counter()
        try:
            seen = model.run(feed)
        except ModelUnavailable as error:
            raise refused(path, f"the golden batch was not run: {error.why}") from error
        fastest_s = min(fastest_s, perf_counter() - started_s)
        if fastest_s <= GOLDEN_BUDGET_S:
            return seen
    why = f"the golden batch took {fastest_s:.2f} s, at most {GOLDEN_BUDGET_S:g} s are allowed"
    raise refused(path, why, _SMALLER)


def _varied(feed: Mapping[str, NDArray[Any]]) -> bool:
    """Whether the rows of some input differ."""
    return any(len(array) > 1 and (array != array[:1]).any() for array in feed.values())


def _alike(seen: NDArray[Any], expected: NDArray[Any]) -> bool:
    return seen.shape == expected.shape and np.allclose(
        seen, expected, rtol=GOLDEN_TOLERANCE, atol=GOLDEN_TOLERANCE
    )


def _expiry(path: Path, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise refused(path, f"expires_at {text!r} is not an instant") from error


def _array(values: Any, tensor: Tensor) -> NDArray[Any]:
    return np.asarray(values, dtype=tensor.dtype)


def _words(tensors: list[Tensor]) -> str:
    return ", ".join(f"{t.name} {t.dtype}{t.shape}" for t in tensors) or "nothing"
