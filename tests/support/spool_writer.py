"""A process that writes a spool and says on stdout which numbers are durable; made to be killed."""

from __future__ import annotations

import sys
from pathlib import Path
from uuid import uuid4

from edge_agent.core.reading import Detail, EvseStatus, Record, RecordKind, StatusSource, Values
from edge_agent.uplink.memory import begin_transaction
from edge_agent.uplink.spool_file import SpoolFile


def write_until_killed(folder: Path, pragma: str) -> None:
    """Commits groups and transactions; a line `spool_id first last` only after each commit."""
    file = SpoolFile(folder, lambda: uuid4().hex)
    if pragma:
        file.connection.execute(f"PRAGMA synchronous={pragma}")
    turn = 0
    while True:
        turn += 1
        first = file.append([_meter(turn * 20 + i) for i in range(20)])
        _say(f"{file.spool_id} {first} {first + 19}")
        if turn % 5 == 0:
            number = file.next_record_seq
            start = _meter(turn, RecordKind.SESSION_START, Detail(session_id=str(turn)))
            begin_transaction(file, "A", f"{file.spool_id}-{number}", start)
            _say(f"{file.spool_id} {number} {number}")


def _meter(at_ms: int, kind: RecordKind = RecordKind.METER, detail: Detail | None = None) -> Record:
    return Record(
        "A*1",
        kind,
        at_ms,
        EvseStatus.CHARGING,
        StatusSource.MODBUS,
        values=Values(power_kw=7.0),
        detail=detail,
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    write_until_killed(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
