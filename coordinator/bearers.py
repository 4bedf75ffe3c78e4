"""Who bears a token: a JWT signed by the operator's identity provider, or a line of a token file.

Both files are read again when they change, so that a key or a token is withdrawn within a second. A
token that was found good is remembered by its hash until it ends. Which call needs what is in
`rpc/access.py`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from coordinator.config_identity import IdentitySection
from coordinator.core.caller import OF_CARS, Caller, Scope, scopes_of
from coordinator.denials import Unauthenticated
from coordinator.key_set import Key, KeySetWrong, read_keys
from coordinator.token_file import Grant, TokenFileWrong, grant_of, read_grants

log = structlog.get_logger()

LARGEST = 4_096  # characters of a token
NEEDED = ("exp", "iat", "aud", "sub", "jti")
REMEMBERED, REFUSED = 20_000, 2_000  # tokens
LOOK_S = 1.0  # between two looks whether a file has changed
REFUSED_S = 5.0  # a token that was refused is not looked into again for so long
_IDENTIFIER = re.compile(r"[A-Za-z0-9._:*-]{1,64}")
_TYPES = (None, "JWT", "at+jwt")


class Bearers:
    """Finds callers by their tokens; `system_s` is the time in which tokens end."""

    def __init__(self, settings: IdentitySection, system_s: Callable[[], float],
                 link_s: Callable[[], float]) -> None:  # fmt: skip
        self._settings = settings
        self._system_s = system_s
        self._link_s = link_s
        self._keys: Mapping[str, Key] = {}
        self._grants: Mapping[str, Grant] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._look_link_s = float("-inf")
        self._good: OrderedDict[bytes, Caller] = OrderedDict()
        self._bad: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def remembered(self, token: str) -> Caller | None:
        """The bearer of a token that was looked into lately and is still good."""
        self._look()
        caller = self._good.get(hashlib.sha256(token.encode()).digest())
        return caller if caller is not None and self._system_s() < caller.until_s else None

    def caller_of(self, token: str) -> Caller:
        """The bearer; raises `Unauthenticated`."""
        caller = self.remembered(token)
        if caller is not None:
            return caller
        mark, now_s = hashlib.sha256(token.encode()).digest(), self._link_s()
        until_s, why = self._bad.get(mark, (float("-inf"), ""))
        if now_s < until_s:
            raise Unauthenticated(why)
        try:
            caller = self._looked_into(token)
        except Unauthenticated as refusal:
            self._bad[mark] = now_s + REFUSED_S, refusal.why
            if len(self._bad) > REFUSED:
                self._bad.popitem(last=False)
            raise
        self._good[mark] = caller
        if len(self._good) > REMEMBERED:
            self._good.popitem(last=False)
        return caller

    def _looked_into(self, token: str) -> Caller:
        if len(token) > LARGEST:
            raise Unauthenticated(f"{len(token)} characters")
        if self._grants:
            name = grant_of(token, self._grants)
            if name:
                return Caller(name, scopes_of(self._grants[name].scopes))
        if not self._keys:
            raise Unauthenticated("not in the token file")
        return self._caller(self._claims(token))

    def _claims(self, token: str) -> Mapping[str, Any]:
        """What a token says, once its signature is checked by the one algorithm of its key."""
        # Imported late, because only identities need it.
        import jwt

        settings = self._settings
        try:
            header: Mapping[str, Any] = jwt.get_unverified_header(token)
            if "crit" in header or "b64" in header:
                raise Unauthenticated("crit")
            if header.get("typ") not in _TYPES:
                raise Unauthenticated("another type of token")
            key = self._keys.get(header.get("kid", ""))
            if key is None:
                raise Unauthenticated("unknown kid")
            if header.get("alg") != key.algorithm:
                raise Unauthenticated("algorithm is not that of the key")
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],
                audience=settings.audience,
                issuer=settings.issuer or None,
                # When it ends is judged below, by our clock, and again at each call.
                options={
                    "require": list(NEEDED),
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise Unauthenticated(type(error).__name__) from error
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        scopes = scopes_of(_words(claims.get("scope", "")))
        until_s = self._end_s(claims, scopes)
        caller = Caller(
            _text(claims, "sub", 256),
            scopes,
            vehicle_id=_identifier(claims, "vid"),
            vehicle_ids=_identifiers(claims.get("vids", ())),
            prefix=_identifier(claims, "vid_prefix"),
            user_id=_identifier(claims, "uid"),
            vip=claims.get("vip") is True and bool(scopes & Scope.CAR),
            token_id=_text(claims, "jti", 256),
            until_s=until_s,
        )
        if scopes is Scope.NONE:
            raise Unauthenticated("no scope of ours")
        if scopes & Scope.CAR and not caller.vehicle_id:
            raise Unauthenticated("car without vid")
        if scopes & Scope.FLEET and not (caller.vehicle_ids or caller.prefix):
            raise Unauthenticated("fleet without vids and vid_prefix")
        return caller

    def _end_s(self, claims: Mapping[str, Any], scopes: Scope) -> float:
        """When the token ends, with leeway; raises if that is past, or it is not yet valid."""
        settings, now_s = self._settings, self._system_s()
        ends_s, made_s = _instant(claims, "exp"), _instant(claims, "iat")
        begins_s = max(made_s, _instant(claims, "nbf") if "nbf" in claims else made_s)
        longest_s = settings.longest_car_s if scopes & OF_CARS else settings.longest_operator_s
        if now_s >= ends_s + settings.leeway_s:
            raise Unauthenticated("expired")
        if now_s < begins_s - settings.leeway_s:
            raise Unauthenticated("not yet valid")
        if ends_s - made_s > longest_s:
            raise Unauthenticated(f"good for more than {longest_s:g} s")
        return ends_s + settings.leeway_s

    def _look(self) -> None:
        """Reads a file again that has changed; at most once a second."""
        now_s = self._link_s()
        if now_s - self._look_link_s < LOOK_S:
            return
        self._look_link_s = now_s
        settings = self._settings
        if settings.token_file and self._changed(settings.token_file):
            try:
                self._grants = read_grants(Path(settings.token_file))
            except TokenFileWrong as error:
                log.error("token file unusable, nobody has a token of it", why=str(error))
                self._grants = {}
            self._forget()
        if settings.jwks_file and self._changed(settings.jwks_file):
            try:
                self._keys = read_keys(Path(settings.jwks_file), settings.kids)
            except KeySetWrong as error:
                # Keys are withdrawn by a file without them, not by one that is broken.
                log.error("key file unusable, the keys of before stay", why=str(error))
            self._forget()

    def _changed(self, file: str) -> bool:
        try:
            status = Path(file).stat()
            stamp = status.st_mtime_ns, status.st_ino
        except OSError:
            stamp = 0, 0
        if self._stamps.get(file) == stamp:
            return False
        self._stamps[file] = stamp
        return True

    def _forget(self) -> None:
        self._good.clear()
        self._bad.clear()


def _words(claim: Any) -> str:
    if isinstance(claim, list):
        claim = " ".join(word for word in claim if isinstance(word, str))
    if not isinstance(claim, str):
        raise Unauthenticated("scope")
    return claim


def _text(claims: Mapping[str, Any], name: str, longest: int) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise Unauthenticated(name)
    return value


def _identifier(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or (value and not _IDENTIFIER.fullmatch(value)):
        raise Unauthenticated(name)
    return value


def _identifiers(values: Any) -> frozenset[str]:
    if not isinstance(values, list | tuple):
        raise Unauthenticated("vids")
    return frozenset(_identifier({"vids": value}, "vids") for value in values) - {""}


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unauthenticated(name)
    return float(value)
