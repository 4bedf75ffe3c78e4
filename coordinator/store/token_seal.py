"""Drivers' tokens as they lie on disk: sealed, and as marks that can be compared but not read.

The key is a file beside the database that only its owner reads; without it neither says anything.
When a token is kept, and when it goes, is in `claims_tokens.py`.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from coordinator.errors import StoreUnavailable

KEY_FILE = "token.key"
KEY_BYTES = 32
_CHECK_BYTES, _BLOCK_BYTES = 8, 32


class TokenSeal:
    """Seals tokens by the key of a data directory, which is made if there is none."""

    def __init__(self, folder: Path) -> None:
        """Raises `StoreUnavailable` if the key cannot be read or written, or is none."""
        self._key = _key_of(folder / KEY_FILE)

    def seal(self, name: str, token: str) -> bytes:
        """The token as nobody reads it without the key; `name` is used for one token only."""
        plain = token.encode()
        return self._check(name, plain) + self._veiled(name, plain)

    def open(self, name: str, sealed: bytes) -> str:
        """The token; empty if it was sealed under another name or key."""
        plain = self._veiled(name, sealed[_CHECK_BYTES:])
        whole = hmac.compare_digest(self._check(name, plain), sealed[:_CHECK_BYTES])
        return plain.decode() if sealed and whole else ""

    def mark(self, id_token_hash: str) -> str:
        """What stands for the hash of a token that an agent tells; the same for the same one."""
        return hmac.digest(self._key, b"mark" + id_token_hash.encode(), "sha256").hex()

    def _check(self, name: str, plain: bytes) -> bytes:
        said = b"check" + name.encode() + b"\0" + plain
        return hmac.digest(self._key, said, "sha256")[:_CHECK_BYTES]

    def _veiled(self, name: str, content: bytes) -> bytes:
        """The content under a stream that no other name has; veiled twice it is plain again."""
        count = -(-len(content) // _BLOCK_BYTES)
        stream = b"".join(
            hmac.digest(self._key, b"seal%d\0" % block + name.encode(), "sha256")
            for block in range(count)
        )
        return bytes(one ^ other for one, other in zip(content, stream, strict=False))


def _key_of(path: Path) -> bytes:
    """The key in this file, made where there is none; durable before it is used."""
    try:
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = secrets.token_bytes(KEY_BYTES)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, key)
                os.fsync(file)
            finally:
                os.close(file)
    except OSError as error:
        raise StoreUnavailable(path.name, error.strerror or str(error)) from error
    if len(key) != KEY_BYTES:
        raise StoreUnavailable(path.name, f"it is no key of {KEY_BYTES} bytes; remove it")
    return key
