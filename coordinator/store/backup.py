"""A copy of a data directory in one file, made while the coordinator runs.

What is read back, and when that is refused, is in `restore.py`.

The file is a tar archive: every database as of one instant (all read transactions are open before
the first page is copied, claims first), every other file as it is, and last of all `manifest.json`
with sizes and SHA-256. It grows under the name `.NAME.partial` and gets its own when it is
durable, so that a file with a backup's name is a whole one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sqlite3
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from coordinator.store.backup_refusals import BackupFailed
from pilewise.version import __version__

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
# Made by a restore; says in a data directory that its fences are behind.
RESTORED: Final = "restored.json"
# Answers go from claims.db to the archive in telemetry.db: copied later, nothing is in neither.
FIRST: Final = "claims.db"
_PAGES_AT_ONCE: Final = 512
_NOT_COPIED: Final = ("owner.lock", RESTORED)
_PASSING: Final = ("-wal", "-shm", "-journal", ".tmp", ".partial")


class Entry(msgspec.Struct, frozen=True):
    """One file of a backup; `migrations` are those that a database had seen."""

    name: str
    size_bytes: int
    sha256: str
    mode: int
    migrations: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself."""

    format: int
    district: str
    version: str
    taken_at_s: float
    entries: tuple[Entry, ...]


def default_name(district: str, at_s: float) -> str:
    """The name of a backup that was not given one."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_s))
    return f"pilewise-{district}-{stamp}.tar"


def write_backup(
    data_dir: Path, district: str, place: Path, at_s: float, cancelled: threading.Event
) -> Path:
    """Writes a backup to this file, or into this folder; gives back its path.

    Blocks for as long as the copy takes. Raises `BackupFailed`; then nothing is left behind.
    """
    path = place
    if place.is_dir():
        path = place / default_name(district, at_s)
        for killed in place.glob(f".pilewise-{district}-*.partial"):
            killed.unlink(missing_ok=True)
    if path.exists():
        raise BackupFailed(str(path), "there is such a file already", "name another one")
    if data_dir.resolve() in path.resolve().parents:
        raise BackupFailed(str(path), "it lies in the data directory itself", "name another folder")
    partial = path.with_name(f".{path.name}.partial")
    try:
        # Whoever reads it can take the place of this coordinator: keys are in it.
        file = os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b")
        with file:
            _write(data_dir, file, partial, district, at_s, cancelled)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise BackupFailed(str(path), why or str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def sync_folder(folder: Path) -> None:
    """Makes names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(
    data_dir: Path,
    file: IO[bytes],
    partial: Path,
    district: str,
    at_s: float,
    cancelled: threading.Event,
) -> None:
    names = sorted(_names(data_dir), key=lambda name: (name != FIRST, name))
    entries: list[Entry] = []
    with contextlib.ExitStack() as open_now:
        databases = {
            name: open_now.enter_context(_snapshot(data_dir / name))
            for name in names
            if name.endswith(".db")
        }
        tar = open_now.enter_context(tarfile.open(fileobj=file, mode="w"))
        for name in names:
            if cancelled.is_set():
                raise OSError(None, "it was broken off")
            if name in databases:
                entries.append(_put_database(tar, partial, name, databases[name], cancelled))
            else:
                entries.append(_put_file(tar, data_dir / name, name))
        manifest = Manifest(FORMAT, district, __version__, at_s, tuple(entries))
        _put_bytes(tar, MANIFEST, msgspec.json.encode(manifest))


def _names(data_dir: Path) -> Iterator[str]:
    """Files of a data directory that belong into a backup, relative to it."""
    for path in data_dir.rglob("*"):
        name = str(path.relative_to(data_dir))
        if path.is_symlink() or not path.is_file() or name in _NOT_COPIED:
            continue
        if not name.endswith(_PASSING):
            yield name


@contextlib.contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees the database as it is now, whatever is written meanwhile."""
    connection = sqlite3.connect(
        f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection
    finally:
        connection.close()


def _put_database(
    tar: tarfile.TarFile,
    partial: Path,
    name: str,
    snapshot: sqlite3.Connection,
    cancelled: threading.Event,
) -> Entry:
    """The database as its snapshot saw it; copied beside the archive first, to know its size."""

    def watch(status: int, remaining: int, total: int) -> None:
        if cancelled.is_set():
            raise OSError(None, "it was broken off")

    copy = partial.with_name(f"{partial.name}.{name.replace('/', '_')}.partial")
    try:
        os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        target = sqlite3.connect(copy, isolation_level=None)
        try:
            target.execute("PRAGMA synchronous=OFF")  # the archive is synced, not this copy
            snapshot.backup(target, pages=_PAGES_AT_ONCE, progress=watch, sleep=0.0)
            target.execute("PRAGMA journal_mode=DELETE")
            migrations = _migrations(target)
        finally:
            target.close()
        entry = _put_file(tar, copy, name)
    finally:
        copy.unlink(missing_ok=True)
    return msgspec.structs.replace(entry, migrations=migrations)


def _migrations(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The names of the migrations that a database has seen."""
    query = "SELECT name FROM _sqlite_migrations ORDER BY name"
    with contextlib.suppress(sqlite3.OperationalError):
        return tuple(row[0] for row in connection.execute(query))
    return ()


def _put_file(tar: tarfile.TarFile, path: Path, name: str) -> Entry:
    """Adds a file as it is now, whatever its size becomes meanwhile."""
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        info = tarfile.TarInfo(name)
        info.size, info.mtime = stat.st_size, int(stat.st_mtime)
        info.mode = stat.st_mode & 0o777
        reading = _Hashing(file)
        tar.addfile(info, cast(IO[bytes], reading))
    return Entry(name, info.size, reading.sha256.hexdigest(), info.mode)


def _put_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    tar.addfile(info, io.BytesIO(content))


class _Hashing:
    """Reads a file and hashes what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """So many bytes."""
        piece = self._file.read(size)
        self.sha256.update(piece)
        return piece
