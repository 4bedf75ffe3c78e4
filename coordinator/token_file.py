"""The file of tokens that allow more than reading: one `name token` a line, `#` for comments.

A token may stand as `sha256:` and its hash, so that the file gives none away. Who asks for a token,
and what it allows, is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import stat
from collections.abc import Mapping
from pathlib import Path

SHORTEST = 16  # characters of a token
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class TokenFileWrong(Exception):
    """The file cannot be used; the message says where and why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def read_tokens(path: Path) -> Mapping[str, bytes]:
    """Names and the SHA-256 of their tokens; raises `TokenFileWrong`."""
    try:
        mode, text = path.stat().st_mode, path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TokenFileWrong(f"{path} cannot be read: {error}", "check the path") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise TokenFileWrong(f"{path} can be read by others", f"chmod 600 {path}")
    tokens: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        where = f"{path}:{number}"
        if len(words) != 2 or not _NAME.fullmatch(words[0]):
            raise TokenFileWrong(f"{where} is not a name and a token", "e.g. anna sha256:9f86…")
        name, token = words
        if name in tokens:
            raise TokenFileWrong(f"{where} names {name} twice", "one token a name")
        tokens[name] = _digest(token, where)
    if not tokens:
        raise TokenFileWrong(f"{path} has no token", "add a line: name token")
    return tokens


def holder_of(token: str, tokens: Mapping[str, bytes]) -> str:
    """The name whose token this is; empty if it is nobody's. Takes as long for each."""
    given, found = hashlib.sha256(token.encode()).digest(), ""
    for name, digest in tokens.items():
        if hmac.compare_digest(given, digest):
            found = name
    return found


def _digest(token: str, where: str) -> bytes:
    if token.startswith("sha256:"):
        hashed = _HASH.fullmatch(token)
        if hashed is None:
            raise TokenFileWrong(f"{where} has no SHA-256", "64 hexadecimal digits, lower case")
        return bytes.fromhex(hashed[1])
    if len(token) < SHORTEST:
        hint = f"at least {SHORTEST} characters, e.g. from openssl rand -hex 16"
        raise TokenFileWrong(f"{where} has a token that can be guessed", hint)
    return hashlib.sha256(token.encode()).digest()
