"""What a backup holds, and every reason for which one is not taken back."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import msgspec
import pytest

from coordinator.core.areas.ledger import Moment
from coordinator.store import backup as backup_module
from coordinator.store.backup import MANIFEST, RESTORED, Manifest, write_backup
from coordinator.store.backup_refusals import (
    BackupFailed,
    BackupUnusable,
    HalfRestored,
    RestoreRefused,
)
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.store.restore import forget_restored, restore_backup, restored_here
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.usecases.fences import FenceBehind, Fences

NEVER = threading.Event()


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """A data directory with fences, a key, and a folder of models."""
    folder = tmp_path / "data"
    folder.mkdir()
    claims = SqliteClaims(folder / "claims.db", Moment(1_000_000.0, 0.0))
    await claims.keep_fence("A*1", 7)
    telemetry = SqliteTelemetry(folder)
    await claims.close()
    await telemetry.close()
    (folder / "models" / "abc").mkdir(parents=True)
    (folder / "models" / "state.json").write_text("{}")
    (folder / "models" / "abc" / "ranker.onnx").write_bytes(os.urandom(5_000))
    (folder / "owner.lock").write_text("1\n")
    return folder


def fences_of(folder: Path) -> dict[str, int]:
    connection = sqlite3.connect(folder / "claims.db")
    found = dict(connection.execute("SELECT evse_id, fence FROM fence").fetchall())
    connection.close()
    return found


def test_a_backup_is_taken_back_as_it_was(data_dir: Path, tmp_path: Path) -> None:
    """Databases, models and keys are there again, keys for their owner only; the mark is set."""
    path = write_backup(data_dir, "d", tmp_path, 1_000.0, NEVER)
    manifest = restore_backup(path, tmp_path / "new")

    names = {entry.name for entry in manifest.entries}
    assert {"claims.db", "telemetry.db", "token.key", "models/abc/ranker.onnx"} <= names
    assert "owner.lock" not in names
    assert fences_of(tmp_path / "new") == {"A*1": 7}
    for name in names - {"claims.db", "telemetry.db"}:
        assert (tmp_path / "new" / name).read_bytes() == (data_dir / name).read_bytes()
    assert (tmp_path / "new" / "token.key").stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o600
    mark = restored_here(tmp_path / "new")
    assert mark is not None
    assert path.name in mark.behind


async def test_rows_written_while_it_copies_do_not_disturb_it(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is of one instant: what is committed after it began is not in it, and not lost."""
    claims = SqliteClaims(data_dir / "claims.db", Moment(1_000_000.0, 0.0))
    put_database = backup_module._put_database
    loop = asyncio.get_running_loop()

    def slowly(*given: object) -> object:
        asyncio.run_coroutine_threadsafe(claims.keep_fence("B*1", 9), loop).result(10)
        return put_database(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(backup_module, "_put_database", slowly)
    path = await asyncio.to_thread(write_backup, data_dir, "d", tmp_path, 1.0, NEVER)
    await claims.close()
    restore_backup(path, tmp_path / "new")

    assert fences_of(data_dir) == {"A*1": 7, "B*1": 9}
    assert fences_of(tmp_path / "new") == {"A*1": 7}


def test_a_directory_with_data_is_not_overwritten(data_dir: Path, tmp_path: Path) -> None:
    """A restore over data is refused by what is there, and nothing is touched."""
    path = write_backup(data_dir, "d", tmp_path / "b.tar", 1.0, NEVER)

    with pytest.raises(RestoreRefused, match=r"claims\.db"):
        restore_backup(path, data_dir)

    assert restored_here(data_dir) is None


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.999])
def test_a_truncated_backup_is_refused(data_dir: Path, tmp_path: Path, share: float) -> None:
    """However much of it is there, the directory stays empty."""
    path = write_backup(data_dir, "d", tmp_path / "b.tar", 1.0, NEVER)
    content = path.read_bytes()
    path.write_bytes(content[: int(_used(content) * share)])

    with pytest.raises(BackupUnusable):
        restore_backup(path, tmp_path / "new")

    assert not (tmp_path / "new" / "claims.db").exists()
    assert not (tmp_path / "new" / RESTORED).exists()


