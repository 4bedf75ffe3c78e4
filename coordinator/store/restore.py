"""A backup taken back into an empty data directory, checked before anything counts.

What a backup is made of is in `backup.py`. Until a restore has ended, `restored.json` says that it
is half done; afterwards it says what was restored, until the fences have been advanced.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, Final

import msgspec

from coordinator.store import claims_rows, schema
from coordinator.store.backup import FORMAT, MANIFEST, RESTORED, Manifest, sync_folder
from coordinator.store.backup_refusals import BackupUnusable, HalfRestored, RestoreRefused
from coordinator.store.database import DirectoryLock, MigrationSet

_PIECE_BYTES: Final = 1 << 20
_MANIFEST_LIMIT: Final = 16 << 20
_LOCK: Final = "owner.lock"
# A folder that is a file system of its own is never quite empty.
_MEANS_NOTHING: Final = frozenset({_LOCK, "lost+found"})
_KNOWN: Final[dict[str, MigrationSet]] = {
    "claims.db": claims_rows.migrations,
    "telemetry.db": schema.telemetry,
}


class Restored(msgspec.Struct, frozen=True):
    """What was restored here and waits for its fences to be advanced; `cause` where nobody did."""

    backup: str
    district: str
    taken_at_s: float
    whole: bool
    cause: str = ""

    @property
    def behind(self) -> str:
        """Why the fences are behind, for people."""
        return self.cause or f"restored from {self.backup}"


def read_manifest(path: Path) -> Manifest:
    """What a backup says of itself; raises `BackupUnusable`."""
    try:
        with tarfile.open(path) as tar:
            return _manifest(path, tar)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise BackupUnusable(str(path), f"it is no whole archive ({error})") from error


def restore_backup(path: Path, data_dir: Path) -> Manifest:
    """Unpacks a backup into an empty directory; a half-restored one is begun anew.

    Raises `BackupUnusable` and `RestoreRefused`, after which the directory is empty as before,
    `DirectoryBusy` and `DirectoryUnusable`.
    """
    manifest = read_manifest(path)
    lock = DirectoryLock(data_dir)
    try:
        _check_empty(data_dir)
        restored = Restored(path.name, manifest.district, manifest.taken_at_s, whole=False)
        _write_mark(data_dir, restored)
        try:
            with tarfile.open(path) as tar:
                _unpack(path, tar, manifest, data_dir)
            for entry in manifest.entries:
                if entry.name.endswith(".db"):
                    _check_database(path, data_dir / entry.name)
            _sync(data_dir)
            _write_mark(data_dir, msgspec.structs.replace(restored, whole=True))
        except BaseException as error:
            _empty(data_dir)
            if isinstance(error, OSError | tarfile.TarError | EOFError):
                raise BackupUnusable(str(path), str(error)) from error
            raise
    finally:
        lock.release()
    return manifest


def restored_here(data_dir: Path) -> Restored | None:
    """What was restored here and is not advanced yet; raises `HalfRestored`."""
    try:
        content = (data_dir / RESTORED).read_bytes()
    except FileNotFoundError:
        return None
    try:
        mark = msgspec.json.decode(content, type=Restored)
    except msgspec.MsgspecError:
        raise HalfRestored(str(data_dir)) from None
    if not mark.whole:
        raise HalfRestored(str(data_dir))
    return mark


def note_older(data_dir: Path, district: str, cause: str) -> Restored:
    """The files here are older than what was told, as after a restore; durable when it returns."""
    mark = Restored("", district, 0.0, whole=True, cause=cause)
    _write_mark(data_dir, mark)
    return mark


def forget_restored(data_dir: Path) -> None:
    """The fences have been advanced; durable when this returns."""
    (data_dir / RESTORED).unlink(missing_ok=True)
    sync_folder(data_dir)


def _manifest(path: Path, tar: tarfile.TarFile) -> Manifest:
    members = tar.getmembers()
    if not members or members[-1].name != MANIFEST or members[-1].size > _MANIFEST_LIMIT:
        raise BackupUnusable(str(path), "it does not end with a manifest: it is not whole")
    file = tar.extractfile(members[-1])
    try:
        manifest = msgspec.json.decode(file.read() if file else b"", type=Manifest)
    except msgspec.MsgspecError as error:
        raise BackupUnusable(str(path), f"its manifest cannot be read ({error})") from error
    if manifest.format != FORMAT:
        hint = f"restore it with version {manifest.version}, which made it"
        raise BackupUnusable(str(path), f"its format is {manifest.format}, not {FORMAT}", hint)
    for entry in manifest.entries:
        pure = PurePosixPath(entry.name)
        if pure.is_absolute() or ".." in pure.parts or entry.name in ("", RESTORED, _LOCK):
            raise BackupUnusable(str(path), f"it names a file {entry.name!r}")
        known = _KNOWN.get(entry.name)
        if known is not None:
            _check_version(path, manifest, entry.name, entry.migrations, known)
    if not _KNOWN.keys() <= {entry.name for entry in manifest.entries}:
        raise BackupUnusable(str(path), f"it lacks one of {', '.join(_KNOWN)}")
    return manifest


def _check_version(
    path: Path, manifest: Manifest, name: str, seen: tuple[str, ...], known: MigrationSet
) -> None:
    from sqlite_utils import Database

    newer = set(seen) - {entry.name for entry in known.pending(Database(memory=True))}
    if newer:
        why = f"{name} has changes unknown here: {', '.join(sorted(newer))}"
        raise BackupUnusable(str(path), why, f"restore it with version {manifest.version} or newer")


def _check_empty(data_dir: Path) -> None:
    present = {entry.name for entry in data_dir.iterdir()} - _MEANS_NOTHING
    if not present:
        return
    try:
        restored_here(data_dir)
    except HalfRestored:
        _empty(data_dir)
        return
    raise RestoreRefused(str(data_dir), f"it holds {', '.join(sorted(present)[:4])}")


def _empty(data_dir: Path) -> None:
    """Removes what a restore has written; the mark goes last."""
    entries = [e for e in data_dir.iterdir() if e.name not in _MEANS_NOTHING]
    for entry in sorted(entries, key=lambda e: e.name == RESTORED):
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _unpack(path: Path, tar: tarfile.TarFile, manifest: Manifest, data_dir: Path) -> None:
    for entry in manifest.entries:
        try:
            source = tar.extractfile(tar.getmember(entry.name))
        except KeyError:
            source = None
        if source is None:
            raise BackupUnusable(str(path), f"{entry.name} is missing in it")
        target = data_dir / entry.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(target, flags, entry.mode & 0o777), "wb") as file:
            size, digest = _copy(source, file)
            file.flush()
            os.fsync(file.fileno())
        if (size, digest) != (entry.size_bytes, entry.sha256):
            raise BackupUnusable(str(path), f"{entry.name} is damaged in it")


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[int, str]:
    sha256, size = hashlib.sha256(), 0
    while piece := source.read(_PIECE_BYTES):
        sha256.update(piece)
        target.write(piece)
        size += len(piece)
    return size, sha256.hexdigest()


def _check_database(path: Path, database: Path) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        with contextlib.closing(connection.execute("PRAGMA quick_check")) as found:
            verdict = found.fetchone()[0]
    except sqlite3.Error as error:
        verdict = str(error)
    finally:
        connection.close()
    if verdict != "ok":
        raise BackupUnusable(str(path), f"{database.name} is damaged in it: {verdict}")


def _sync(data_dir: Path) -> None:
    for folder in (data_dir, *(p for p in data_dir.rglob("*") if p.is_dir())):
        sync_folder(folder)


def _write_mark(data_dir: Path, mark: Restored) -> None:
    new = data_dir / f"{RESTORED}.tmp"
    with new.open("wb") as file:
        file.write(msgspec.json.encode(mark))
        file.flush()
        os.fsync(file.fileno())
    new.replace(data_dir / RESTORED)
    sync_folder(data_dir)
