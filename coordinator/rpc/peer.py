"""Who calls, as the transport proves it: never what a header or a message says.

What a caller may do is decided in `usecases/agent_register.py`.
"""

from __future__ import annotations

from coordinator.core.identity import AgentIdentity, read_agent_uri
from coordinator.rpc.server import Context


def agent_identity(context: Context) -> AgentIdentity | None:
    """The agent whose certificate was verified on this connection; None where there was none."""
    proved = context.auth_context()
    uris = list(proved.get("peer_spiffe_id", ()))
    if len(uris) != 1:
        return None
    named = read_agent_uri(uris[0].decode("ascii", "replace"))
    if named is None:
        return None
    return AgentIdentity(*named, _serial_of(next(iter(proved.get("x509_pem_cert", ())), b"")))


def _serial_of(pem: bytes) -> int:
    # Only who shows a certificate pays for this.
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem).serial_number if pem else 0
