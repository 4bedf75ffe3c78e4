"""Tokens of the recommend bench: a provider's key, its published file, and a token for each car.

How they are checked is in `coordinator/bearers.py`.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm

AUDIENCE, KID = "bench", "bench-1"
LIFE_S = 900

Metadata = tuple[tuple[str, str], ...]


def identity_section(folder: Path) -> str:
    """The section of the configuration; the key and its public file are written to the folder."""
    key = ed25519.Ed25519PrivateKey.generate()
    entry = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": KID}
    (folder / "jwks.json").write_text(json.dumps({"keys": [entry]}))
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "provider.pem").write_bytes(pem)
    return (
        f'[identity]\njwks_file = "{folder / "jwks.json"}"\naudience = "{AUDIENCE}"\n'
        'anonymous = ["operator.write", "agent"]\n'
    )


def tokens(key_file: Path, cars: Iterable[int]) -> list[Metadata]:
    """The metadata with which each car calls."""
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    now_s = int(time.time())
    claims = {"aud": AUDIENCE, "iat": now_s, "exp": now_s + LIFE_S, "scope": "car"}
    return [(("authorization", f"Bearer {_token(key, claims | _of(number))}"),) for number in cars]


def _of(number: int) -> dict[str, object]:
    """Whose token it is: the names are those of the requests in `recommend_city.py`."""
    return {"sub": f"car {number}", "vid": f"car-{number}", "uid": f"user-{number}"}


def _token(key: object, claims: dict[str, object]) -> str:
    claims = claims | {"jti": uuid.uuid4().hex}
    return jwt.encode(claims, key, "EdDSA", headers={"kid": KID})  # type: ignore[arg-type]
