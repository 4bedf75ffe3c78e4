"""Batches of readings as agents send them, and which of their rows can be believed.

Batches of one shape are judged together, as columns: a fault per row out. Who may speak for an
EVSE is decided before (`table`).
"""

from __future__ import annotations

import re
from collections.abc import Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from coordinator.core.pile import RecordKind
from coordinator.core.rows import Index

MAX_ROWS = 500
IDENTIFIER = re.compile(r"[A-Za-z0-9._:*-]{1,64}")

# Entries of a lookup that are no row of the district.
UNKNOWN_EVSE = -1
FOREIGN_EVSE = -2

# Measured columns with the least and the greatest believable value, in the unit of the name.
MEASURED: tuple[tuple[str, float, float], ...] = (
    ("power_kw", -2_000.0, 5_000.0),
    ("energy_kwh", 0.0, 1e9),
    ("current_a", -10_000.0, 10_000.0),
    ("voltage_v", -2_000.0, 2_000.0),
    ("soc_pct", 0.0, 100.0),
    ("temperature_c", -100.0, 250.0),
    ("people_count", 0.0, 100_000.0),
    ("vehicle_count", 0.0, 100_000.0),
    ("ambient_temperature_c", -100.0, 100.0),
)
BOUNDS = {name: (least, greatest) for name, least, greatest in MEASURED}
_QUEUE_LIMIT = 1_001
_OBSERVED_LIMIT_MS = 7_258_118_400_000  # the year 2200

FOREIGN = "AUTH-001"
RAGGED = "DATA-002"
UNKNOWN = "DATA-003"
OUT_OF_RANGE = "DATA-004"
BAD_INDEX = "DATA-005"
BAD_KIND = "DATA-006"

Mask = NDArray[np.bool_]
# First millisecond of each time, and the first after it.
Windows = Sequence[tuple[int, int]]
Words = NDArray[np.integer[Any]]  # numbers of enum words, in whatever width they came


@dataclass(frozen=True, slots=True)
class Detail:
    """What a few rows say beyond the columns."""

    fault_code: str = ""
    session_id: str = ""
    id_token_hash: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LostRun:
    """Record numbers that an agent lost for good, and why; instants are 0 where unknown."""

    first: int
    last: int
    reason: str
    from_at_ms: int = 0
    to_at_ms: int = 0


class Batch(NamedTuple):
    """A run of rows still in wire form; row i has record number `first_seq + i`.

    `shape` is equal where the columns that are there are the same. `presence` holds the bitmaps of
    columns with gaps. `ragged` names a column of the wrong length, the length expected and the
    length seen: such a batch is refused whole.
    """

    spool_id: str
    first_seq: int
    row_count: int
    evse_ids: tuple[str, ...]
    shape: Hashable
    presence: Mapping[str, bytes]
    details: tuple[Detail, ...]
    gaps: tuple[LostRun, ...]
    payload: bytes
    ragged: tuple[str, int, int] | None = None
    # Where the columns begin in the payload, and each of them from there, if it has the usual form.
    columns_at: int = 0
    spans: Sequence[tuple[int, int]] = ()

    @property
    def last_seq(self) -> int:
        """Record number of the last row; one below the first if there are no rows."""
        return self.first_seq + self.row_count - 1


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of several batches of one shape, in order.

    `evse_index` and `detail_plus_one` count through the entries of all batches; -1 marks an index
    that points nowhere. `measured` holds NaN where a value is absent; `malformed` marks rows where
    a value that was sent is not finite; `believable` names columns whose values were seen to be
    finite and within `BOUNDS`.
    """

    evse_index: Index
    kind: Words
    observed_at_ms: NDArray[np.int64]
    status: Words
    source: Words | None
    bay: Words | None
    queue_plus_one: NDArray[np.int64] | None
    flags: NDArray[np.int64] | None
    detail_plus_one: NDArray[np.int64] | None
    details: Sequence[Detail]
    measured: Mapping[str, NDArray[Any]]
    malformed: Mapping[str, Mask]
    believable: Container[str] = ()


class BatchCodec(Protocol):
    """What reads and cuts batches in wire form."""

    def read(self, payload: bytes) -> Batch:
        """A batch from its wire bytes, as the store keeps them."""
        ...

    def decode(self, batches: Sequence[Batch]) -> Columns:
        """The rows of batches that are of one shape and not ragged."""
        ...

    def cut(self, batch: Batch, first: int, last: int) -> bytes:
        """The wire bytes of the rows with these record numbers."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row was refused."""

    record_seq: int
    code: str
    field: str
    message: str


