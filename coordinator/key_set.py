"""The public keys of an identity provider, from its JWKS file: one algorithm a key, by `kid`.

What a token signed by one of them says is in `bearers.py`.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST = 256 * 1024  # bytes of the file
# Kind and curve of a key to the only algorithm that it checks.
ALGORITHMS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256"}


class KeySetWrong(Exception):
    """The file cannot be used; the message says where and why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, as the library wants it, and its algorithm."""

    algorithm: str
    public: Any


def read_keys(path: Path, kids: Collection[str] = ()) -> Mapping[str, Key]:
    """The keys by `kid`, only those of `kids` if any are named; raises `KeySetWrong`."""
    keys: dict[str, Key] = {}
    for number, entry in enumerate(_entries(path)):
        where = f"{path}: key {number + 1}"
        if not isinstance(entry, dict):
            raise KeySetWrong(f"{where} is not an object", "export the file as a JWKS")
        kid = entry.get("kid")
        if not isinstance(kid, str) or not kid:
            raise KeySetWrong(f"{where} has no kid", "give each key a name of its own")
        if kid in keys:
            raise KeySetWrong(f"{where} has the kid {kid!r} of another", "one key a name")
        if kids and kid not in kids:
            continue
        keys[kid] = _key(entry, f"{path}: key {kid!r}")
    if missing := sorted(set(kids) - keys.keys()):
        raise KeySetWrong(f"{path} has no key {missing[0]!r}", "look into identity.kids")
    if not keys:
        raise KeySetWrong(f"{path} has no key", "add the provider's public key")
    return keys


def _entries(path: Path) -> list[Any]:
    try:
        mode, size = path.stat().st_mode, path.stat().st_size
        if size > LARGEST:
            raise KeySetWrong(f"{path} has more than {LARGEST} bytes", "name a JWKS file")
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise KeySetWrong(f"{path} cannot be read: {error}", "name a JWKS file") from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise KeySetWrong(f"{path} can be written by others", f"chmod go-w {path}")
    entries = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise KeySetWrong(f"{path} has no list of keys", 'e.g. {"keys": [...]}')
    return entries


def _key(entry: Mapping[str, Any], where: str) -> Key:
    # Imported late, because only identities need it.
    from jwt import PyJWTError
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm

    kind = str(entry.get("kty")), str(entry.get("crv"))
    algorithm = ALGORITHMS.get(kind)
    if algorithm is None:
        hint = "Ed25519 (EdDSA) and P-256 (ES256) are taken"
        raise KeySetWrong(f"{where} is of kind {kind[0]} {kind[1]}", hint)
    if entry.get("alg", algorithm) != algorithm or entry.get("use", "sig") != "sig":
        raise KeySetWrong(f"{where} is not for signatures by {algorithm}", "correct alg and use")
    if "d" in entry:
        raise KeySetWrong(f"{where} holds the private part", "publish the public part only")
    reader = OKPAlgorithm if algorithm == "EdDSA" else ECAlgorithm
    try:
        return Key(algorithm, reader.from_jwk(dict(entry)))
    except (PyJWTError, ValueError, TypeError) as error:
        raise KeySetWrong(f"{where} is no key: {error}", "export it anew") from error
