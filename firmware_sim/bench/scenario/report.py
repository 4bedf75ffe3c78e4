"""What a run of scenarios found, for people, for scripts and as JUnit; no wall time is in it.

How it was found is in `engine.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from firmware_sim.config_tables import PileConfig
from firmware_sim.fleet import pile_seed


@dataclass(frozen=True, slots=True)
class Check:
    """One demand: where it stands, whether it was met, when, how long that took, what was seen."""

    line: int
    verb: str
    text: str
    evse_id: str
    passed: bool
    at_s: float
    took_s: float
    seen: str


@dataclass(frozen=True, slots=True)
class Report:
    """How one scenario ended; `steps_left` were not played after a failure."""

    name: str
    title: str
    requirement: str
    seed: int
    pile_seeds: dict[str, int]
    simulated_s: float
    checks: tuple[Check, ...]
    steps_left: int
    trace_hash: str

    @property
    def passed(self) -> bool:
        """Whether every demand was met."""
        return self.steps_left == 0 and all(check.passed for check in self.checks)

    @property
    def failure(self) -> Check | None:
        """The demand that was not met."""
        return next((check for check in self.checks if not check.passed), None)

    @property
    def result_hash(self) -> str:
        """A digest of everything that the run found."""
        checks = [asdict(check) for check in self.checks]
        return _digest([self.name, self.trace_hash, checks, self.steps_left])

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "passed": self.passed,
            "seed": self.seed,
            "pile_seeds": self.pile_seeds,
            "simulated_s": self.simulated_s,
            "result_hash": self.result_hash,
            "checks": [asdict(check) for check in self.checks],
        }


def whole(reports: Sequence[Report], seed: int) -> dict[str, Any]:
    """All reports of one run together."""
    return {
        "scenarios": len(reports),
        "failed": sum(not report.passed for report in reports),
        "checks": sum(len(report.checks) for report in reports),
        "seed": seed,
        "simulated_s": round(sum(report.simulated_s for report in reports), 6),
        "result_hash": _digest([report.result_hash for report in reports]),
        "results": [report.as_json() for report in reports],
    }


def lines_for_people(report: Report) -> list[str]:
    """The report as people read it: one line if all is well, the failure otherwise."""
    word = "passed" if report.passed else "FAILED"
    lines = [
        f"{word}  {report.name}  {len(report.checks)} checks in {report.simulated_s:g} s "
        f"simulated, seed {report.seed} ({_seeds(report)})"
    ]
    failure = report.failure
    if failure is not None:
        lines += [
            f"  line {failure.line}: {failure.verb} {failure.text!r} on {failure.evse_id} "
            f"not met at {failure.at_s:g} s (waited {failure.took_s:g} s)",
            f"  seen: {failure.seen}",
        ]
    return lines


def _seeds(report: Report) -> str:
    return ", ".join(f"{pile} {seed}" for pile, seed in report.pile_seeds.items())


def seeds_of(seed: int, piles: Sequence[PileConfig]) -> dict[str, int]:
    """The seed of each pile's own stream."""
    return {pile.spec.pile_id: pile_seed(seed, pile.spec.pile_id) for pile in piles}


def _digest(found: object) -> str:
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
