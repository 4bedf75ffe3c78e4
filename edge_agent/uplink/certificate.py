"""Why a secured link cannot stand, in words: gRPC itself says only that a socket was closed.

Reading certificate files for the doctor's findings is in `commands/check_certificates.py`, which
uses what is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grpc

from edge_agent.core.certificate import CertificateFacts, read_certificate
from edge_agent.errors import CertificateUnusable
from edge_agent.uplink.channel import TlsFiles

ASK_S: Final = 5.0
HTTP2: Final = "h2"
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def certificates_in(path: Path) -> list[CertificateFacts]:
    """The certificates of a PEM file, the leaf first; raises OSError, and ValueError for none."""
    text = path.read_text(encoding="ascii", errors="replace")
    found = _PEM.findall(text)
    if not found:
        raise ValueError("holds no PEM certificate")
    return [read_certificate(ssl.PEM_cert_to_DER_cert(block)) for block in found]


def load_pair(cert_file: Path, key_file: Path) -> None:
    """Returns where the key belongs to the certificate; raises OSError or ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(cert_file, key_file, password=_no_password)


def chain_fault(cert_file: Path, key_file: Path, ca_file: Path) -> str:
    """Why an authority's file does not vouch for a certificate; empty where it does.

    The two meet in a handshake in memory: signatures, uses and the chain are judged as any peer
    that trusts this authority would. Raises OSError or ValueError for files that cannot be used.
    """
    judge = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    judge.verify_mode = ssl.CERT_REQUIRED
    judge.load_verify_locations(ca_file)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    shown.check_hostname, shown.verify_mode = False, ssl.CERT_NONE
    for context in (judge, shown):
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        judge.wrap_bio(there, back, server_side=True),
        shown.wrap_bio(back, there),
    )
    try:
        # A full handshake takes each side two turns.
        for end in (*ends, *ends, *ends):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLCertVerificationError as fault:
        return fault.verify_message
    except ssl.SSLError as fault:
        return str(fault.reason or fault)
    return ""


def diagnose(tls: TlsFiles, now_s: float) -> list[str]:
    """What makes every try vain, from the agent's own files and clock; empty where nothing does."""
    return list(_faults(tls, now_s))


def _faults(tls: TlsFiles, now_s: float) -> Iterator[str]:
    clock = "or this gateway's clock is wrong"
    for path in (tls.ca_file, tls.cert_file):
        if path is None:
            continue
        try:
            fault = certificates_in(path)[0].out_of_date(now_s)
        except (OSError, ValueError) as error:
            yield f"{path}: {error}"
        else:
            if fault:
                yield f"{path} {fault}, {clock}"
    if tls.cert_file is not None and tls.key_file is not None:
        try:
            load_pair(tls.cert_file, tls.key_file)
        except (OSError, ValueError) as error:
            yield f"{tls.key_file} does not open {tls.cert_file}: {error}"


async def dialable(tls: TlsFiles) -> None:
    """Returns where a try may succeed; raises `CertificateUnusable` saying what is wrong."""
    faults = await asyncio.to_thread(diagnose, tls, time.time())
    if faults:
        raise CertificateUnusable("; ".join(faults))


async def explained(failure: Exception, address: str, tls: TlsFiles | None) -> Exception:
    """The failure, or what really was the matter where a handshake can tell."""
    unreachable = (
        isinstance(failure, grpc.aio.AioRpcError) and failure.code() is grpc.StatusCode.UNAVAILABLE
    )
    if tls is None or not unreachable:
        return failure
    why = await ask_why(address, tls)
    return CertificateUnusable(why) if why else failure


async def ask_why(address: str, tls: TlsFiles) -> str:
    """What a handshake says that gRPC swallowed; empty where it says nothing.

    A connection of its own: the coordinator's certificate is judged as gRPC judges it, and what
    it says of ours is heard.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(ASK_S):
            reader, writer = await asyncio.open_connection(
                host, int(port), ssl=_context(tls), server_hostname=host
            )
            # TLS 1.3 judges a client's certificate after the handshake; HTTP/2 servers speak first.
            hung_up = not await reader.read(1)
    except ssl.SSLCertVerificationError as fault:
        return f"the coordinator's certificate is refused: {fault.verify_message}"
    except ssl.SSLError as fault:
        return f"the coordinator ends the handshake: {fault.reason or fault}"
    except (OSError, ValueError, TimeoutError) as fault:
        # Whoever let us in and then cuts does not like whom he sees.
        hung_up = writer is not None and isinstance(fault, ConnectionError)
    finally:
        if writer is not None:
            writer.close()
    own = tls.cert_file or "an agent without a certificate"
    return (
        f"the coordinator hangs up after the handshake: it does not accept {own}" if hung_up else ""
    )


def _context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(tls.ca_file))
    context.set_alpn_protocols([HTTP2])
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
    return context


def _no_password() -> str:
    raise ValueError("the key is locked with a password; nobody can type it on a gateway")
