"""An import while no coordinator runs: what is refused then, and what an empty list does."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.errors import FieldInvalid
from coordinator.importers import Files, import_into_store, read_files
from coordinator.store.sqlite import SqliteTelemetry

STATIONS = (
    "station_id,latitude_deg,longitude_deg,pile_id,standard,max_power_kw\n"
    "S1,22.5,114.0,P1,GBT_DC,60\n"
)
OUTAGE_HEAD = "from,to,evse_id\n"
SPAN = "2099-01-01T00:00:00Z,2099-01-02T00:00:00Z"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


async def outages_in(data_dir: Path) -> list[str]:
    """EVSEs of the planned outages that are stored."""
    store = SqliteTelemetry(data_dir)
    try:
        return [outage.evse_id for outage in store.load().outages]
    finally:
        await store.close()


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """A directory that knows P1*1 with one planned outage."""
    stations = write(tmp_path, "stations.csv", STATIONS)
    outages = write(tmp_path, "outages.csv", f"{OUTAGE_HEAD}{SPAN},P1*1\n")
    await import_into_store(
        tmp_path / "data", read_files(Files(stations=(stations,), outages=(outages,)))
    )
    return tmp_path / "data"


async def test_an_outage_of_an_unknown_evse_is_refused_whole(
    tmp_path: Path, data_dir: Path
) -> None:
    """The entry is named, and what was planned stays."""
    path = write(tmp_path, "more.csv", f"{OUTAGE_HEAD}{SPAN},P1*1\n{SPAN},P9*1\n")
    with pytest.raises(FieldInvalid) as caught:
        await import_into_store(data_dir, read_files(Files(outages=(path,))))

    assert [fault.field for fault in caught.value.faults] == ["outages[1].evse_id"]
    assert await outages_in(data_dir) == ["P1*1"]


async def test_a_session_of_an_unknown_evse_is_refused_whole(
    tmp_path: Path, data_dir: Path
) -> None:
    """As by a running coordinator; the users beside it are not stored either."""
    head = "evse_id,started_at,ended_at\n"
    span = "2026-01-01T00:00:00Z,2026-01-01T01:00:00Z"
    sessions = write(tmp_path, "sessions.csv", f"{head}P1*1,{span}\nP9*1,{span}\n")
    users = write(tmp_path, "users.csv", "user_id\nU1\n")
    with pytest.raises(FieldInvalid) as caught:
        await import_into_store(data_dir, read_files(Files(sessions=(sessions,), users=(users,))))
    store = SqliteTelemetry(data_dir)
    try:
        kept = await store.list_sessions(float("-inf"))
        known = list(store.load().users)
    finally:
        await store.close()

    assert [fault.field for fault in caught.value.faults] == ["sessions[1].station_id"]
    assert list(kept) == []
    assert known == []


async def test_an_empty_file_of_outages_clears_them(tmp_path: Path, data_dir: Path) -> None:
    """A header alone is a list without entries; without a file they stay."""
    users = write(tmp_path, "users.csv", "user_id\nU1\n")
    await import_into_store(data_dir, read_files(Files(users=(users,))))
    assert await outages_in(data_dir) == ["P1*1"]
    empty = write(tmp_path, "none.csv", OUTAGE_HEAD)
    await import_into_store(data_dir, read_files(Files(outages=(empty,))))

    assert await outages_in(data_dir) == []
