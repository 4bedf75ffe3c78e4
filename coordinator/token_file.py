"""The file of tokens: one `name token scopes` a line, `#` for comments; no scope: operator.write.

A token may stand as `sha256:` and its hash, so that the file gives none away. Who asks for a token,
and what a scope allows, is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coordinator.core.caller import OF_CARS, OF_TOKENS, Scope, scopes_of

SHORTEST = 16  # characters of a token
USUAL = "operator.write"
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class TokenFileWrong(Exception):
    """The file cannot be used; the message says where and why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Grant:
    """The SHA-256 of a token, and what its holder may do: words apart by blanks."""

    digest: bytes
    scopes: str


def read_tokens(path: Path) -> Mapping[str, bytes]:
    """Names and the SHA-256 of the tokens of those who may write; raises `TokenFileWrong`."""
    grants = read_grants(path)
    return {n: grant.digest for n, grant in grants.items() if scopes_of(grant.scopes) & Scope.WRITE}


def read_grants(path: Path) -> Mapping[str, Grant]:
    """Names and what the holders of their tokens may do; raises `TokenFileWrong`."""
    try:
        mode, text = path.stat().st_mode, path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TokenFileWrong(f"{path} cannot be read: {error}", "check the path") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise TokenFileWrong(f"{path} can be read by others", f"chmod 600 {path}")
    tokens: dict[str, Grant] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        where = f"{path}:{number}"
        if len(words) < 2 or not _NAME.fullmatch(words[0]):
            raise TokenFileWrong(f"{where} is not a name and a token", "e.g. anna sha256:9f86…")
        name, token, *scopes = words
        if name in tokens:
            raise TokenFileWrong(f"{where} names {name} twice", "one token a name")
        _check_scopes(scopes, where)
        tokens[name] = Grant(_digest(token, where), " ".join(scopes or [USUAL]))
    if not tokens:
        raise TokenFileWrong(f"{path} has no token", "add a line: name token")
    return tokens


def grant_of(token: str, grants: Mapping[str, Grant]) -> str:
    """As `holder_of`, for grants."""
    return holder_of(token, {name: grant.digest for name, grant in grants.items()})


def holder_of(token: str, tokens: Mapping[str, bytes]) -> str:
    """The name whose token this is; empty if it is nobody's. Takes as long for each."""
    given, found = hashlib.sha256(token.encode()).digest(), ""
    for name, digest in tokens.items():
        if hmac.compare_digest(given, digest):
            found = name
    return found


def _check_scopes(scopes: list[str], where: str) -> None:
    """Raises unless all are scopes that a line may give; cars are named by signed tokens only."""
    allowed = sorted(word for word in OF_TOKENS if not scopes_of(word) & OF_CARS)
    for word in scopes:
        if word not in allowed:
            hint = f"a name, a token, and any of {', '.join(allowed)}"
            raise TokenFileWrong(f"{where} gives {word[:32]!r}, which is no scope", hint)


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
