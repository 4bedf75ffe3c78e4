"""The authority behind a coordinator, known by nothing but its hash."""

from __future__ import annotations

import hashlib
import socket
import ssl
from typing import Any, Final

from edge_agent.errors import CertificateUnusable
from edge_agent.uplink.certificate import HTTP2

ASK_S: Final = 10.0
PREFIX: Final = "sha256:"


def pinned_authority(host: str, port: int, ca_hash: str) -> str:
    """The certificate with this hash out of the chain that the coordinator shows, PEM; blocks.

    Whoever answers is believed nothing: only a certificate with the very hash is taken, and the
    enrolment then goes over a connection that is judged by it. Raises `CertificateUnusable`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([HTTP2])
    where = f"{host}:{port}"
    try:
        with (
            socket.create_connection((host, port), ASK_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            chain = _chain_of(secured)
    except OSError as error:
        raise CertificateUnusable(f"{where} shows no certificate: {error}") from error
    wanted = ca_hash.removeprefix(PREFIX).lower()
    for der in chain:
        if hashlib.sha256(der).hexdigest() == wanted:
            return ssl.DER_cert_to_PEM_cert(der)
    raise CertificateUnusable(
        f"{where} is vouched for by none with uplink.ca_hash {ca_hash}: it is another coordinator, "
        "its authority was rotated, or its cert_file lacks the authority's certificate"
    )


def _chain_of(secured: ssl.SSLSocket) -> list[bytes]:
    """The certificates that were shown, DER."""
    public: Any = getattr(secured, "get_unverified_chain", None)
    if public is not None:  # Python 3.13
        return list(public())
    hidden: Any = secured._sslobj  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in hidden.get_unverified_chain()]
