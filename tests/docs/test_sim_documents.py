"""docs/sim.md lists the inputs and faults that the simulated pile has, and its states."""

from __future__ import annotations

import re
from pathlib import Path

from firmware_sim.core import controller
from firmware_sim.core.evse import Evse
from firmware_sim.core.tables import faults_table, inputs_table

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sim.md").read_text()


def test_tables_of_the_page_are_those_of_the_code() -> None:
    """The page shows what `python -m firmware_sim.core.tables` prints."""
    assert inputs_table() in PAGE
    assert faults_table() in PAGE


def test_states_and_actions_of_the_page_exist() -> None:
    """Every state named in the first table is an attribute, every action a function."""
    states = PAGE[PAGE.index("## States") : PAGE.index("## Actions")]
    first = [line.split("|")[1] for line in states.splitlines() if line.startswith("| `")]
    actions = PAGE[PAGE.index("## Actions") : PAGE.index("## Inputs")]
    named = re.findall(r"`([a-z_]+)[`(]", actions)

    missing = [
        name for cell in first for name in re.findall(r"`(\w+)", cell) if not hasattr(Evse, name)
    ]
    assert missing == []
    known = set(dir(controller)) | {"fault_named"}
    assert {name for name in named if name not in known} == set()
    assert {"set_input", "press_emergency_stop", "lose_power"} <= set(named)
