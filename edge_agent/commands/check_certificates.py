"""What the doctor says of certificate files: dates, keys, and who signed them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from edge_agent.commands.finding import Finding, error, ok, warning
from edge_agent.config import Config

DAY_S: Final = 86_400
WARNING_DAYS: Final = 14


def check_certificates(config: Config) -> Iterator[Finding]:
    """Every certificate that the configuration names."""
    folder = Path(config.source.file).parent
    if config.tls is not None:
        tls = config.tls
        yield from check_pair(folder, tls.cert_file, tls.key_file, tls.ca_file)
    if config.ocpp is not None and config.ocpp.cert_file:
        yield from check_pair(folder, config.ocpp.cert_file, config.ocpp.key_file, None)


def check_pair(
    folder: Path, cert_file: str | None, key_file: str | None, ca_file: str | None
) -> Iterator[Finding]:
    """A certificate with its key, and the authority that should have signed it."""
    try:
        authorities = _authorities(folder / ca_file) if ca_file else []
        for authority in authorities:
            yield _dated(ca_file or "", authority)
        if cert_file is None:
            return
        own = decoded(folder / cert_file)
        yield _dated(cert_file, own)
        if key_file is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
                folder / cert_file, folder / key_file, password=_no_password
            )
    except (OSError, ValueError) as fault:
        hint = "write PEM files: the leaf first, and the key that belongs to it"
        yield error("certificate", f"{cert_file or ca_file}: {fault}", hint)
        return
    if authorities and own.get("issuer") not in [a.get("subject") for a in authorities]:
        issuer = _name(own.get("issuer", ()))
        text = f"{cert_file} was signed by {issuer}, whom {ca_file} does not hold"
        yield warning("certificate", text, "well where the coordinator trusts another authority")


def decoded(path: Path) -> dict[str, Any]:
    """The first certificate of a PEM file, as `ssl` tells a peer's; raises OSError, ValueError."""
    # The interpreter's own decoder; the agent is to load no cryptography library for a date.
    try:
        found: dict[str, Any] = ssl._ssl._test_decode_cert(str(path))  # type: ignore[attr-defined]
    except ssl.SSLError as fault:
        raise ValueError(f"no certificate: {fault}") from fault
    return found


def _authorities(path: Path) -> list[dict[str, Any]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=path)
    return list(context.get_ca_certs())


def _dated(name: str, certificate: dict[str, Any]) -> Finding:
    now_s = time.time()
    begins_s = ssl.cert_time_to_seconds(certificate["notBefore"])
    ends_s = ssl.cert_time_to_seconds(certificate["notAfter"])
    clock = "or this gateway's clock is wrong: see the finding `clock`"
    if now_s < begins_s:
        text = f"{name} is not valid before {certificate['notBefore']}"
        return error("certificate", text, f"wait, {clock}")
    if now_s >= ends_s:
        text = f"{name} ended on {certificate['notAfter']}"
        return error("certificate", text, f"enrol anew, {clock}")
    left = (ends_s - now_s) / DAY_S
    text = f"{name} of {_name(certificate['subject'])} is valid for {left:.0f} days"
    if left < WARNING_DAYS:
        return warning("certificate", text, "see why it is not renewed")
    return ok("certificate", text)


def _name(parts: Any) -> str:
    """The common name of a subject or issuer."""
    words = {key: value for part in parts for key, value in part}
    return str(words.get("commonName", "an unnamed holder"))


def _no_password() -> str:
    raise ValueError("the key is locked with a password; nobody can type it on a gateway")
