"""docs/scenarios.md lists words, library and mutations as they are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from firmware_sim.bench.scenario import pages, read, run

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scenarios.md").read_text()
TABLES = ("verbs_table", "actions_table", "subjects_table", "library_table", "mutations_table")


@pytest.mark.parametrize("name", TABLES)
def test_table_of_the_page_is_that_of_the_code(name: str) -> None:
    """The page shows what `python -m firmware_sim.bench.scenario.pages` prints."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)

    assert found is not None
    assert found[1] == getattr(pages, name)()


def test_scenario_of_the_page_passes() -> None:
    """The example is played as it is printed."""
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    example = next(block for block in blocks if "[[step]]" in block)

    assert run(read(example, name="page", file="page"), 0).passed


def test_taps_of_the_page_are_a_recorders_file() -> None:
    """The example of a recorder has the tables that a recorder knows."""
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    taps = next(tomllib.loads(block) for block in blocks if "[[modbus]]" in block)

    assert set(taps) == {"modbus", "ocpp", "mqtt"}
