"""A fresh key, and a certificate request made with it. Imported late: it loads cryptography."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def new_key() -> bytes:
    """A private key that no one else has, PEM without a password."""
    return bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def request_for(key_pem: bytes, agent_id: str) -> bytes:
    """A PKCS#10 request, DER; raises ValueError for a key that cannot be read."""
    key = serialization.load_pem_private_key(key_pem, password=None)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, agent_id)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
