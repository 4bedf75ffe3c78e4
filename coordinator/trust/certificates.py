"""Makes certificates: of an authority, of a server, of an agent. Keys are ECDSA on P-256.

Which authority signs, and where it is kept, is in `authority.py`. Imported late: cryptography takes
its time, and only secured districts need it.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Clocks of gateways differ: a certificate holds a little before it was made, by a tenth at most.
BACKDATED_S: Final = 300.0
BACKDATED_SHARE: Final = 0.1
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as PEM, without a password: services start by themselves."""
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return bytes(certificate.public_bytes(serialization.Encoding.PEM))


def fingerprint(certificate: x509.Certificate) -> str:
    """What an agent pins: the SHA-256 of the whole certificate."""
    return f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}"


def read_request(der: bytes) -> x509.CertificateSigningRequest:
    """A request whose sender has the key; raises ValueError saying what is wrong."""
    try:
        request = x509.load_der_x509_csr(der)
        signed = request.is_signature_valid
        key = request.public_key()
    except (ValueError, InvalidSignature) as error:
        raise ValueError(f"is no PKCS#10 certificate request: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise ValueError("its key must be ECDSA on P-256 or P-384")
    if not signed:
        raise ValueError("is not signed by its own key")
    return request


def key_sha256(request: x509.CertificateSigningRequest) -> str:
    """The hash of the request's public key, hexadecimal."""
    public = request.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(public).hexdigest()


def make_authority(
    name: str, life_s: float, now_s: float
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """An authority that vouches for itself."""
    key = new_key()
    own = _named(name)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = (
        _builder(own, own, key.public_key(), life_s, now_s)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return key, builder.sign(key, hashes.SHA256())


def make_server(
    signer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate],
    hosts: Sequence[str],
    life_s: float,
    now_s: float,
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A server's certificate for these hosts; raises ValueError for one that is none."""
    key = new_key()
    names = [_host(host) for host in hosts]
    purpose = ExtendedKeyUsageOID.SERVER_AUTH
    return key, _leaf(signer, _named(hosts[0]), key.public_key(), names, purpose, life_s, now_s)


def make_agent(
    signer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate],
    request: x509.CertificateSigningRequest,
    name: str,
    uri: str,
    life_s: float,
    now_s: float,
) -> x509.Certificate:
    """An agent's certificate; of the request only the key is taken."""
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # read_request saw to it
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH
    return _leaf(signer, _named(name), key, names, purpose, life_s, now_s)


def _leaf(
    signer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate],
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    names: Sequence[x509.GeneralName],
    purpose: x509.ObjectIdentifier,
    life_s: float,
    now_s: float,
) -> x509.Certificate:
    key, authority = signer
    life_s = min(life_s, authority.not_valid_after_utc.timestamp() - now_s)
    issuer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(subject, authority.subject, public, life_s, now_s)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    life_s: float,
    now_s: float,
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(now_s, UTC)
    back = timedelta(seconds=min(BACKDATED_S, life_s * BACKDATED_SHARE))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - back)
        .not_valid_after(now + timedelta(seconds=life_s))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
