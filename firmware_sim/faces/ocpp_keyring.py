"""A charge point's certificates: its own key and chain, and the roots that it was given.

Loaded only where certificates are asked for, because it needs `cryptography`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

MAX_CERTIFICATES: Final = 20
_ORGANISATION: Final = "Pilewise"


class Keyring:
    """Certificates by their use (`CentralSystemRootCertificate`, ...), and what is its own.

    Files live in a folder of its own that goes with it; a TLS library takes nothing else.
    """

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._folder = tempfile.TemporaryDirectory(prefix="pilewise-keys-")
        self._installed: list[tuple[str, x509.Certificate]] = []
        self._key: ec.EllipticCurvePrivateKey | None = None
        self._count = 0

    def roots(self, uses: Sequence[str]) -> list[str]:
        """The certificates of some uses as PEM."""
        return [_pem(cert) for use, cert in self._installed if use in uses]

    def install(self, use: str, pem: str) -> str:
        """Takes a root; gives Accepted, Rejected (not one, or not valid now) or Failed (full)."""
        certificate = _read(pem)
        if certificate is None or not _is_valid(certificate):
            return "Rejected"
        if len(self._installed) >= MAX_CERTIFICATES:
            return "Failed"
        self._installed.append((use, certificate))
        return "Accepted"

    def hashes(self, uses: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        """Use and hash data of the certificates of some uses, of all where none is named."""
        return [(use, _hash(cert)) for use, cert in self._installed if use in uses or not uses]

    def delete(self, wanted: dict[str, Any]) -> str:
        """Forgets the certificate with that hash data; gives Accepted or NotFound."""
        kept = [(use, cert) for use, cert in self._installed if not _is_meant(_hash(cert), wanted)]
        gone = len(kept) < len(self._installed)
        self._installed = kept
        return "Accepted" if gone else "NotFound"

    def request(self) -> str:
        """A signing request (PEM) for a fresh key: the pile's name as common name."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([
            x509.NameAttribute(NameOID.COMMON_NAME, self._identity),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
        ])  # fmt: skip
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        signed = builder.sign(self._key, hashes.SHA256())
        return str(signed.public_bytes(serialization.Encoding.PEM).decode())

    def take(self, chain: str) -> tuple[str, str] | None:
        """Files of the signed chain and its key; None if it is not for the key that was asked for,
        is not valid now, or is signed by nobody who is trusted."""
        try:
            certificates = x509.load_pem_x509_certificates(chain.encode())
        except ValueError:
            return None
        own = certificates[0]
        if self._key is None or own.public_key() != self._key.public_key() or not _is_valid(own):
            return None
        trusted = [cert for use, cert in self._installed if use != "ManufacturerRootCertificate"]
        if trusted and not _is_signed(own, [*certificates[1:], *trusted]):
            return None
        self._count += 1
        cert_file = Path(self._folder.name) / f"own-{self._count}.pem"
        key_file = cert_file.with_suffix(".key")
        cert_file.write_text(chain)
        private = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        key_file.touch(mode=0o600)
        key_file.write_bytes(private)
        return str(cert_file), str(key_file)


def _read(pem: str) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None


def _pem(certificate: x509.Certificate) -> str:
    return str(certificate.public_bytes(serialization.Encoding.PEM).decode())


def _is_valid(certificate: x509.Certificate) -> bool:
    now = datetime.now(UTC)
    return bool(certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc)


def _is_signed(certificate: x509.Certificate, by: Sequence[x509.Certificate]) -> bool:
    for issuer in by:
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False


def _hash(certificate: x509.Certificate) -> dict[str, Any]:
    """Hash data of a root: it is its own issuer."""
    key = certificate.public_key().public_bytes(
        serialization.Encoding.X962
        if isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
        else serialization.Encoding.DER,
        serialization.PublicFormat.UncompressedPoint
        if isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
        else serialization.PublicFormat.PKCS1,
    )
    return {
        "hash_algorithm": "SHA256",
        "issuer_name_hash": hashlib.sha256(certificate.issuer.public_bytes()).hexdigest(),
        "issuer_key_hash": hashlib.sha256(key).hexdigest(),
        "serial_number": f"{certificate.serial_number:x}",
    }


def _is_meant(known: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(str(wanted.get(name, "")).lower() == value.lower() for name, value in known.items())