def _used(content: bytes) -> int:
    """The bytes of an archive without the zeros at its end."""
    return len(content.rstrip(b"\0"))


@pytest.mark.parametrize("name", ["claims.db", "telemetry.db", "token.key"])
def test_a_damaged_file_is_named(data_dir: Path, tmp_path: Path, name: str) -> None:
    """One flipped byte is found by its checksum before anything counts."""
    path = write_backup(data_dir, "d", tmp_path / "b.tar", 1.0, NEVER)
    with tarfile.open(path) as tar:
        member = tar.getmember(name)
        at = member.offset_data + member.size // 2
    content = bytearray(path.read_bytes())
    content[at] ^= 0x40
    path.write_bytes(content)

    with pytest.raises(BackupUnusable, match=name):
        restore_backup(path, tmp_path / "new")

    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["owner.lock"]


def _with_manifest(path: Path, change: dict[str, object]) -> None:
    """The same archive with another manifest."""
    with tarfile.open(path) as tar:
        contents = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        found = {name: file.read() for name, file in contents.items() if file is not None}
    found[MANIFEST] = msgspec.json.encode(json.loads(found[MANIFEST]) | change)
    with tarfile.open(path, "w") as tar:
        for name, content in found.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_a_newer_backup_is_refused_by_version(data_dir: Path, tmp_path: Path) -> None:
    """A migration unknown here, or another format, names the version that can take it."""
    path = write_backup(data_dir, "d", tmp_path / "b.tar", 1.0, NEVER)
    with tarfile.open(path) as tar:
        file = tar.extractfile(MANIFEST)
        assert file is not None
        manifest = msgspec.json.decode(file.read(), type=Manifest)
    entries = [
        msgspec.to_builtins(
            msgspec.structs.replace(e, migrations=(*e.migrations, "9999_future"))
            if e.name == "claims.db"
            else e
        )
        for e in manifest.entries
    ]

    _with_manifest(path, {"entries": entries, "version": "99.0"})
    with pytest.raises(BackupUnusable, match="9999_future") as newer:
        restore_backup(path, tmp_path / "new")
    _with_manifest(path, {"format": 2, "version": "99.0"})
    with pytest.raises(BackupUnusable, match="format"):
        restore_backup(path, tmp_path / "new")

    assert "99.0" in newer.value.hint


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "owner.lock", "restored.json"])
def test_a_name_that_leads_outside_is_refused(data_dir: Path, tmp_path: Path, name: str) -> None:
    """An archive made by hand writes nothing beside the data directory."""
    path = write_backup(data_dir, "d", tmp_path / "b.tar", 1.0, NEVER)
    evil = {"name": name, "size_bytes": 0, "sha256": "", "mode": 0o600, "migrations": []}
    _with_manifest(path, {"entries": [evil]})

    with pytest.raises(BackupUnusable, match="names a file"):
        restore_backup(path, tmp_path / "new")


def test_a_half_done_restore_is_begun_anew(data_dir: Path, tmp_path: Path) -> None:
    """Killed in the middle: no coordinator starts there, and the same restore succeeds."""
    path = write_backup(data_dir, "d", tmp_path / "b.tar", 1.0, NEVER)
    new = tmp_path / "new"
    restore_backup(path, new)
    mark = json.loads((new / RESTORED).read_bytes()) | {"whole": False}
    (new / RESTORED).write_text(json.dumps(mark))
    (new / "telemetry.db").unlink()

    with pytest.raises(HalfRestored):
        restored_here(new)
    restore_backup(path, new)

    assert restored_here(new) is not None
    assert (new / "telemetry.db").exists()


