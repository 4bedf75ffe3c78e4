"""What the doctor says of certificate files: dates, keys, and who signed them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from edge_agent.commands.finding import Finding, error, ok, warning
from edge_agent.config import Config
from edge_agent.uplink.certificate import decoded, load_pair, out_of_date

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
    if config.ocpp is not None:
        ocpp = config.ocpp
        # The operator's system may trust another authority than the one that signed its own.
        for cert_file, key_file, ca_file in (
            (None, None, ocpp.ca_file),
            (None, None, ocpp.upstream_ca_file),
            (ocpp.upstream_cert_file, ocpp.upstream_key_file, None),
        ):
            yield from check_pair(folder, cert_file, key_file, ca_file)


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
            load_pair(folder / cert_file, folder / key_file)
    except (OSError, ValueError) as fault:
        hint = "write PEM files: the leaf first, and the key that belongs to it"
        yield error("certificate", f"{cert_file or ca_file}: {fault}", hint)
        return
    if authorities and own.get("issuer") not in [a.get("subject") for a in authorities]:
        issuer = _name(own.get("issuer", ()))
        text = f"{cert_file} was signed by {issuer}, whom {ca_file} does not hold"
        yield warning("certificate", text, "well where the coordinator trusts another authority")


def _authorities(path: Path) -> list[dict[str, Any]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=path)
    return list(context.get_ca_certs())


def _dated(name: str, certificate: dict[str, Any]) -> Finding:
    now_s = time.time()
    ends_s = ssl.cert_time_to_seconds(certificate["notAfter"])
    if fault := out_of_date(certificate, now_s):
        todo = "enrol anew" if now_s >= ends_s else "wait"
        hint = f"{todo}, or this gateway's clock is wrong: see the finding `clock`"
        return error("certificate", f"{name} {fault}", hint)
    left = (ends_s - now_s) / DAY_S
    text = f"{name} of {_name(certificate['subject'])} is valid for {left:.0f} days"
    if left < WARNING_DAYS:
        return warning("certificate", text, "see why it is not renewed")
    return ok("certificate", text)


def _name(parts: Any) -> str:
    """The common name of a subject or issuer."""
    words = {key: value for part in parts for key, value in part}
    return str(words.get("commonName", "an unnamed holder"))
