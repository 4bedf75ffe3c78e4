"""The agent's own key and certificate on the disk, so that no crash leaves it without one.

    identity.pem         chain and key in one file, 0600: the identity that was used last
    identity.next.pem    a renewed one that no coordinator has welcomed yet
    enrol.key            the key of an enrolment under way: its answer may be asked for again
    trust.pem            the authorities that the coordinator's certificate is judged by

What is asked of the coordinator is in `enrolment.py`, which identity a stream shows in
`credentials.py`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

SECRET: Final = 0o600
PUBLIC: Final = 0o644


class IdentityFiles:
    """The folder of one agent's identity; raises OSError where the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.present = folder / "identity.pem"
        self.following = folder / "identity.next.pem"
        self.enrol_key = folder / "enrol.key"
        self.trust = folder / "trust.pem"

    @property
    def newest(self) -> Path | None:
        """The renewed identity, else the present one; None before the enrolment."""
        return next((path for path in (self.following, self.present) if path.is_file()), None)

    def put_trust(self, pem: str) -> None:
        """Trusts these authorities from now on."""
        self._put(self.trust, pem.encode(), PUBLIC)

    def put_enrol_key(self, pem: bytes) -> None:
        """Keeps the key with which an enrolment is asked for."""
        self._put(self.enrol_key, pem, SECRET)

    def put_enrolled(self, chain_pem: str, key_pem: bytes) -> None:
        """Keeps a first identity; whatever was before is gone."""
        self._put(self.present, chain_pem.encode() + key_pem, SECRET)
        for path in (self.following, self.enrol_key):
            path.unlink(missing_ok=True)

    def put_following(self, chain_pem: str, key_pem: bytes) -> None:
        """Keeps a renewed identity beside the present one."""
        self._put(self.following, chain_pem.encode() + key_pem, SECRET)

    def promote(self) -> None:
        """The renewed identity was welcomed: it takes the place of the former."""
        self.following.replace(self.present)
        self._settle()

    def drop_following(self) -> None:
        """The renewed identity was of no use."""
        self.following.unlink(missing_ok=True)

    def _put(self, path: Path, content: bytes, mode: int) -> None:
        """Puts a file in its place, whole and durably; the former one stays until then."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                aside.unlink()
            raise
        self._settle()

    def _settle(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
