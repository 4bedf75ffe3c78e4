"""Certificates made by the `openssl` command: authorities, servers, clients, good and bad ones."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    cert: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """One certificate authority in a folder of its own."""

    folder: Path
    own: Pair

    def issue(
        self,
        name: str,
        *,
        alt: str = "",
        start: str = "20200101000000Z",
        end: str = "20991231000000Z",
    ) -> Pair:
        """A certificate with that common name, valid between two instants."""
        stem = f"leaf-{len(list(self.folder.glob('leaf-*.key')))}"
        pair = Pair(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        request = self.folder / f"{stem}.csr"
        subject = "/CN=" + name.replace("/", "\\/")
        _openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", pair.key, "-out", request, "-subj", subject),
        )
        extensions = self.folder / f"{stem}.ext"
        extensions.write_text(
            "basicConstraints=CA:FALSE\n" + (f"subjectAltName={alt}\n" if alt else "")
        )
        _openssl(
            *("ca", "-batch", "-notext", "-config", self.folder / "ca.cnf", "-in", request),
            *("-out", pair.cert, "-extfile", extensions, "-startdate", start, "-enddate", end),
        )
        pair.key.chmod(0o600)
        return pair

    def sign(self, request: str) -> str:
        """The certificate for a signing request, both PEM."""
        name = f"signed-{len(list(self.folder.glob('signed-*.csr')))}"
        asked, made = self.folder / f"{name}.csr", self.folder / f"{name}.pem"
        asked.write_text(request)
        _openssl(
            *("ca", "-batch", "-notext", "-config", self.folder / "ca.cnf", "-in", asked),
            *("-out", made, "-startdate", "20200101000000Z", "-enddate", "20991231000000Z"),
        )
        return made.read_text()


def authority(folder: Path, *, days: int = 3650) -> Authority:
    """A fresh authority that is valid for that long; skips the test where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("hint: apt-get install openssl")
    folder.mkdir(parents=True)
    (folder / "index.txt").touch()
    (folder / "index.txt.attr").write_text("unique_subject = no\n")
    (folder / "serial").write_text("01\n")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=own\n[own]\n"
        f"database={folder}/index.txt\nserial={folder}/serial\nnew_certs_dir={folder}\n"
        f"certificate={folder}/ca.pem\nprivate_key={folder}/ca.key\n"
        "default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n"
    )
    own = Pair(folder / "ca.pem", folder / "ca.key")
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", own.key, "-out", own.cert, "-subj", f"/CN=CA {folder.name}"),
        *("-days", str(days)),
    )
    return Authority(folder, own)


def _openssl(*words: str | Path) -> None:
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
