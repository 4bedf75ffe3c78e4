"""The district's own authority in a folder: who signs now, and who is trusted still.

    authority.pem   its key and its certificate in one file, 0600, so that no crash parts them
    trust.pem       certificates of the authorities that are trusted: this one and former ones
    server.pem      a server's key and chain, 0600, where one was issued here

Which agents get certificates is decided in `usecases/enrolling.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coordinator.auth_errors import AuthorityUnusable
from coordinator.core.identity import agent_uri
from coordinator.trust.safe_files import PUBLIC, SECRET, write_whole
from coordinator.usecases.enrolling import Signed

KEPT: Final = "authority.pem"
TRUST: Final = "trust.pem"
SERVER: Final = "server.pem"
DAY_S: Final = 86_400.0
AUTHORITY_DAYS: Final = 3650.0
SERVER_DAYS: Final = 90.0


@dataclass(frozen=True, slots=True)
class TrustedAuthority:
    """One whose certificates are taken; `signs` if it is the one that signs now."""

    name: str
    sha256: str
    valid_until_s: float
    signs: bool


class Authority:
    """The authority of a folder; whoever rotates it meanwhile is noticed at the next use."""

    def __init__(self, folder: Path) -> None:
        """Raises `AuthorityUnusable`."""
        self._folder = folder
        self._stamp: tuple[int, int] = (0, 0)
        self._signer: tuple[Any, Any] | None = None
        self.signer()

    @property
    def trust_pem(self) -> str:
        """The authorities that are trusted, PEM."""
        return _read(self._folder / TRUST).decode("ascii", "replace")

    def signer(self) -> tuple[Any, Any]:
        """Key and certificate of the one that signs now; raises `AuthorityUnusable`."""
        path = self._folder / KEPT
        try:
            stat = path.stat()
        except OSError as error:
            raise AuthorityUnusable(str(path), error.strerror or str(error)) from error
        stamp = stat.st_mtime_ns, stat.st_ino
        if self._signer is None or stamp != self._stamp:
            if stat.st_mode & 0o077:
                raise AuthorityUnusable(str(path), "others may read it", f"chmod 600 {path}")
            self._signer, self._stamp = _signer_of(path), stamp
        return self._signer

    def trusted(self) -> list[TrustedAuthority]:
        """All that are trusted, the one that signs first."""
        from cryptography import x509

        from coordinator.trust.certificates import fingerprint

        own = fingerprint(self.signer()[1])
        found = [
            TrustedAuthority(
                one.subject.rfc4514_string().removeprefix("CN="),
                fingerprint(one),
                one.not_valid_after_utc.timestamp(),
                fingerprint(one) == own,
            )
            for one in x509.load_pem_x509_certificates(_read(self._folder / TRUST))
        ]
        return sorted(found, key=lambda one: not one.signs)

    def key_of(self, request_der: bytes) -> str:
        """The hash of the public key of a request, whose sender has the key; raises ValueError."""
        from coordinator.trust.certificates import key_sha256, read_request

        return key_sha256(read_request(request_der))

    def sign(self, request_der: bytes, district_id: str, agent_id: str, life_s: float) -> Signed:
        """A certificate for an agent; raises ValueError for a request that cannot be used."""
        from coordinator.trust.certificates import (
            certificate_pem,
            fingerprint,
            make_agent,
            read_request,
        )

        key, own = self.signer()
        now_s = time.time()
        uri = agent_uri(district_id, agent_id)
        made = make_agent((key, own), read_request(request_der), agent_id, uri, life_s, now_s)
        return Signed(
            chain_pem=(certificate_pem(made) + certificate_pem(own)).decode(),
            serial=f"{made.serial_number:x}",
            issued_at_s=now_s,
            valid_until_s=made.not_valid_after_utc.timestamp(),
            issuer=fingerprint(own),
        )

    def issue_server(self, hosts: Sequence[str], days: float, path: Path) -> float:
        """Writes a server's key and chain into one file; gives when it ends.

        Raises ValueError for a host that is none, and OSError.
        """
        from coordinator.trust.certificates import certificate_pem, key_pem, make_server

        signer = self.signer()
        key, made = make_server(signer, hosts, days * DAY_S, time.time())
        chain = certificate_pem(made) + certificate_pem(signer[1])
        write_whole(path, chain + key_pem(key), SECRET)
        return float(made.not_valid_after_utc.timestamp())

    def rotate(self, days: float = AUTHORITY_DAYS) -> None:
        """Has a new key sign from now on; the former one stays trusted until it is forgotten."""
        _make(self._folder, self.trusted()[0].name, days, _read(self._folder / TRUST))

    def forget_former(self) -> list[TrustedAuthority]:
        """Trusts nobody but the one that signs now; gives those that were trusted before."""
        from coordinator.trust.certificates import certificate_pem

        former = [one for one in self.trusted() if not one.signs]
        write_whole(self._folder / TRUST, certificate_pem(self.signer()[1]), PUBLIC)
        return former


def init_authority(folder: Path, district_id: str, days: float = AUTHORITY_DAYS) -> Authority:
    """A new authority; raises `AuthorityUnusable` where there is one already, and OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / KEPT).exists():
        hint = "use it, rotate it, or name another folder"
        raise AuthorityUnusable(str(folder / KEPT), "is there already", hint)
    _make(folder, f"Pilewise {district_id}", days, b"")
    return Authority(folder)


def _make(folder: Path, name: str, days: float, former: bytes) -> None:
    from coordinator.trust.certificates import certificate_pem, key_pem, make_authority

    key, own = make_authority(name, days * DAY_S, time.time())
    # Trusted first: who dies in between trusts one more authority, and signs as before.
    write_whole(folder / TRUST, certificate_pem(own) + former, PUBLIC)
    write_whole(folder / KEPT, certificate_pem(own) + key_pem(key), SECRET)


def _signer_of(path: Path) -> tuple[Any, Any]:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    content = _read(path)
    try:
        key = serialization.load_pem_private_key(content, password=None)
        own = x509.load_pem_x509_certificate(content)
    except (ValueError, TypeError) as error:
        raise AuthorityUnusable(str(path), f"holds no key and certificate: {error}") from error
    return key, own


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AuthorityUnusable(str(path), error.strerror or str(error)) from error
