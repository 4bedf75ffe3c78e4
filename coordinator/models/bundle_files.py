"""Reading the files of a bundle, once, and saying why not. What they mean is not looked at here."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

from coordinator.errors import BundleRefused
from coordinator.models.refusals import BundleUntrusted

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
_MOST_BYTES = 16 * 1024 * 1024

MAKE_ANEW = "make it anew with `pilewise train all --out FOLDER`, or use the bundled one"
COPY_ANEW = "copy the bundle again; if you changed it on purpose, train it anew"


def read_file(path: Path, *, alone: bool = False) -> bytes:
    """The bytes of a regular file of bearable size; links are not followed, nothing is waited for.

    What was looked at is what is read: both by the same descriptor. `alone`: the file must have
    no other name, by which it could be changed from elsewhere. Raises `BundleRefused`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise untrusted(path, "not a regular file")
            if alone and found.st_nlink != 1:
                raise untrusted(path, f"it has {found.st_nlink} names (hard links)")
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise untrusted(path, "not a regular file") from error
        raise refused(path, error.strerror or str(error), COPY_ANEW) from error
    if len(content) > _MOST_BYTES:
        raise refused(path, f"larger than {_MOST_BYTES // 2**20} MiB")
    return content


def sha256(content: bytes) -> str:
    """The hash as manifests write it."""
    return hashlib.sha256(content).hexdigest()


def refused(path: Path, why: str, hint: str = MAKE_ANEW) -> BundleRefused:
    """The error that names this file."""
    return BundleRefused(str(path), why, hint)


def untrusted(path: Path, why: str, hint: str = COPY_ANEW) -> BundleUntrusted:
    """The same for what somebody may have done on purpose."""
    return BundleUntrusted(str(path), why, hint)
