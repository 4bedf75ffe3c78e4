"""Runs of the pytest plugin as a user has them: a fresh pytest process in a folder of its own."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0
# Where the plugin is installed pytest finds it by itself; a bare source tree has to name it.
INSTALLED = any(entry.name == "pilewise" for entry in entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "pytest_pilewise.plugin")
# What else is installed here has no part in a user's run.
ALONE = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:asyncio", "-p", "no:timeout")


def run_bench(
    pytester: pytest.Pytester, test: str, *options: str, conftest: str = ""
) -> pytest.RunResult:
    """The result of these tests with these options, in a process of its own."""
    pytester.makepyfile(test_bench=test)
    if conftest:
        pytester.makeconftest(conftest)
    os.environ.setdefault("PYTHONPATH", "")
    pytester.plugins = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.delenv("PYTEST_ADDOPTS", raising=False)
        words = (sys.executable, "-m", "pytest", *PLUGIN, *ALONE, *options)
        return pytester.run(*words, timeout=LIMIT_S)


def junit_cases(path: Path) -> dict[str, ElementTree.Element]:
    """The test cases of a JUnit file by name."""
    return {case.get("name", ""): case for case in ElementTree.parse(path).iter("testcase")}


def properties(case: ElementTree.Element) -> list[tuple[str, str]]:
    """Name and value of a test case's properties, in order."""
    return [(p.get("name", ""), p.get("value", "")) for p in case.iter("property")]
