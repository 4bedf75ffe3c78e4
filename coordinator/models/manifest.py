"""What a bundle says of itself: `manifest.json`, checked against this shape and nothing else.

bundle/
  manifest.json     this
  ranker.onnx       one file a part
  ranker.golden.json  inputs and outputs that the part must reproduce
"""

from __future__ import annotations

from typing import Annotated

import msgspec

FORMAT = 1

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
# A plain name: nothing that could lead out of the folder.
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output: its name, dtype, and shape, where a word stands for any size."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    dtype: Annotated[str, msgspec.Meta(pattern=r"^(float32|bool|int64)$")]
    shape: list[int | str]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model of the bundle."""

    file: FileName
    golden: FileName
    inputs: list[Tensor]
    outputs: list[Tensor]
    schema_sha256: Sha256
    training_data_sha256: Sha256
    metrics: dict[str, float] = {}


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole bundle. `files` holds the hash of every file but this one.

    `expires_at` is an RFC 3339 instant in UTC, or empty: never.
    """

    format: int
    name: Name
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    files: dict[FileName, Sha256]
    parts: dict[Name, Part]
    expires_at: str = ""
