"""Status intervals of a real network, streamed in the order of time with bounded memory.

Source of the format: connector_id, state, start, end, censored; a public network's states are
available_or_unlisted, part, occ, ooc, oos. What they do to a pile is in `network.py`.
"""

from __future__ import annotations

import csv
import gzip
import heapq
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from firmware_sim.errors import TapeError

STATES: Final = ("available_or_unlisted", "part", "occ", "ooc", "oos")
_COLUMNS: Final = ("connector_id", "state", "start", "end")
# So many events are sorted in memory; more are sorted in parts on the disk.
_CHUNK: Final = 20_000
Bad = Callable[[int, str], None]


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """At an instant a connector turns to a state."""

    at_ms: int
    connector: str
    state: str

    def as_line(self) -> str:
        """One line of a sorted part."""
        return f"{self.at_ms}\t{self.connector}\t{self.state}\n"


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector of the network: its number and what kind of plug it is."""

    connector_id: str
    kind: str


def read_connectors(path: Path, most: int, bad: Bad) -> list[Connector]:
    """The first `most` connectors; `bad` hears of rows that are none. Raises TapeError."""
    found: list[Connector] = []
    for number, row in _rows(path, ("connector_id", "type"), bad):
        if len(found) == most:
            break
        if row["connector_id"] and row["type"]:
            found.append(Connector(row["connector_id"], row["type"]))
        else:
            bad(number, "connector_id or type is empty")
    return found


def turns(path: Path, wanted: Collection[str], bad: Bad) -> Iterator[Turn]:
    """What happened to the connectors wanted, in the order of time, whatever the file's order.

    An interval that nothing follows turns to available at its end; one that the next one follows
    at once does not. `bad` hears of rows that are none. Raises TapeError.
    """
    with ExitStack() as stack:
        parts: list[Iterable[Turn]] = []
        chunk: list[Turn] = []
        for turn in _unsorted(path, wanted, bad):
            chunk.append(turn)
            if len(chunk) >= _CHUNK:
                parts.append(_on_disk(sorted(chunk), stack))
                chunk = []
        parts.append(sorted(chunk))
        yield from heapq.merge(*parts)


def _unsorted(path: Path, wanted: Collection[str], bad: Bad) -> Iterator[Turn]:
    last: tuple[str, int] | None = None
    for number, row in _rows(path, _COLUMNS, bad):
        connector = row["connector_id"]
        if connector not in wanted:
            continue
        begins, ends = _instant_ms(row["start"]), _instant_ms(row["end"])
        if row["state"] not in STATES:
            bad(number, f"unknown state {row['state']!r}; known are {', '.join(STATES)}")
        elif begins is None or ends is None or ends < begins:
            bad(number, f"not an interval: {row['start']!r} to {row['end']!r}")
        else:
            if last is not None and last[0] == connector and last[1] < begins:
                yield Turn(last[1], connector, STATES[0])
            elif last is not None and last[0] != connector:
                yield Turn(last[1], last[0], STATES[0])
            yield Turn(begins, connector, row["state"])
            last = (connector, ends)
    if last is not None:
        yield Turn(last[1], last[0], STATES[0])


def _rows(path: Path, columns: tuple[str, ...], bad: Bad) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with _open(path) as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise TapeError(str(path), f"has no column {', '.join(missing)}")
            for row in reader:
                if any(row.get(name) is None for name in columns):
                    bad(reader.line_num, f"has fewer than {len(columns)} fields")
                else:
                    yield reader.line_num, {name: row[name] for name in columns}
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError, csv.Error) as error:
        raise TapeError(str(path), f"breaks off: {error}") from error
    except OSError as error:
        raise TapeError(str(path), f"cannot be read: {error.strerror or error}") from error


def _on_disk(sorted_turns: list[Turn], stack: ExitStack) -> Iterator[Turn]:
    file = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))  # noqa: SIM115
    file.writelines(turn.as_line() for turn in sorted_turns)
    file.seek(0)
    return (_turn(line) for line in file)


def _turn(line: str) -> Turn:
    at_ms, connector, state = line.rstrip("\n").split("\t")
    return Turn(int(at_ms), connector, state)


def _instant_ms(text: str) -> int | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return round(instant.timestamp() * 1000)


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")
