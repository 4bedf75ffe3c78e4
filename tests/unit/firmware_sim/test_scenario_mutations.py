"""A pile that is broken on purpose does not pass: the library's demands are worth something."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from firmware_sim.bench.scenario import library, run
from firmware_sim.bench.scenario.mutations import MUTATIONS, chosen, noticed, survey
from firmware_sim.core.meter import Meter
from firmware_sim.errors import ConfigError


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_broken_pile_is_noticed(name: str) -> None:
    """Each mutation turns red every scenario that is said to notice it."""
    sure = MUTATIONS[name].noticed_by
    scenarios = [library.shipped(each) for each in sure]

    assert noticed(name, scenarios, 7) == list(sure)


def test_most_scenarios_are_turned_red_by_some_mutation() -> None:
    """At least 24 scenarios come with the package, and at least 20 notice some broken pile."""
    red = {scenario for mutation in MUTATIONS.values() for scenario in mutation.noticed_by}

    assert len(library.names()) >= 24
    assert len(red) >= 20
    assert red <= set(library.names())


def test_mutation_ends_with_its_run() -> None:
    """After a mutated run the pile is whole again: the same scenario passes."""
    scenario = library.shipped("emergency-stop")
    whole = Meter.added

    assert noticed("emergency-stop-clears", [scenario], 7) == ["emergency-stop"]
    assert run(scenario, 7).passed
    assert Meter.added is whole


def test_mutation_that_nobody_notices_survives() -> None:
    """The survey names what was not noticed, and how many scenarios turned red."""
    lines: list[str] = []
    scenarios = [library.shipped("crc-error"), library.shipped("emergency-stop")]

    found = survey(["emergency-stop-clears", "taper-off"], scenarios, 7, lines.append)

    assert (found["red"], found["survived"], found["mutations"]) == (1, ["taper-off"], 2)
    assert any("NOBODY" in line for line in lines)


def test_unknown_mutation_is_told_with_the_nearest_name() -> None:
    """A typing mistake costs no search."""
    with pytest.raises(ConfigError, match="did you mean taper-off"):
        chosen("taper-of")


@pytest.mark.slow
def test_result_hash_is_the_same_in_every_process() -> None:
    """Nothing of a process shows in the hash: not its hash seed, its clock or what ran before."""
    words = ["offline-queue", "link-lost", "rcd-trip", "duplicate-identity", "--json", "--seed"]
    tried = [("1", "7"), ("2", "7"), ("3", "8")]

    hashes = []
    for hash_seed, seed in tried:
        done = subprocess.run(
            [sys.executable, "-m", "firmware_sim", "scenario", "run", *words, seed],
            capture_output=True,
            env={"PYTHONHASHSEED": hash_seed},
            timeout=100,
            check=True,
        )
        told = json.loads(done.stdout.splitlines()[-1])
        assert (told["failed"], told["seed"]) == (0, int(seed))
        hashes.append(told["result_hash"])

    assert hashes[0] == hashes[1] != hashes[2]
