"""What documents say of commands, keys, errors and results is made from these, and current."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = sorted((ROOT / "docs" / "figures").glob("*.json"))
MADE = re.compile(r"<!-- \[\[\[cog.*?\[\[\[end\]\]\] -->", re.DOTALL)


def checked(root: Path) -> subprocess.CompletedProcess[str]:
    """The command that compares documents with what they are made from."""
    return subprocess.run(
        [sys.executable, str(root / "docs" / "generate.py"), "--check"],
        capture_output=True, text=True, timeout=100, check=False, cwd=root,
    )  # fmt: skip


@pytest.mark.slow
def test_documents_say_what_the_product_and_the_results_say() -> None:
    """cog finds nothing to write; else: python docs/generate.py."""
    ran = checked(ROOT)

    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}run: python docs/generate.py"


@pytest.mark.slow
def test_another_result_makes_the_documents_stale(tmp_path: Path) -> None:
    """A figure that changes is a figure that the check finds."""
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "city_sim").symlink_to(ROOT / "city_sim")
    path = tmp_path / "docs" / "figures" / "paper.json"
    stored = json.loads(path.read_text())
    stored["figures"]["pilewise_reduction"] += 0.01
    path.write_text(json.dumps(stored))

    ran = checked(tmp_path)

    assert ran.returncode != 0
    assert "README.md" in ran.stdout + ran.stderr


def test_readme_has_no_measured_number_of_its_own() -> None:
    """Shares and times stand in generated blocks only, so that none can grow old unseen."""
    text = MADE.sub("", (ROOT / "README.md").read_text())
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"`[^`]*`", "", text)

    assert re.findall(r"\d[\d.,]*\s?(?:%|min\b|ms\b|km\b|MiB\b)", text) == []


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_result_says_how_it_was_made(path: Path) -> None:
    """Each is small, names its command and its day, and no folder of a machine."""
    text = path.read_text()
    stored = json.loads(text)

    assert len(text) < 30_000
    assert stored["command"][0] == "pilewise"
    assert "--json" in stored["command"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", stored["renewed"])
    assert {"pilewise", "python"} <= stored["versions"].keys()
    assert not re.search(r'"/\w', text)


@pytest.mark.slow
@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_result_is_of_a_command_that_exists(path: Path) -> None:
    """The command is one of the product's, with the options that it has."""
    words = json.loads(path.read_text())["command"][1:]
    command = [word for word in words[:2] if re.fullmatch(r"[a-z]+", word)]

    ran = subprocess.run(
        [sys.executable, "-c", "from pilewise.cli import main; main()", *command, "--help"],
        capture_output=True, text=True, timeout=60, check=False,
        env={"COLUMNS": "200", "PATH": "", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    for option in (word for word in words if word.startswith("-")):
        assert option in ran.stdout
