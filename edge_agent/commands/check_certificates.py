"""What the doctor says of certificate files: dates, keys, and who signed them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from edge_agent.commands.finding import Finding, error, ok, warning
from edge_agent.config import Config
from edge_agent.core.certificate import DAY_S, CertificateFacts
from edge_agent.parts import identity_dir
from edge_agent.uplink.certificate import certificates_in, chain_fault, load_pair


def check_certificates(config: Config) -> Iterator[Finding]:
    """Every certificate that the configuration names."""
    folder = Path(config.source.file).parent
    identity = identity_dir(config)
    if identity is not None:
        if (identity / "identity.pem").is_file():
            yield from check_pair(identity, "identity.pem", "identity.pem", "trust.pem")
        else:
            text = f"this agent is not enrolled at {config.uplink.enrol_at}"
            yield error("certificate", text, "pilewise agent enroll, with a token of the operator")
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
    fault = ""
    try:
        for authority in certificates_in(folder / ca_file) if ca_file else ():
            yield _dated(ca_file or "", authority)
        if cert_file is None:
            return
        own = certificates_in(folder / cert_file)[0]
        yield _dated(cert_file, own)
        if key_file is not None:
            load_pair(folder / cert_file, folder / key_file)
            if ca_file is not None:
                fault = chain_fault(folder / cert_file, folder / key_file, folder / ca_file)
    except (OSError, ValueError) as wrong:
        hint = "write PEM files: the leaf first, and the key that belongs to it"
        yield error("certificate", f"{cert_file or ca_file}: {wrong}", hint)
        return
    # What is wrong with dates was said above.
    if fault and not own.out_of_date(time.time()):
        signer = own.issuer or "an unnamed authority"
        text = f"{cert_file}, signed by {signer}, is not vouched for by {ca_file}: {fault}"
        yield warning("certificate", text, "well where the coordinator trusts another authority")


def _dated(name: str, certificate: CertificateFacts) -> Finding:
    now_s = time.time()
    if fault := certificate.out_of_date(now_s):
        todo = "enrol anew" if now_s >= certificate.ends_s else "wait"
        hint = f"{todo}, or this gateway's clock is wrong: see the finding `clock`"
        return error("certificate", f"{name} {fault}", hint)
    left = (certificate.ends_s - now_s) / DAY_S
    holder = certificate.subject or "an unnamed holder"
    text = f"{name} of {holder} is valid for {left:.0f} days"
    if certificate.alarm_day(now_s) is not None:
        return warning("certificate", text, "see why it is not renewed")
    return ok("certificate", text)
