"""Agents, links, coordinator and stores under every fault at once, by seeds; see docs/simulator.md.

Runs are played by the command, in a process whose sets are walked in the same order each time: a
seed that failed here fails there, step by step.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from bench.simulated.defects import DEFECTS
from bench.simulated.play import play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]
SEEDS, AT_ONCE = 100, 25


def simulate(*words: str) -> dict[str, Any]:
    """What the command tells."""
    command = [sys.executable, "-m", "bench.simulate", "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_700, check=False)
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_everything_holds_under_faults_from(first: int) -> None:
    """I1 to I8 hold after every step of these seeds, and all agree once everything has healed."""
    told = simulate("--first", str(first), "--seeds", str(AT_ONCE))

    assert told["failed_seeds"] == {}, "python -m bench.simulate --seed N plays one again"


def test_a_seed_is_one_run() -> None:
    """The same seed gives the same trace, another one another."""
    one, same, other = play(3), play(3), play(4)

    assert len(one.trace) > 40
    assert one.trace == same.trace
    assert one.digest == same.digest != other.digest


def test_a_seed_is_the_same_run_in_every_process() -> None:
    """The command prints the digest of the same trace each time, byte for byte."""
    told = [simulate("--seed", "5") for _ in range(2)]

    assert told[0] == told[1]
    assert told[0]["broken"] == ""


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("ack_before_commit", "I1"),
        ("told_before_durable", "I1"),
        ("no_dedup", ""),
        ("synchronous_normal", "I2"),
        ("fence_not_checked", "I5"),
    ],
)
def test_a_defect_is_found(name: str, names: str) -> None:
    """A defect put in on purpose breaks an invariant within a hundred seeds."""
    assert name in DEFECTS
    told = simulate("--defect", name, "--seeds", "100", "--until-broken")

    assert told["failed"] == 1
    assert names in next(iter(told["failed_seeds"].values()))
