"""One input, what became of it, and the file that repeats it.

How inputs are made stands in `values.py`, `message.py`, `wire.py` and `text.py`; who sends them, in
the files named after the doors.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

# Random bytes; bytes changed after a valid frame was made; a frame whose form is right and whose
# values are not; a frame as a good client sends it.
Kind = Literal["random", "mutated", "hostile", "valid"]


@dataclass(frozen=True, slots=True)
class Input:
    """What is sent through a door; several frames go over one connection, in their order."""

    surface: str
    target: str  # a method, an address, a topic, a kind of file
    kind: Kind
    frames: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """The input as a file keeps it."""
        return {
            "surface": self.surface,
            "target": self.target,
            "kind": self.kind,
            "frames": [base64.b64encode(frame).decode() for frame in self.frames],
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Input:
        """The input that a file keeps."""
        frames = tuple(base64.b64decode(frame) for frame in kept["frames"])
        return cls(kept["surface"], kept["target"], kept["kind"], frames)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a door answered; `bad` is empty where the answer is one that callers can act upon."""

    word: str
    bad: Literal["", "uncaught", "hang"] = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that was not handled, and what was seen."""

    item: Input
    outcome: Outcome

    def write(self, folder: Path, number: int) -> Path:
        """Keeps the finding in a file that `--replay` takes."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.item.surface.replace('/', '-')}-{number:04d}.json"
        seen = {"seen": self.outcome.word, "bad": self.outcome.bad, "note": self.outcome.note}
        path.write_text(json.dumps({**self.item.to_json(), **seen}, indent=1) + "\n")
        return path


@dataclass(slots=True)
class Tally:
    """Counts of one door."""

    inputs: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    uncaught: int = 0
    hangs: int = 0
    late: int = 0  # answered only when sent again

    def count(self, item: Input, outcome: Outcome) -> None:
        """Counts one answered input."""
        self.inputs += 1
        self.kinds[item.kind] += 1
        self.words[outcome.word] += 1
        self.uncaught += outcome.bad == "uncaught"
        self.hangs += outcome.bad == "hang"

    def figures(self, seconds: float) -> dict[str, Any]:
        """The counts as they are printed."""
        return {
            "inputs": self.inputs,
            "uncaught": self.uncaught,
            "hangs": self.hangs,
            "late": self.late,
            "kinds": dict(self.kinds.most_common()),
            "answers": dict(self.words.most_common(12)),
            "seconds": round(seconds, 1),
        }
