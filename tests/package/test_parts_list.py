"""The list of parts (CycloneDX) that `tox -e sbom` writes, made here of this environment."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def parts(folder: Path, name: str) -> Path:
    """The list, validated by the tool itself against CycloneDX's schema."""
    pytest.importorskip("cyclonedx_py", reason="hint: tox -e package brings cyclonedx-bom")
    made = folder / name
    command = ("-m", "cyclonedx_py", "environment", "--output-reproducible", "--of", "JSON")
    subject = ("--pyproject", str(ROOT / "pyproject.toml"))
    ran = subprocess.run(
        [sys.executable, *command, *subject, "-o", str(made), sys.executable],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return made


def test_list_names_what_the_product_is_made_of(tmp_path: Path) -> None:
    """The product is its subject, and every package that the rooms need is in it by version."""
    told: dict[str, Any] = json.loads(parts(tmp_path, "a.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["agent"], *extras["coordinator"], *extras["sim"]]
    needed = {canonicalize_name(Requirement(text).name) for text in wanted} - {"pilewise"}

    assert told["bomFormat"] == "CycloneDX"
    assert told["metadata"]["component"]["name"] == "pilewise"
    found = {canonicalize_name(part["name"]): part for part in told["components"]}
    assert needed - found.keys() == set()
    assert [name for name in needed if not found[name].get("version")] == []
    assert all(found[name]["purl"].startswith("pkg:pypi/") for name in needed)


def test_list_is_the_same_each_time(tmp_path: Path) -> None:
    """No instant and no random number: two lists of one installation are compared as files."""
    first, second = parts(tmp_path, "a.json"), parts(tmp_path, "b.json")

    assert first.read_bytes() == second.read_bytes()
