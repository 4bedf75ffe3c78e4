"""Sections `[tls]` and `[enrolment]`: the certificate shown, those taken, and those given.

Other sections are in `config.py`; the files are read in `trust/server_files.py`.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from coordinator.addresses import address_faults
from coordinator.errors import Problem

FILES = ("cert_file", "key_file", "client_ca_file")


class TlsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Secured listeners; without cert_file there are none, and only loopback can be served.

    With it `coordinator.listen` speaks TLS, and agents need certificates.
    """

    # PEM: the server's chain, leaf first. Replaced files count from the next connection on.
    cert_file: str = ""
    # PEM; empty: the key is in cert_file, which then is a secret.
    key_file: str = ""
    # PEM: the authorities whose agents may connect.
    client_ca_file: str = ""
    # host:port where agents connect, showing their certificates; cars and operators use
    # coordinator.listen, where no certificate is asked for.
    agents_listen: str = ""

    @property
    def enabled(self) -> bool:
        """Whether anything is secured."""
        return bool(self.cert_file)


class EnrolmentSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How agents come to their certificates; without ca_dir none are issued here."""

    # Folder of the district's own authority.
    ca_dir: str = ""
    certificate_days: Annotated[float, msgspec.Meta(gt=0, le=825)] = 7.0
    token_hours: Annotated[float, msgspec.Meta(gt=0, le=720)] = 24.0


def enrolment_faults(section: Any, tls: Any, where: Callable[[str], str]) -> Iterator[Problem]:
    """An authority without listeners that would take its certificates, or without its files."""
    folder = section.get("ca_dir") if isinstance(section, dict) else None
    if not isinstance(folder, str) or not folder:
        return
    if not isinstance(tls, dict) or not tls.get("agents_listen"):
        text = "enrolment.ca_dir needs tls.agents_listen beside it"
        yield Problem("CFG-004", where("ca_dir"), text, hint="see docs/trust.md")
    if not (Path(folder) / "authority.pem").is_file():
        text = f"ca_dir: {folder} holds no authority"
        yield Problem("CFG-013", where("ca_dir"), text, hint="pilewise coordinator ca init")


def tls_faults(section: Any, where: Callable[[str], str]) -> Iterator[Problem]:
    """Everything in the section that its types cannot show; `where` gives file and line of a key.

    A value of the wrong type is told elsewhere.
    """
    if not isinstance(section, dict) or not all(isinstance(v, str) for v in section.values()):
        return
    given = {key: value for key, value in section.items() if value}
    for key, needs in (
        ("key_file", "cert_file"),
        ("client_ca_file", "cert_file"),
        ("agents_listen", "cert_file"),
        ("agents_listen", "client_ca_file"),
        ("client_ca_file", "agents_listen"),
    ):
        if key in given and needs not in given:
            text = f"tls.{key} needs tls.{needs} beside it"
            yield Problem("CFG-004", where(key), text, hint="see docs/trust.md")
    for key in FILES:
        if key in given:
            secret = key == "key_file" or (key == "cert_file" and "key_file" not in given)
            yield from _file_faults(key, Path(given[key]), where(key), secret=secret)
    if "agents_listen" in given:
        where_it_is = where("agents_listen")
        yield from address_faults("agents_listen", given["agents_listen"], where_it_is, tls=True)


def _file_faults(key: str, path: Path, where: str, *, secret: bool) -> Iterator[Problem]:
    try:
        mode = path.stat().st_mode
        with path.open("rb"):
            pass
    except OSError as error:
        hint = "pilewise coordinator ca init, then ca issue-server, make such files"
        yield Problem("CFG-013", where, f"{key}: {path}: {error.strerror}", hint=hint)
        return
    if secret and mode & (stat.S_IRWXG | stat.S_IRWXO):
        text = f"{key}: {path} may be read by others"
        yield Problem("CFG-013", where, text, hint=f"chmod 600 {path}")