def test_a_backup_that_is_broken_off_leaves_nothing(data_dir: Path, tmp_path: Path) -> None:
    """Neither a whole file nor a part of one is left where somebody could find it."""
    cancelled = threading.Event()
    cancelled.set()
    (tmp_path / "to").mkdir()

    with pytest.raises(BackupFailed):
        write_backup(data_dir, "d", tmp_path / "to", 1.0, cancelled)

    assert list((tmp_path / "to").iterdir()) == []


def test_an_existing_file_is_not_overwritten(data_dir: Path, tmp_path: Path) -> None:
    """A backup is written to a new file, and not into the data directory itself."""
    path = write_backup(data_dir, "d", tmp_path / "b.tar", 1.0, NEVER)

    with pytest.raises(BackupFailed, match="already"):
        write_backup(data_dir, "d", path, 1.0, NEVER)
    with pytest.raises(BackupFailed, match="data directory"):
        write_backup(data_dir, "d", data_dir / "b.tar", 1.0, NEVER)


@pytest.mark.slow
@pytest.mark.parametrize("at_share", [0.1, 0.5, 0.9])
def test_a_killed_backup_leaves_nothing_that_a_restore_takes(
    data_dir: Path, tmp_path: Path, at_share: float
) -> None:
    """SIGKILL at any moment: no file has the name, and the rest is refused."""
    big = data_dir / "models" / "abc" / "big.bin"
    big.write_bytes(os.urandom(1 << 20) * 192)
    code = (
        "import threading, sys; from pathlib import Path;"
        "from coordinator.store.backup import write_backup;"
        "write_backup(Path(sys.argv[1]), 'd', Path(sys.argv[2]), 1.0, threading.Event())"
    )
    path = tmp_path / "b.tar"
    partial = tmp_path / ".b.tar.partial"
    process = subprocess.Popen([sys.executable, "-c", code, str(data_dir), str(path)])
    end_s = time.monotonic() + 30.0
    while not partial.exists() or partial.stat().st_size < at_share * big.stat().st_size:
        assert time.monotonic() < end_s
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)

    assert not path.exists()
    with pytest.raises(BackupUnusable):
        restore_backup(partial, tmp_path / "new")
    shutil.rmtree(tmp_path / "new", ignore_errors=True)
    big.unlink()
    restore_backup(write_backup(data_dir, "d", path, 1.0, NEVER), tmp_path / "new")
    assert fences_of(tmp_path / "new") == {"A*1": 7}


async def test_fences_behind_issue_nothing_until_advanced(data_dir: Path) -> None:
    """Two agents that know more than the store stop it, one does not; advancing is durable."""
    claims = SqliteClaims(data_dir / "claims.db", Moment(1_000_000.0, 0.0))
    fences = Fences(claims, agent_count=lambda: 3, known={"A*1", "B*1"})
    fences.hear("A*1", 11, "G1")
    alone = fences.behind
    fences.hear("B*1", 5, "G2")

    with pytest.raises(FenceBehind):
        await fences.issue("A*1", 0.0)
    assert await fences.advance(["A*1"], 1_000, 0.0) == 1
    await claims.close()

    assert (alone, fences.behind) == ("", "")
    assert fences_of(data_dir) == {"A*1": 1_011}


def test_a_pile_that_moves_in_stops_nobody() -> None:
    """An EVSE that never had a fence here takes the one that its agent brings."""
    fences = Fences(_Kept({"B*1": 5}), known={"B*1"})
    fences.hear("A*1", 900, "G1")

    assert fences.behind == ""
    assert fences.floor("A*1") == 900


class _Kept:
    def __init__(self, fences: dict[str, int]) -> None:
        self.fences = fences

    async def keep_fence(self, evse_id: str, fence: int) -> int:
        self.fences[evse_id] = fence
        return fence


def test_forgetting_a_restore_is_durable(tmp_path: Path) -> None:
    """Without its mark a directory is like any other."""
    assert restored_here(tmp_path) is None
    forget_restored(tmp_path)
    assert restored_here(tmp_path) is None
