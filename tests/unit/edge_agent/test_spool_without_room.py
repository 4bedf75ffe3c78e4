"""S3: commits that fail at the disk itself, full or beyond a limit, are not durable and come again.

Nothing is patched: the kernel refuses the writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_disk import mounted

from edge_agent.core.reading import Detail, EvseStatus, Record, RecordKind, StatusSource
from edge_agent.errors import SpoolError
from edge_agent.uplink import spool as shell
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.spool_file import SpoolFile

pytestmark = pytest.mark.slow
# One commit of these does not fit into what SQLite may still have free in its file.
COUNT = 120


def faults(start: int) -> list[Record]:
    """News that are never thinned, with texts that do not compress to nothing."""
    return [
        Record(
            "A*1",
            RecordKind.FAULT,
            start + i,
            EvseStatus.OUTOFORDER,
            StatusSource.MODBUS,
            detail=Detail(text="".join(chr(33 + (i * 7919 + k * k * 31) % 90) for k in range(250))),
            urgent=True,
        )
        for i in range(COUNT)
    ]


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """Not one byte is free on the file system meanwhile."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def short_files(limit: int) -> Iterator[None]:
    """No file of this process may grow beyond the limit meanwhile: SQLite sees an I/O error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def largest_file(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.iterdir())


def stamps(file: SpoolFile) -> list[int]:
    found: list[int] = []
    position = 0
    while run := file.read_run(position, 1 << 62, 1000, 1 << 20):
        found += [record.observed_at_ms for record in run.records]
        position = run.position + len(run.records)
    return found


async def refused_until(spool: Spool) -> int:
    """Commits that were durable before the first that was not."""
    for turn in range(100):
        try:
            await spool.commit(faults(turn * COUNT))
        except SpoolError:
            return turn
    raise AssertionError("the disk took everything")


async def written_down(spool: Spool, count: int) -> None:
    """Returns once so many records are durable."""
    async with asyncio.timeout(60):
        while spool.committed < count:
            await asyncio.sleep(0.02)


async def test_S3_commit_on_a_full_disk_is_not_durable_and_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for it hears so, what was offered is kept, and numbers have no hole afterwards."""
    monkeypatch.setattr(shell, "RETRY_S", 0.05)
    with mounted(tmp_path / "disk", "size=3m") as folder:
        spool = Spool(folder, lambda: "one")
        await spool.start()
        await spool.commit(faults(1_000_000))
        with full(folder):
            good = await refused_until(spool)
            spool.offer(faults(2_000_000))
            with pytest.raises(SpoolError):
                await spool.commit(faults(3_000_000))
            said = spool.failing
        await written_down(spool, (good + 2) * COUNT)
        kept = await spool.call(stamps)
        gaps = await spool.call(lambda file: file.gaps())
        await spool.close()

    assert said
    assert not spool.failing
    assert gaps == []
    expected = [r.observed_at_ms for turn in range(good) for r in faults(turn * COUNT)]
    offered = [r.observed_at_ms for r in faults(2_000_000)]
    assert kept == [r.observed_at_ms for r in faults(1_000_000)] + expected + offered


async def test_S3_io_error_in_a_commit_is_not_durable_and_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that the kernel refuses in the middle of a commit leaves nothing of that commit."""
    monkeypatch.setattr(shell, "RETRY_S", 0.05)
    spool = Spool(tmp_path, lambda: "one")
    await spool.start()
    await spool.commit(faults(1_000_000))
    with short_files(largest_file(tmp_path) + 4_096):
        good = await refused_until(spool)
        spool.offer(faults(2_000_000))
    await written_down(spool, (good + 2) * COUNT)
    kept = await spool.call(stamps)
    await spool.close()

    expected = [r.observed_at_ms for turn in range(good) for r in faults(turn * COUNT)]
    offered = [r.observed_at_ms for r in faults(2_000_000)]
    assert kept == [r.observed_at_ms for r in faults(1_000_000)] + expected + offered
