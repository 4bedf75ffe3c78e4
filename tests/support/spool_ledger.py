"""What a spool held at the deaths of its agent, and what a coordinator's store holds of it.

Both files are read from outside, without a right to write; judging them is the test's part.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.core.ranges import Runs, subtract
from edge_agent.uplink.blocks import unpack
from edge_agent.uplink.spool_numbers import SEQ_MASK
from edge_agent.uplink.spool_schema import DATABASE, SHIFT
from edge_agent.uplink.spool_view import opened_read_only
from pilewise.v1 import edge_service_pb2 as edge

Name = tuple[str, int]
Row = tuple[str, int, int]


@dataclass
class SpoolLedger:
    """Sums over all looks at one spool: numbers given out, acknowledged, and their records.

    `waiting` is how many records the newest look found unacknowledged.
    """

    given_out: dict[str, int] = field(default_factory=dict)
    acked: dict[str, Runs] = field(default_factory=dict)
    rows: dict[Name, Row] = field(default_factory=dict)
    gaps: int = 0
    waiting: int = 0

    def look(self, folder: Path) -> None:
        """Reads the spool of an agent that does not run; a number never means two records."""
        with opened_read_only(folder / DATABASE) as conn:
            spools = conn.execute(
                "SELECT spool_no, spool_id, next_record_seq, settled FROM spool"
            ).fetchall()
            blocks = conn.execute("SELECT position, body FROM block").fetchall()
            self.gaps += conn.execute("SELECT count(*) FROM gap").fetchone()[0]
        names = {number: spool_id for number, spool_id, _, _ in spools}
        for _, spool_id, following, settled in spools:
            runs = tuple((first, last) for first, last in json.loads(settled))
            # Neither the numbers nor what was acknowledged may ever go back.
            assert following - 1 >= self.given_out.get(spool_id, 0)
            assert not subtract(self.acked.get(spool_id, ()), runs)
            self.given_out[spool_id], self.acked[spool_id] = following - 1, runs
        self.waiting = 0
        for position, body in blocks:
            spool_id, first = names[position >> SHIFT], position & SEQ_MASK
            for number, record in enumerate(unpack(body)[0], first):
                row = (record.evse_id, int(record.kind), record.observed_at_ms)
                assert self.rows.setdefault((spool_id, number), row) == row
                self.waiting += not any(a <= number <= b for a, b in self.acked[spool_id])


def stored_rows(database: Path) -> list[tuple[Name, Row]]:
    """Every row of a coordinator's telemetry.db, by number; one that is there twice comes twice."""
    found: list[tuple[Name, Row]] = []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as conn:
        for first, last, payload in conn.execute("SELECT first_seq, last_seq, payload FROM batch"):
            batch = edge.ReportBatch.FromString(payload)
            assert (batch.first_record_seq, batch.record_count) == (first, last - first + 1)
            for i in range(batch.record_count):
                row = (
                    batch.evse_ids[batch.evse_index[i]],
                    int(batch.kind[i]),
                    batch.observed_at_ms[i],
                )
                found.append(((batch.spool_id, first + i), row))
    return sorted(found)
