"""TLS of the OCPP side: what the local central system and the relay show and ask for.

Only the standard library's `ssl`; certificates themselves are the operator's.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class TlsPaths:
    """Certificate and key that are shown, and the CA that the other end must chain to."""

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None


NO_FILES: Final = TlsPaths()


def server_context(
    paths: TlsPaths, *, everybody_certified: bool, on_failure: Callable[[str], None]
) -> ssl.SSLContext:
    """What the local central system serves wss:// with; raises `ssl.SSLError` or OSError.

    With a CA client certificates are asked for, and insisted on if `everybody_certified`.
    `on_failure` takes why a TLS handshake failed: such a station never gets as far as HTTP.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert paths.cert is not None  # checked with the configuration
    context.load_cert_chain(paths.cert, paths.key)
    if paths.ca is not None:
        context.load_verify_locations(paths.ca)
        context.verify_mode = ssl.CERT_REQUIRED if everybody_certified else ssl.CERT_OPTIONAL
    context.sslobject_class = _watched(on_failure)
    return context


def client_context(paths: TlsPaths) -> ssl.SSLContext:
    """What the relay dials wss:// with; raises `ssl.SSLError` or OSError.

    Without a CA file the system's certificate authorities are trusted.
    """
    context = ssl.create_default_context(cafile=paths.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if paths.cert is not None:
        context.load_cert_chain(paths.cert, paths.key)
    return context


def reason_of(error: BaseException) -> str:
    """What is wrong with a certificate or handshake, in words a person can act on."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
    return str(error) or type(error).__name__


def _watched(on_failure: Callable[[str], None]) -> type[ssl.SSLObject]:
    """asyncio drops failed handshakes without a word; here they are told."""

    class Watched(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                on_failure(reason_of(error))
                raise

    return Watched
