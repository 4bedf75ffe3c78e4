"""Choices from a CSV file, as columns to train the ranker on: who was shown what, and took which.

How a choice comes about, and what is learned from it, is elsewhere.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from coordinator.core.recommend.features import FEATURES
from training.datasets import MOST_CANDIDATES, Choices

# One row a candidate. `chosen` is 1 for the one taken, 0 for the others; `station` tells EVSEs of
# one station apart from others; the rest are the ranker's columns by their names.
NEEDED: tuple[str, ...] = ("request", "at", "station", "chosen", *FEATURES)
# What baselines look at; 0 where absent.
OPTIONAL: tuple[str, ...] = ("visits", "cost_s")
_TOLD = 20


class ChoicesUnusable(ValueError):
    """A file of choices with rows that cannot be used; `faults` names each."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        more = len(faults) - _TOLD
        told = faults[:_TOLD] + ([f"and {more} more"] if more > 0 else [])
        super().__init__(f"{path}: " + "; ".join(told))
        self.path, self.faults = path, tuple(faults)
        self.hint = f"columns: {', '.join(NEEDED)}; optional: {', '.join(OPTIONAL)}"

    def __reduce__(self) -> tuple[type[ChoicesUnusable], tuple[Path, list[str]]]:
        """So that it comes out of another process whole."""
        return ChoicesUnusable, (self.path, list(self.faults))


@dataclass(frozen=True, slots=True)
class _Shown:
    """A candidate as its row says."""

    line: int
    request: str
    at_s: float
    station: str
    chosen: bool
    visits: float
    cost_s: float
    features: list[float]


def read_choices(path: Path) -> Choices:
    """The choices of a file, by time; raises `ChoicesUnusable` naming every bad row, or OSError."""
    faults: list[str] = []
    requests: dict[str, list[_Shown]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        absent = [name for name in NEEDED if name not in (rows.fieldnames or ())]
        if absent:
            raise ChoicesUnusable(path, [f"line 1: no column {name}" for name in absent])
        for shown in _rows(rows, faults):
            requests.setdefault(shown.request, []).append(shown)
    for name, candidates in requests.items():
        faults += _faults_of(name, candidates)
    if faults:
        raise ChoicesUnusable(path, faults)
    if not requests:
        raise ChoicesUnusable(path, ["it has no rows"])
    return _stack(sorted(requests.values(), key=lambda candidates: candidates[0].at_s))


def _rows(rows: csv.DictReader[str], faults: list[str]) -> Iterator[_Shown]:
    for row in rows:
        line = rows.line_num
        wrong = []
        if not row["request"]:
            wrong.append("request is empty")
        if row["chosen"] not in ("0", "1"):
            wrong.append(f"chosen {row['chosen']!r} is neither 0 nor 1")
        numbers = {}
        for name in (*FEATURES, *OPTIONAL):
            text = row.get(name) or ("0" if name in OPTIONAL else "")
            numbers[name] = _number(text)
            if not np.isfinite(numbers[name]):
                wrong.append(f"{name} {text!r} is not a finite number")
        at_s = _instant(row["at"] or "")
        if at_s is None:
            wrong.append(f"at {row['at']!r} is not an instant such as 2026-01-05T08:00:00Z")
        if wrong or at_s is None:
            faults.append(f"line {line}: {', '.join(wrong)}")
            continue
        yield _Shown(
            line, row["request"], at_s, row["station"] or "", row["chosen"] == "1",
            numbers["visits"], numbers["cost_s"], [numbers[name] for name in FEATURES],
        )  # fmt: skip


def _faults_of(name: str, candidates: list[_Shown]) -> Iterator[str]:
    first = candidates[0]
    taken = sum(candidate.chosen for candidate in candidates)
    if taken != 1:
        yield f"line {first.line}: request {name!r} has {taken} rows chosen, expected 1"
    if not 2 <= len(candidates) <= MOST_CANDIDATES:
        yield (
            f"line {first.line}: request {name!r} has {len(candidates)} candidates, "
            f"expected 2 to {MOST_CANDIDATES}"
        )
    for candidate in candidates:
        if candidate.at_s != first.at_s:
            yield f"line {candidate.line}: at differs from line {first.line} of the same request"


def _stack(requests: list[list[_Shown]]) -> Choices:
    n, k = len(requests), MOST_CANDIDATES
    features = np.zeros((n, k, len(FEATURES)), dtype=np.float32)
    mask, cost_s, visits = (np.zeros((n, k), dtype=np.float32) for _ in range(3))
    station = np.full((n, k), -1, dtype=np.int64)
    chosen = np.zeros(n, dtype=np.int64)
    rows: dict[str, int] = {}
    for i, candidates in enumerate(requests):
        size = len(candidates)
        features[i, :size] = [candidate.features for candidate in candidates]
        mask[i, :size] = 1.0
        cost_s[i, :size] = [candidate.cost_s for candidate in candidates]
        visits[i, :size] = [candidate.visits for candidate in candidates]
        station[i, :size] = [rows.setdefault(c.station, len(rows)) for c in candidates]
        chosen[i] = next(j for j, candidate in enumerate(candidates) if candidate.chosen)
    at_s = np.array([candidates[0].at_s for candidates in requests])
    return Choices(features, mask, chosen, station, cost_s, visits, at_s, np.zeros(n, np.int64))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _instant(text: str) -> float | None:
    """Epoch seconds of an instant with its offset; None if it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.timestamp() if at.tzinfo is not None else None
