"""docs/gateway.md says what the gateway has: its metrics, its paths, its commands."""

from __future__ import annotations

import re
from pathlib import Path

from edge_agent.commands.unit import FOLDER
from edge_agent.config import STATE_DIR
from edge_agent.control_protocol import NAME
from edge_agent.metrics import METRICS, PREFIX

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "gateway.md").read_text()


def test_table_of_metrics_is_the_metrics() -> None:
    """Every metric stands in the table with its labels and meaning, and no other."""
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (.*?) \| (.*?) \|$", TEXT, re.MULTILINE)

    found = {name: (tuple(re.findall(r"`(\w+)`", labels)), text) for name, labels, text in rows}
    assert found == {name: (metric.labels, metric.text) for name, metric in METRICS.items()}


def test_documented_paths_are_those_of_the_unit() -> None:
    """The folders of the document are those that the unit and the agent use."""
    unit = (FOLDER / "pilewise-agent.service").read_text()

    assert f"StateDirectory={STATE_DIR.name}" in unit
    assert f"`{STATE_DIR}`" in TEXT
    assert f"`{STATE_DIR}/{NAME}`" in TEXT
    assert "-c /etc/pilewise/agent.toml" in unit
    assert "`/etc/pilewise/agent.toml`" in TEXT
