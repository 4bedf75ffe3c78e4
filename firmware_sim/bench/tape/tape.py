"""A tape: JSON lines in the order of time, one for each frame, message or event; gz where named so.

What goes onto a tape is heard in `taps.py`; what is made of one is in `replay.py`.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from firmware_sim.clock import utc_text
from firmware_sim.errors import TapeError

_VERSION = 1
_FLUSH_S = 1.0
Way = Literal["to_pile", "from_pile", "event"]
_WAYS = ("to_pile", "from_pile", "event")
_PROTOCOLS = ("modbus", "ocpp", "mqtt")
# One entry is one line; longer ones are nobody's frame.
_MOST_CHARACTERS = 4_000_000
# What reading a line raises that is no entry; infinite numbers and endless brackets included.
_NO_ENTRY = (ValueError, TypeError, KeyError, OverflowError, RecursionError)
# What is told of bad lines, so that a wrong file does not fill the screen.
MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: seconds since the start, protocol, pile, which way, which connection, and the data.

    Modbus frames are hexadecimal, OCPP frames and MQTT payloads text; `topic` is MQTT's; events
    are `open` (with the sub-protocol or path) and `close`.
    """

    t_s: float
    proto: str
    pile: str
    way: str
    link: int
    data: str
    topic: str = ""
    line: int = 0

    def as_json(self) -> str:
        """The line of this entry."""
        fields = {
            "t_s": round(self.t_s, 6),
            "proto": self.proto,
            "pile": self.pile,
            "way": self.way,
            "link": self.link,
            "data": self.data,
        }
        if self.topic:
            fields["topic"] = self.topic
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


class TapeWriter:
    """Appends entries as they are heard; written through at least each second."""

    def __init__(self, path: Path, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._began_s = monotonic_s()
        self._flushed_s = self._began_s
        self.entries = 0
        try:
            self._file: IO[str] = _open(path, "wt")
        except OSError as error:
            raise TapeError(str(path), f"cannot be written: {error.strerror or error}") from error
        began_at = utc_text(time.time_ns() // 1_000_000)
        head = {"pilewise_tape": _VERSION, "began_at": began_at}
        self._file.write(json.dumps(head, separators=(",", ":")) + "\n")

    def note(
        self, proto: str, pile: str, way: Way, data: str, *, link: int = 0, topic: str = ""
    ) -> None:
        """Writes one entry with the time of now."""
        now_s = self._monotonic_s()
        entry = Entry(now_s - self._began_s, proto, pile, way, link, data, topic)
        self._file.write(entry.as_json() + "\n")
        self.entries += 1
        if now_s - self._flushed_s > _FLUSH_S:
            self._file.flush()
            self._flushed_s = now_s

    def close(self) -> None:
        """Ends the tape."""
        self._file.close()

    def __enter__(self) -> TapeWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_tape(path: Path, bad: Callable[[int, str], None]) -> Iterator[Entry]:
    """The entries of a tape, one by one; `bad` hears of lines that are none, with their number.

    Raises TapeError for a file that cannot be read or does not begin like a tape. A tape that was
    cut off ends where it was cut, which is told as a bad line.
    """
    try:
        with _open(path, "rt") as file:
            lines = _lines(file, bad)
            _check_head(path, next(lines, (1, ""))[1])
            for number, text in lines:
                try:
                    yield _entry(json.loads(text), number)
                except _NO_ENTRY as error:
                    bad(number, f"{type(error).__name__}: {error}"[:200])
    except OSError as error:
        raise TapeError(str(path), f"cannot be read: {error.strerror or error}") from error


def _lines(file: IO[str], bad: Callable[[int, str], None]) -> Iterator[tuple[int, str]]:
    number = 0
    while True:
        number += 1
        try:
            text = file.readline(_MOST_CHARACTERS)
        except (EOFError, UnicodeDecodeError, gzip.BadGzipFile, zlib.error) as error:
            bad(number, f"the file ends here: {error}")
            return
        if not text:
            return
        if not text.endswith("\n") and len(text) == _MOST_CHARACTERS:
            bad(number, f"longer than {_MOST_CHARACTERS} characters")
            _skip_line(file)
        elif text.strip():
            yield number, text


def _skip_line(file: IO[str]) -> None:
    while (rest := file.readline(_MOST_CHARACTERS)) and not rest.endswith("\n"):
        pass


def _check_head(path: Path, text: str) -> None:
    try:
        head = json.loads(text)
        version = head["pilewise_tape"]
    except _NO_ENTRY:
        raise TapeError(str(path), "is no tape: its first line is no tape's") from None
    if version != _VERSION:
        raise TapeError(str(path), f"is a tape of version {version}; known is {_VERSION}")


def _entry(table: Any, number: int) -> Entry:
    entry = Entry(
        t_s=float(table["t_s"]),
        proto=str(table["proto"]),
        pile=str(table["pile"]),
        way=str(table["way"]),
        link=int(table["link"]),
        data=str(table["data"]),
        topic=str(table.get("topic", "")),
        line=number,
    )
    if entry.proto not in _PROTOCOLS or entry.way not in _WAYS:
        raise ValueError(f"unknown {entry.proto} {entry.way}")
    if not 0 <= entry.t_s < 1e9:
        raise ValueError(f"t_s {entry.t_s}")
    if entry.proto == "modbus" and entry.way != "event":
        bytes.fromhex(entry.data)
    return entry


def _open(path: Path, mode: Literal["rt", "wt"]) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, mode, encoding="utf-8")
    return path.open(mode, encoding="utf-8")
