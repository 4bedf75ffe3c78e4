"""An operator's identity provider for tests: keys, their JWKS file, tokens good and bad."""

from __future__ import annotations

import base64
import json
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

AUDIENCE = "pilewise-test"
ISSUER = "https://id.example"


class IdentityProvider:
    """Signs with an Ed25519 key `ed-1` and a P-256 key `ec-1`; `jwks` is the published file."""

    def __init__(self, folder: Path) -> None:
        self.jwks = folder / "jwks.json"
        self.keys: dict[str, Any] = {
            "ed-1": ed25519.Ed25519PrivateKey.generate(),
            "ec-1": ec.generate_private_key(ec.SECP256R1()),
        }
        self.publish()

    def publish(self, *kids: str) -> None:
        """Writes the public keys of these names; of all, if none are named."""
        entries = [self.entry(kid) for kid in kids or self.keys]
        fresh = self.jwks.with_suffix(".new")
        fresh.write_text(json.dumps({"keys": entries}))
        fresh.chmod(0o644)
        fresh.rename(self.jwks)

    def entry(self, kid: str) -> dict[str, Any]:
        """A public key as it stands in the file."""
        public = self.keys[kid].public_key()
        algorithm = OKPAlgorithm if kid.startswith("ed") else ECAlgorithm
        made = algorithm.to_jwk(public)
        entry: dict[str, Any] = json.loads(made) if isinstance(made, str) else dict(made)
        entry.pop("key_ops", None)
        return {**entry, "kid": kid, "use": "sig"}

    def token(self, scope: str, *, kid: str = "ed-1", key: Any = None, headers: Any = None,
              without: tuple[str, ...] = (), **claims: Any) -> str:  # fmt: skip
        """A token for 10 minutes; claims may be changed, or left out."""
        now_s = int(time.time())
        said = {
            "iss": ISSUER, "sub": f"test {scope}", "aud": AUDIENCE, "iat": now_s,
            "exp": now_s + 600, "jti": uuid.uuid4().hex, "scope": scope, **claims,
        }  # fmt: skip
        for name in without:
            del said[name]
        algorithm = "EdDSA" if kid.startswith("ed") else "ES256"
        key = self.keys[kid] if key is None else key
        return jwt.encode(said, key, algorithm, headers={"kid": kid, **(headers or {})})

    def unsigned(self, scope: str, **claims: Any) -> str:
        """A token that says it needs no signature."""
        return ".".join((_part({"alg": "none", "kid": "ed-1", "typ": "JWT"}),
                         self.token(scope, **claims).split(".")[1], ""))  # fmt: skip

    def by_public_key(self, scope: str, **claims: Any) -> str:
        """A token whose HS256 secret is the published public key."""
        import hashlib
        import hmac

        from cryptography.hazmat.primitives import serialization

        secret = (
            self.keys["ec-1"]
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        said = self.token(scope, **claims).split(".")[1]
        signed = f"{_part({'alg': 'HS256', 'kid': 'ec-1', 'typ': 'JWT'})}.{said}"
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def bearing(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with this token."""
    return (("authorization", f"Bearer {token}"),)
