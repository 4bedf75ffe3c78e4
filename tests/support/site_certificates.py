"""Certificates of a test's own authority, made with the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

OPENSSL = shutil.which("openssl")


def certificates(
    folder: Path, host: str = "localhost", authority: str = "site"
) -> tuple[Path, Path, Path]:
    """Files of the authority, of a certificate for the host, and of its key; skips without tool."""
    if OPENSSL is None:
        pytest.skip("hint: apt-get install openssl")
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    cert, key, request = folder / "host.pem", folder / "host.key", folder / "host.csr"
    names = folder / "names.cnf"
    names.write_text(f"subjectAltName=DNS:{host},IP:127.0.0.1\n")
    valid = ["-days", "30", "-extfile", names, "-out", cert]
    self_signed = ["-subj", f"/CN={authority}", "-days", "30"]
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    steps = (
        ["req", "-x509", *new, *self_signed, "-keyout", ca_key, "-out", ca],
        ["req", *new, "-subj", f"/CN={host}", "-keyout", key, "-out", request],
        ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", *valid],
    )
    for step in steps:
        subprocess.run([OPENSSL, *map(str, step)], check=True, capture_output=True, timeout=30)
    key.chmod(0o600)
    return ca, cert, key
