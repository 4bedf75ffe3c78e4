"""What led to an answer, packed for the store: features and cost terms of the best candidates.

Read back by Explain and by training; the columns are named by their hash.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from coordinator.core.areas.cost import TERMS
from coordinator.core.district import District
from coordinator.core.recommend.candidates import PROVENANCE
from coordinator.core.recommend.features import FEATURES, schema_sha256
from coordinator.usecases.figures import Lines
from coordinator.usecases.telling import Said

SCHEMA_SHA256 = schema_sha256()


class _Packed(msgspec.Struct, array_like=True, gc=False):
    schema: str
    evse_ids: list[str]
    provenance: list[int]
    features: bytes  # float32, (n, len(FEATURES))
    terms_s: bytes  # float32, (n, len(TERMS))
    said: Said | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Candidates of an answer, in its order."""

    schema_sha256: str
    evse_ids: list[str]
    provenance: list[str]
    features: NDArray[np.float32]
    terms_s: NDArray[np.float32]
    said: Said | None = None


def pack(district: District, lines: Lines, said: Said | None = None) -> bytes:
    """The inputs of the best few candidates, and of the sentences, as bytes."""
    rows, provenance, features, terms_s = lines.stored()
    ids = [district.evse_ids[row] for row in rows]
    return _encoder.encode(_Packed(SCHEMA_SHA256, ids, provenance, features, terms_s, said))


def unpack(packed: bytes) -> Inputs | None:
    """The inputs again; None if none were stored or their columns are of another version."""
    if not packed:
        return None
    stored = _decoder.decode(packed)
    count = len(stored.evse_ids)
    if stored.schema != SCHEMA_SHA256:
        return None
    return Inputs(
        stored.schema,
        stored.evse_ids,
        [PROVENANCE.get(bits, "") for bits in stored.provenance],
        np.frombuffer(stored.features, dtype=np.float32).reshape(count, len(FEATURES)),
        np.frombuffer(stored.terms_s, dtype=np.float32).reshape(count, len(TERMS)),
        stored.said,
    )
