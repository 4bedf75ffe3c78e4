"""The certificate that the server shows and the authorities that it trusts, as their files are now.

The files are looked at before each handshake: what was replaced counts from the next connection on,
and open streams go on. What they contain and who may come in is decided elsewhere.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import structlog

log: Final = structlog.get_logger()

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """PEM files: certificate chain (leaf first), its key, and the authorities of agents."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.cert, self.key, *((self.client_ca,) if self.client_ca else ()))

    def fault(self) -> str:
        """Why they cannot be used together; empty where they can."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.cert, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            return f"{self.key} does not open {self.cert}: {error}"
        if self.client_ca is None:
            return ""
        try:
            context.load_verify_locations(self.client_ca)
        except (OSError, ValueError) as error:
            return f"{self.client_ca} holds no authority: {error}"
        return "" if context.get_ca_certs() else f"{self.client_ca} holds no authority"


def server_credentials(files: ServerFiles, *, mutual: bool) -> grpc.ServerCredentials:
    """Credentials of a listener; with `mutual`, who shows no certificate is turned away.

    gRPC for Python either demands a client's certificate or does not look at any, so callers with
    and without one need listeners of their own. Raises OSError for files that cannot be read.
    """
    watch = _Watch(files, mutual)
    return grpc.dynamic_ssl_server_credentials(watch.first, watch.renewed, mutual)


class _Watch:
    """Remembers what one listener was given last."""

    def __init__(self, files: ServerFiles, mutual: bool) -> None:
        self._files = files
        self._mutual = mutual
        self._stamp = _stamp(files)
        self._complained: _Stamp = ()
        self.first = self._read()

    def renewed(self) -> Any:
        """Called by gRPC before each handshake, on a thread of its own: None means as before."""
        try:
            stamp = _stamp(self._files)
            if stamp in (self._stamp, self._complained):
                return None
            if fault := self._files.fault():
                # Certificate and key are two files: between the two they do not match.
                self._complained = stamp
                log.warning("new certificate files are not used yet", why=fault)
                return None
            made = self._read()
        except OSError as error:
            log.warning("certificate files cannot be read", why=str(error))
            return None
        self._stamp = stamp
        log.info("certificate files were replaced", cert=self._files.cert.name)
        return made

    def _read(self) -> Any:
        files = self._files
        roots = files.client_ca.read_bytes() if self._mutual and files.client_ca else None
        pair = (files.key.read_bytes(), files.cert.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=roots)


def _stamp(files: ServerFiles) -> _Stamp:
    stats = [path.stat() for path in files.paths()]
    return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)


def _no_password() -> str:
    raise ValueError("the key is locked with a password; nobody can type it at a start")