@dataclass(slots=True)
class Judgement:
    """Which rows cannot be believed, and the first fault of each: (row, code, field, message)."""

    bad: Mask
    faults: list[tuple[int, str, str, str]] = field(default_factory=list)

    def refuse(self, rows: Mask, code: str, name: str, message: str) -> None:
        """Adds a fault to the rows that have none yet."""
        fresh = rows & ~self.bad
        self.faults += [(row, code, name, message) for row in np.flatnonzero(fresh).tolist()]
        self.bad |= fresh


def judge(
    columns: Columns, table: Index, windows: Mapping[int, Windows] | None = None
) -> tuple[Index, Judgement]:
    """District row of each row's EVSE, and which rows cannot be believed.

    `table` gives for each entry of the EVSEs named a district row, `UNKNOWN_EVSE` or
    `FOREIGN_EVSE`; `windows` the times at which the teller spoke for those entries that were, or
    will be, another's.
    """
    judgement = Judgement(np.zeros(columns.kind.size, dtype=bool))
    index = columns.evse_index
    evse = table[index]  # -1 reads the last entry, and is refused
    if index.size and index.min() < 0:
        judgement.refuse(index < 0, BAD_INDEX, "evse_index", "is no entry of evse_ids")
    if evse.size and evse.min() < 0:
        message = "the pile belongs to another agent"
        judgement.refuse(evse == FOREIGN_EVSE, FOREIGN, "evse_ids", message)
        judgement.refuse(evse == UNKNOWN_EVSE, UNKNOWN, "evse_ids", "no such EVSE is known")
    for entry, spoken in (windows or {}).items():
        _judge_owner(columns, entry, spoken, judgement)
    if columns.kind.size:
        _judge_words(columns, judgement)
    for name, values in columns.measured.items():
        if name in columns.believable:
            continue
        _judge_values(name, values, columns.malformed.get(name), judgement)
    return evse, judgement


def _judge_owner(columns: Columns, entry: int, spoken: Windows, judgement: Judgement) -> None:
    """Refuses rows of an entry that were observed while another agent spoke for the pile."""
    at = columns.observed_at_ms
    own = np.zeros(at.size, dtype=bool)
    for begin, end in spoken:
        own |= (at >= begin) & (at < end)
    message = "the pile belonged to another agent at that time"
    judgement.refuse((columns.evse_index == entry) & ~own, FOREIGN, "evse_ids", message)


def _judge_words(columns: Columns, judgement: Judgement) -> None:
    """Refuses rows whose kind, time, queue or detail make no sense."""
    kind = columns.kind
    if kind.min() < RecordKind.STATUS or kind.max() > RecordKind.EVENT:
        bad = (kind < RecordKind.STATUS) | (kind > RecordKind.EVENT)
        judgement.refuse(bad, BAD_KIND, "kind", "is not a kind of record")
    at = columns.observed_at_ms
    if at.min() <= 0 or at.max() > _OBSERVED_LIMIT_MS:
        bad = (at <= 0) | (at > _OBSERVED_LIMIT_MS)
        judgement.refuse(bad, OUT_OF_RANGE, "observed_at_ms", "is not an instant of our time")
    queue = columns.queue_plus_one
    if queue is not None and queue.max() > _QUEUE_LIMIT:
        message = f"is above {_QUEUE_LIMIT}"
        judgement.refuse(queue > _QUEUE_LIMIT, OUT_OF_RANGE, "queue_length_plus_one", message)
    detail = columns.detail_plus_one
    if detail is not None and detail.min() < 0:
        message = "is no entry of details"
        judgement.refuse(detail < 0, BAD_INDEX, "detail_index_plus_one", message)


def _judge_values(
    name: str, values: NDArray[Any], malformed: Mask | None, judgement: Judgement
) -> None:
    if malformed is not None:
        judgement.refuse(malformed, OUT_OF_RANGE, name, "is not a finite number")
    least, greatest = BOUNDS[name]
    # fmin and fmax skip NaN, which stands for absent.
    if values.size and (np.fmin.reduce(values) < least or np.fmax.reduce(values) > greatest):
        outside = (values < least) | (values > greatest)
        judgement.refuse(outside, OUT_OF_RANGE, name, f"is not within {least:g} to {greatest:g}")
