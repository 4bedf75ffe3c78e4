"""What the agent must not forget in a restart: holds, EVSEs out of service, changed periods.

Functions on an open `SpoolFile`, to be run on its thread; fences are in `memory.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge_agent.core.directive import Hold
from edge_agent.uplink.spool_file import SpoolFile

# Made on first use: an older agent that opens the file does not mind them.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS hold(evse_id TEXT PRIMARY KEY, claim_id TEXT, until_ms INTEGER,"
    " id_token TEXT, firm INTEGER)",
    "CREATE TABLE IF NOT EXISTS out_of_service(evse_id TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS period(evse_id TEXT PRIMARY KEY, period_s REAL, configured_s REAL,"
    " fence INTEGER)",
)


def recall_holds(file: SpoolFile, now_ms: int) -> dict[str, Hold]:
    """Holds that have not lapsed, by EVSE; `now_ms` is domain time."""
    _make(file)
    rows = file.connection.execute(
        "SELECT evse_id, claim_id, until_ms, id_token, firm FROM hold WHERE until_ms > ?", (now_ms,)
    )
    return {row[0]: Hold(row[1], row[2], row[3], bool(row[4])) for row in rows}


def keep_hold(file: SpoolFile, evse_id: str, hold: Hold | None, now_ms: int) -> None:
    """Remembers the hold on an EVSE, or that there is none; lapsed ones are forgotten too."""
    _make(file)
    with file.transaction():
        file.connection.execute(
            "DELETE FROM hold WHERE evse_id=? OR until_ms <= ?", (evse_id, now_ms)
        )
        if hold is not None:
            file.connection.execute(
                "INSERT INTO hold VALUES (?, ?, ?, ?, ?)",
                (evse_id, hold.claim_id, hold.until_ms, hold.id_token, int(hold.firm)),
            )


def recall_out_of_service(file: SpoolFile) -> set[str]:
    """EVSEs that the agent itself keeps out of service."""
    _make(file)
    return {row[0] for row in file.connection.execute("SELECT evse_id FROM out_of_service")}


def keep_service(file: SpoolFile, evse_id: str, operative: bool) -> None:
    """Remembers whether the agent keeps an EVSE out of service."""
    _make(file)
    words = "DELETE FROM out_of_service WHERE evse_id=?"
    if not operative:
        words = "INSERT OR IGNORE INTO out_of_service VALUES (?)"
    with file.transaction():
        file.connection.execute(words, (evse_id,))


def recall_periods(file: SpoolFile, configured: Mapping[str, float]) -> dict[str, float]:
    """Reading periods that were changed from afar, by EVSE, in seconds.

    One whose configured period is another than when it was changed counts no more: whoever wrote
    the file since then knew better.
    """
    _make(file)
    rows = file.connection.execute("SELECT evse_id, period_s, configured_s FROM period")
    return {name: period_s for name, period_s, was_s in rows if configured.get(name) == was_s}


def keep_period(
    file: SpoolFile, evse_ids: Mapping[str, float], period_s: float, fence: int
) -> None:
    """Remembers a changed period; `evse_ids` with the period that the file says for each."""
    _make(file)
    rows = [(name, period_s, was_s, fence) for name, was_s in evse_ids.items()]
    with file.transaction():
        file.connection.executemany("INSERT OR REPLACE INTO period VALUES (?, ?, ?, ?)", rows)


def _make(file: SpoolFile) -> None:
    for table in _TABLES:
        file.connection.execute(table)
