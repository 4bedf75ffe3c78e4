"""Why the operator's system cannot be reached, in words that name the setting to look at."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Final

from websockets.exceptions import InvalidMessage, InvalidStatus, NegotiationError

from edge_agent.piles.ocpp_tls import reason_of

_STATUS_HINTS: Final = {
    401: "look at upstream_password_file",
    403: "look at upstream_password_file and upstream_cert_file",
    404: "it does not know this charge point, or the path of upstream is wrong",
}


def trouble_of(error: BaseException, *, secure: bool, certified: bool) -> tuple[str, bool]:
    """What is wrong, and whether trying often is vain.

    `secure` says that wss:// was dialled, `certified` that a client certificate was shown.
    """
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"{reason_of(cause)}; look at upstream_ca_file and the clock", True
        if isinstance(cause, ssl.SSLError):
            refused = "ALERT" in (cause.reason or "") and "CERT" in (cause.reason or "")
            note = _wish(certified) if refused else ""
            return reason_of(cause) + note, True
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        hint = _STATUS_HINTS.get(status, "")
        why = f"it refused the handshake with HTTP {status}"
        return f"{why}; {hint}" if hint else why, status < 500
    if isinstance(error, NegotiationError):
        return f"no OCPP version was agreed on: {error}", True
    if secure and isinstance(error, InvalidMessage | ConnectionResetError):
        return f"it hung up after the TLS handshake{_wish(certified)}", False
    return reason_of(error), False


def _wish(certified: bool) -> str:
    which = "another" if certified else "a"
    return f": it may want {which} client certificate (upstream_cert_file)"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, nearest first."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
