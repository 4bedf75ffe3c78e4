"""docs/hardening.md tells the limits that the code has, and its configuration is what it says."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from coordinator.config import read_config
from coordinator.errors import ConfigInvalid
from coordinator.figures import FIGURES
from coordinator.rpc.limits import LIMITS
from coordinator.usecases.admission import AT_EASE, BOUNDS
from coordinator.web import patience
from pilewise.cli.explain import pages

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "hardening.md").read_text()


def test_table_of_limits_is_the_limits() -> None:
    """Every limit stands in the table with its figure, and no other."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", TEXT, re.MULTILINE)

    assert {name: float(figure) for name, figure in rows} == dataclasses.asdict(LIMITS)


def test_bounds_of_levels_are_told() -> None:
    """What each level is refused at, and what a page waits for."""
    words = " ".join(TEXT.split())

    assert f"Up to {AT_EASE} under way" in words
    for bounds in BOUNDS.values():
        assert f"({bounds.under_way:,}" in words
        assert f"{bounds.wait_s:g} s)" in words
    assert f"closed after {patience.HEADER_S:g} s" in words
    assert f"given up after {patience.BODY_S:g} s" in words


def test_metrics_and_codes_exist() -> None:
    """A metric or a code that is not there helps nobody."""
    table = TEXT[TEXT.index("## What an operator sees") : TEXT.index("## Starts that")]
    names = {
        name for name in re.findall(r"`([a-z_]+)`", table) if name.endswith(("_total", "seconds"))
    }
    codes = set(re.findall(r"\b[A-Z]{3,5}-\d{3}\b", TEXT))

    assert names
    assert names <= set(FIGURES)
    assert codes <= set(pages())


def test_example_is_refused_as_told(tmp_path: Path) -> None:
    """The configuration of the page lacks tokens, and nothing else."""
    path = tmp_path / "coordinator.toml"
    (example,) = re.findall(r"```\n(.*?)```", TEXT, re.DOTALL)
    path.write_text(example)

    with pytest.raises(ConfigInvalid) as refused:
        read_config(path)

    assert [problem.message for problem in refused.value.problems] == [
        "production asks everybody who they are"
    ]
