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


def test_names_are_in_base_units() -> None:
    """Seconds and bytes, never days, kilowatt-hours or percent: rules compare like with like."""
    scaled = {
        "ms", "minutes", "hours", "days", "kb", "mb", "mib", "kw", "kwh", "pct", "percent", "km",
    }  # fmt: skip
    names = [*FIGURES, *TIMINGS, *METRICS]

    assert [name for name in names if scaled & set(name.split("_"))] == []


@pytest.mark.parametrize(
    ("series", "days", "alerts"),
    [
        # A week long; renewed by itself when a third is left.
        ('pilewise_agent_certificate_left_seconds{key="identity"}', 3, set()),
        (
            'pilewise_agent_certificate_left_seconds{key="identity"}',
            1,
            {"PilewiseIdentityNotRenewed"},
        ),
        ('pilewise_agent_certificate_left_seconds{key="tls.cert_file"}', 20, set()),
        (
            'pilewise_agent_certificate_left_seconds{key="tls.cert_file"}',
            13,
            {"PilewiseCertificateEnds"},
        ),
        (
            'pilewise_coordinator_certificate_left_seconds{name="server"}',
            13,
            {"PilewiseCoordinatorCertificateEnds"},
        ),
    ],
)
def test_a_certificate_wakes_people_only_when_it_is_theirs_to_renew(
    series: str, days: int, alerts: set[str], tmp_path: Path
) -> None:
    """An agent's own certificate is short and no alarm while it renews itself; files are."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("hint: apt-get install --no-install-recommends prometheus")
    rules = [r for g in yaml.safe_load(ALERTS.read_text())["groups"] for r in g["rules"]]
    ours = [rule for rule in rules if "certificate_left_seconds" in rule["expr"]]
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump(
            {
                "groups": [
                    {"name": "g", "rules": [{k: r[k] for k in ("alert", "expr")} for r in ours]}
                ]
            }
        )
    )
    sample = {"series": series, "values": f"{days * 86400}x5"}
    told = [
        {
            "alertname": rule["alert"],
            "eval_time": "2m",
            "exp_alerts": [{"exp_labels": _labels(series)}] if rule["alert"] in alerts else [],
        }
        for rule in ours
    ]
    case = {"interval": "1m", "input_series": [sample], "alert_rule_test": told}
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [case]})
    )
    checked = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "test.yml")],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert len(ours) == 3
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _labels(series: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', series))
