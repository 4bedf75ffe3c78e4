"""What a coordinator told its agent and its cars, held against the files that it left.

The files are read from outside, by what shares no code with the stores (`bench/claims_audit.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from spool_ledger import stored_rows

from bench.claims_audit import LIVE, audit
from pilewise.v1 import types_pb2 as nouns

CONFIRMED = 2
Row = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong with the files: each count must be 0."""

    rows_lost: int
    rows_doubled: int
    rows_unlike: int
    claims_lost: int
    claims_undone: int
    overlaps: int
    double_cars: int

    @property
    def sound(self) -> bool:
        """Whether nothing is."""
        return self == Found(0, 0, 0, 0, 0, 0, 0)


@dataclass
class Told:
    """Acknowledged numbers, and claims that were granted, confirmed and given back."""

    rows: dict[int, Row] = field(default_factory=dict)  # as they were sent
    stored: set[int] = field(default_factory=set)  # as the acks said
    through: int = 0
    claims: dict[str, str] = field(default_factory=dict)  # claim by recommendation
    firm: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    ending: set[str] = field(default_factory=set)

    def acked(self, stored: nouns.SeqRanges) -> None:
        """Takes an ack."""
        self.through = max(self.through, stored.acked_through)
        for run in stored.ranges:
            self.stored.update(range(run.first, run.last + 1))
        self.stored = {number for number in self.stored if number > self.through}

    def is_acked(self, number: int) -> bool:
        """Whether an ack covered it."""
        return number <= self.through or number in self.stored

    def welcomed(self, stored: nouns.SeqRanges) -> None:
        """A new stream is told of all that an older one was told."""
        before = self.through, set(self.stored)
        self.through, self.stored = 0, set()
        self.acked(stored)
        lost = self.through < before[0] or [n for n in before[1] if not self.is_acked(n)]
        assert not lost, f"the Welcome knows up to {self.through}, the acks were up to {before[0]}"

    def granted(self, name: str, claim_id: str) -> None:
        """A car was promised a place."""
        self.claims[name] = claim_id

    def confirmed(self, name: str) -> None:
        """The promise was made firm."""
        self.firm.add(name)

    def releasing(self, name: str) -> None:
        """A car is about to give its place back."""
        self.ending.add(name)

    def released(self, name: str) -> None:
        """A car gave its place back."""
        self.ended.add(name)

    @property
    def standing(self) -> list[str]:
        """Firm promises that nobody began to give back, oldest first."""
        return [name for name in self.claims if name in self.firm - self.ending]

    def copy(self) -> Told:
        """The same at this instant."""
        return Told(
            dict(self.rows), set(self.stored), self.through, dict(self.claims),
            set(self.firm), set(self.ended), set(self.ending),
        )  # fmt: skip

    def judge(self, data_dir: Path) -> Found:
        """What the files of a coordinator that does not run lack."""
        rows = stored_rows(data_dir / "telemetry.db")
        times = Counter(number for (_, number), _ in rows)
        here = {number: (row[0], row[2]) for (_, number), row in rows}
        books = audit(data_dir / "claims.db")
        acked = [number for number in self.rows if self.is_acked(number)]
        undone = 0
        for name, claim in self.claims.items():
            state = books.states.get(claim, 0)
            undone += name in self.firm and state < CONFIRMED
            undone += name in self.ended and state in LIVE
        return Found(
            rows_lost=sum(number not in here for number in acked),
            rows_doubled=sum(count > 1 for count in times.values()),
            rows_unlike=sum(self.rows.get(number) != row for number, row in here.items()),
            claims_lost=sum(claim not in books.states for claim in self.claims.values()),
            claims_undone=undone,
            overlaps=books.overlaps,
            double_cars=books.double_cars,
        )
