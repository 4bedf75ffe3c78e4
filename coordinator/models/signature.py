"""Who vouches for a bundle: an Ed25519 signature of `manifest.json`, which has every file's hash.

`manifest.sig` holds the 64 bytes that `openssl pkeyutl -sign -rawin` makes, nothing else. The
library is loaded only when there is something to sign or to check.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coordinator.errors import BundleRefused
from coordinator.models.bundle_files import SIGNATURE, untrusted
from coordinator.models.refusals import BundleUntrusted, KeyUnusable

SIGNATURE_BYTES = 64
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SIGN = "sign it with `pilewise coordinator models sign FOLDER --key KEY.pem`"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose bundles are loaded: PEM files of public keys; unsigned ones only if that is said."""

    keys: tuple[str, ...] = ()
    allow_unsigned: bool = False


def check_signature(folder: Path, manifest: bytes, signature: bytes | None, trust: Trust) -> str:
    """The file of the key that signed; empty for an unsigned bundle that is allowed.

    Raises `BundleUntrusted` for one that nobody trusted vouches for. A wrong signature is refused
    even where unsigned bundles are allowed.
    """
    path = folder / SIGNATURE
    if signature is None:
        if trust.allow_unsigned:
            return ""
        raise BundleUntrusted(
            str(path), "the bundle is not signed", f"{_SIGN}, or set models.allow_unsigned = true"
        )
    if len(signature) != SIGNATURE_BYTES:
        raise untrusted(path, f"{len(signature)} bytes, a signature has {SIGNATURE_BYTES}", _SIGN)
    for name in trust.keys:
        try:
            if _signed_by(name, manifest, signature):
                return name
        except KeyUnusable as error:
            raise BundleRefused(error.file, error.why, error.hint) from error
    if not trust.keys:
        hint = "name the public key in models.trusted_keys"
        raise BundleUntrusted(str(path), "no key is trusted, so nobody vouches for it", hint)
    raise untrusted(path, "it is not the signature of a trusted key for this manifest", _SIGN)


def _signed_by(name: str, manifest: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    key = public_key(Path(name))
    try:
        key.verify(signature, manifest)
    except InvalidSignature:
        return False
    return True


def public_key(path: Path) -> Any:
    """The Ed25519 public key of a PEM file; raises `KeyUnusable`."""
    serialization, ed25519 = _library(path)
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise KeyUnusable(str(path), error.strerror or str(error), "check the path") from error
    # What the library raises differs by its version.
    except Exception as error:
        hint = "make one with `openssl pkey -in KEY.pem -pubout`"
        raise KeyUnusable(str(path), "not a public key in PEM", hint) from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise KeyUnusable(str(path), "not an Ed25519 key", _MAKE_KEY)
    return key


def sign(manifest: bytes, key_file: Path) -> bytes:
    """The signature by the key of a PEM file that only its owner can read; or `KeyUnusable`."""
    signature: bytes = _private_key(key_file).sign(manifest)
    return signature


def make_key(key_file: Path, public_file: Path) -> None:
    """Writes a new private key, readable by its owner only, and its public key."""
    serialization, ed25519 = _library(key_file)
    key = ed25519.Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    for path, content, mode in ((key_file, private, 0o600), (public_file, public, 0o644)):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except OSError as error:
            hint = "name a new file; a key is never overwritten"
            raise KeyUnusable(str(path), error.strerror or str(error), hint) from error


_MAKE_KEY = "make one with `pilewise coordinator models key --out KEY.pem`"


def _private_key(path: Path) -> Any:
    serialization, ed25519 = _library(path)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as error:
        raise KeyUnusable(str(path), error.strerror or str(error), _MAKE_KEY) from error
    if mode & _OTHERS:
        why = f"others can reach it (mode {stat.S_IMODE(mode):04o}, expected 0600)"
        raise KeyUnusable(
            str(path), why, f"chmod 600 {path}; if others may have read it, a new key"
        )
    try:
        key = serialization.load_pem_private_key(content, password=None)
    # What the library raises differs by its version.
    except Exception as error:
        why = "not a private key in PEM without a password"
        raise KeyUnusable(str(path), why, _MAKE_KEY) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise KeyUnusable(str(path), "not an Ed25519 key", _MAKE_KEY)
    return key


def _library(path: Path) -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        hint = "pip install 'pilewise[coordinator]'"
        raise KeyUnusable(str(path), "the package cryptography is not installed", hint) from error
    return serialization, ed25519
