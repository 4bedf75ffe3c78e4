"""What the agent asks of its coordinator for an identity: a first certificate, then the next.

How both are kept is in `identity_files.py`, when the next is asked for in `credentials.py`.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from edge_agent.errors import CertificateUnusable, LinkError
from edge_agent.uplink.certificate import certificates_in, chain_fault
from edge_agent.uplink.channel import EnrolmentSettings, TlsFiles, open_channel
from edge_agent.uplink.identity_files import IdentityFiles
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1.edge_service_pb2_grpc import EdgeServiceStub

ASK_S: Final = 20.0


async def enrol(settings: EnrolmentSettings, files: IdentityFiles, token: str) -> float:
    """Has a first identity made and keeps it; gives the second since 1970 at which it ends.

    The key is made here and never leaves. It is kept before anything is asked, so that an answer
    that was lost can be asked for again with the same token. Raises `LinkError`, `AioRpcError`
    for a refusal, and OSError.
    """
    key = await asyncio.to_thread(_enrol_key, files)
    await asyncio.to_thread(_trust, settings, files)
    request = edge.EnrollRequest(
        agent_id=settings.agent_id,
        bootstrap_token=token,
        certificate_request_der=await asyncio.to_thread(_request, key, settings.agent_id),
    )
    async with open_channel(settings.address, TlsFiles(files.trust)) as channel:
        answer = await EdgeServiceStub(channel).Enroll(request, timeout=ASK_S)
    _check_trust(answer.trust_pem)
    await asyncio.to_thread(files.put_enrolled, answer.certificate_chain_pem, key)
    if answer.trust_pem:
        await asyncio.to_thread(files.put_trust, answer.trust_pem)
    return answer.valid_until.ToMilliseconds() / 1000.0


async def renew(coordinator: str, agent_id: str, tls: TlsFiles, files: IdentityFiles) -> float:
    """Has the next identity made with the present one, and keeps it beside; when it ends.

    Raises as `enrol` does; the present identity stays as it was.
    """
    key = await asyncio.to_thread(_new_key)
    der = await asyncio.to_thread(_request, key, agent_id)
    request = edge.RenewRequest(certificate_request_der=der)
    async with open_channel(coordinator, tls) as channel:
        answer = await EdgeServiceStub(channel).Renew(request, timeout=ASK_S)
    _check_trust(answer.trust_pem)
    # Who is trusted comes first: a crash in between trusts more, and shows what it showed before.
    if answer.trust_pem:
        await asyncio.to_thread(files.put_trust, answer.trust_pem)
    await asyncio.to_thread(files.put_following, answer.certificate_chain_pem, key)
    fault = await asyncio.to_thread(_fault_of, files)
    if fault:
        await asyncio.to_thread(files.drop_following)
        raise LinkError(f"the renewed certificate is of no use: {fault}")
    return answer.valid_until.ToMilliseconds() / 1000.0


def _trust(settings: EnrolmentSettings, files: IdentityFiles) -> None:
    """Sees to it that somebody is trusted; what the configuration says goes before."""
    if settings.ca_file is not None:
        files.put_trust(settings.ca_file.read_text(encoding="ascii", errors="replace"))
    elif settings.ca_hash:
        from edge_agent.uplink.pinned import pinned_authority

        host, _, port = settings.address.rpartition(":")
        files.put_trust(pinned_authority(host.strip("[]"), int(port), settings.ca_hash))
    elif not files.trust.is_file():
        raise CertificateUnusable("nobody to trust: set tls.ca_file or uplink.ca_hash")


def _enrol_key(files: IdentityFiles) -> bytes:
    """The key of an enrolment that was begun, else a new one, kept."""
    try:
        key = files.enrol_key.read_bytes()
        _request(key, "check")
    except (OSError, ValueError):
        key = _new_key()
        files.put_enrol_key(key)
    return key


def _new_key() -> bytes:
    from edge_agent.uplink.signing_request import new_key

    return new_key()


def _request(key: bytes, agent_id: str) -> bytes:
    from edge_agent.uplink.signing_request import request_for

    return request_for(key, agent_id)


def _check_trust(pem: str) -> None:
    """Raises `LinkError` where the authorities that were told cannot be used."""
    if not pem:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise LinkError(f"the coordinator names authorities that are none: {error}") from error


def _fault_of(files: IdentityFiles) -> str:
    """Why the renewed identity cannot be shown; empty where it can."""
    try:
        certificates_in(files.following)
        return chain_fault(files.following, files.following, files.trust)
    except (OSError, ValueError) as error:
        return str(error)
