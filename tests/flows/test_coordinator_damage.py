"""S4: the coordinator's files are damaged while it does not run."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from told_district import ToldDistrict

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(420)]
PAGE = 4096


@pytest.fixture
async def district(tmp_path: Path) -> AsyncIterator[ToldDistrict]:
    """A district with promises and readings in its files, at rest."""
    made = ToldDistrict(tmp_path)
    await made.open()
    try:
        async with made.load(random.Random(43)):
            await asyncio.sleep(2.0)
        assert await made.process.stop() == 0
        yield made
    finally:
        await made.process.stop()


def spoil(path: Path, page: int) -> None:
    """Writes noise over one page."""
    raw = bytearray(path.read_bytes())
    raw[page * PAGE : (page + 1) * PAGE] = random.Random(page).randbytes(PAGE)
    path.write_bytes(raw)


def leaf(path: Path, table: str) -> int:
    """A page in the middle of a table that holds rows."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        root = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)
        ).fetchone()[0]
    raw = path.read_bytes()
    start = (root - 1) * PAGE
    assert raw[start] == 5, "the table is one page"  # an interior page of a table
    count = int.from_bytes(raw[start + 3 : start + 5], "big")
    cell = start + int.from_bytes(raw[start + 12 + count // 2 * 2 :][:2], "big")
    return int.from_bytes(raw[cell : cell + 4], "big") - 1


async def goes_on(district: ToldDistrict) -> bool:
    """Whether rows are acknowledged and places granted again."""
    acked, granted = district.told.through, len(district.told.claims)
    async with district.load(random.Random(47)):
        async with asyncio.timeout(60):
            while district.told.through == acked or len(district.told.claims) == granted:
                await asyncio.sleep(0.1)
    return True


def log_of(district: ToldDistrict) -> str:
    assert district.process.log is not None
    return district.process.log.read_text()


async def test_S4_damaged_page_of_the_ledger_costs_only_what_lay_on_it(
    district: ToldDistrict,
) -> None:
    """The file is put aside, most promises stand, new ones are granted, and the log says so."""
    standing = district.told.standing
    claims = district.process.data_dir / "claims.db"
    spoil(claims, leaf(claims, "step"))

    await district.process.start()
    held = [bool(await district.holds(name)) for name in standing]

    assert "store damaged" in log_of(district)
    assert (district.process.data_dir / "claims.db.damaged-1").exists()
    assert len(standing) >= 3
    assert sum(held) >= len(held) - 3
    assert await goes_on(district)


async def test_S4_damaged_page_of_readings_becomes_gaps(district: ToldDistrict) -> None:
    """Every acknowledged number is a row or inside a gap, and the agent's stream goes on."""
    telemetry = district.process.data_dir / "telemetry.db"
    spoil(telemetry, leaf(telemetry, "batch"))

    await district.process.start()
    assert await goes_on(district)
    assert await district.process.stop() == 0
    with contextlib.closing(sqlite3.connect(telemetry)) as connection:
        rows = connection.execute("SELECT first_seq, last_seq FROM batch").fetchall()
        gaps = connection.execute(
            "SELECT first_seq, last_seq FROM gap WHERE reason = 'CORRUPT'"
        ).fetchall()
    here = {n for a, b in rows for n in range(a, b + 1)}
    lost = {n for a, b in gaps for n in range(a, b + 1)}

    assert lost
    assert not here & lost
    assert set(range(1, district.told.through + 1)) <= here | lost


@pytest.mark.parametrize("name", ["claims.db", "telemetry.db"])
async def test_S4_destroyed_header_ends_in_a_new_file(district: ToldDistrict, name: str) -> None:
    """What is no database any more is put aside; the coordinator starts and says what it lost."""
    path = district.process.data_dir / name
    spoil(path, 0)

    await district.process.start()

    assert "store damaged" in log_of(district)
    assert (district.process.data_dir / f"{name}.damaged-1").exists()


async def test_S4_flipped_byte_in_a_step_costs_that_step(district: ToldDistrict) -> None:
    """A row that its file takes for sound and that means nothing is passed over, and said."""
    standing = district.told.standing
    claims = district.process.data_dir / "claims.db"
    with contextlib.closing(sqlite3.connect(claims)) as connection:
        connection.execute(
            "UPDATE step SET claims = x'5b5b22' WHERE seq = (SELECT max(seq) / 2 FROM step)"
        )
        connection.commit()

    await district.process.start()
    held = [bool(await district.holds(name)) for name in standing]

    assert "a step of the ledger cannot be read" in log_of(district)
    assert sum(held) >= len(held) - 1
    assert await goes_on(district)
