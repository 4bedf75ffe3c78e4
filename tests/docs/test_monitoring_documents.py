"""docs/monitoring.md, the dashboard and the alerts name metrics that exist, and no other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from coordinator.figures import FIGURES, PREFIX, TIMINGS
from edge_agent.metrics import METRICS
from edge_agent.metrics import PREFIX as AGENT_PREFIX

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "monitoring.md").read_text()
DASHBOARD = DOCS / "monitoring" / "grafana-pilewise.json"
ALERTS = DOCS / "monitoring" / "alerts.yml"


def known() -> set[str]:
    parts = ("_bucket", "_sum", "_count")
    timings = {f"{PREFIX}{name}{part}" for name in TIMINGS for part in parts}
    ours = {f"{PREFIX}{name}" for name in FIGURES} | timings
    return ours | {f"{AGENT_PREFIX}{name}" for name in METRICS}


def expressions() -> Iterator[str]:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def test_table_of_the_coordinators_metrics_is_the_metrics() -> None:
    """Every metric stands in the table with its labels and meaning, and no other."""
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (.*?) \| (.*?) \|$", TEXT, re.MULTILINE)

    found = {name: (tuple(re.findall(r"`(\w+)`", labels)), text) for name, labels, text in rows}
    told = {name: (figure.labels, figure.text) for name, figure in FIGURES.items()}
    assert found == told | {name: (("le",), text) for name, text in TIMINGS.items()}


def test_dashboard_and_alerts_ask_for_metrics_that_exist() -> None:
    """An expression with a metric that no page has would stay silent for ever."""
    asked = [name for text in expressions() for name in re.findall(r"pilewise_\w+", text)]

    assert len(asked) >= 30
    assert set(asked) - known() == set()


def test_every_alert_says_what_to_do() -> None:
    """Who is woken reads what happened, how urgent it is, and where to begin."""
    rules = [r for g in yaml.safe_load(ALERTS.read_text())["groups"] for r in g["rules"]]

    assert all(rule["labels"]["severity"] in ("page", "ticket") for rule in rules)
    assert all({"summary", "action"} <= rule["annotations"].keys() for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)


def test_labels_name_nobody() -> None:
    """Labels are few and name no car, user, request or claim."""
    labels = {label for figure in FIGURES.values() for label in figure.labels}

    assert labels == {"version", "district", "name", "sha256", "status"}


def test_alerts_are_sound_rules() -> None:
    """Prometheus itself takes the rules."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("hint: apt-get install --no-install-recommends prometheus")
    checked = subprocess.run(
        [promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, timeout=60
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
