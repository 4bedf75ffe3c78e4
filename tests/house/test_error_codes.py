"""Every error code that the product raises is explained, and every explanation is of use."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from pilewise.cli.explain import pages

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("pilewise", "edge_agent", "coordinator", "firmware_sim", "city_sim", "training")
# Alone in a string, or where a message begins: error[CFG-001].
CODE = re.compile(r"^([A-Z]{2,6}-\d{3})$|(?:error|warning)\[([A-Z]{2,6}-\d{3})\]")
# Names of standards, not of errors.
NOT_OURS = {"SHA-256", "SHA-384", "SHA-512", "RS-232", "RS-485"}


def raised() -> dict[str, set[str]]:
    """Code to the rooms whose sources have it, docstrings and the generated contract left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if ROOT / "pilewise" / "v1" in path.parents:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    for alone, told in CODE.findall(node.value):
                        found[alone or told].add(room)
    return {code: rooms for code, rooms in found.items() if code not in NOT_OURS}


RAISED = raised()
PAGES = pages()


@pytest.mark.parametrize("code", sorted(RAISED))
def test_a_code_that_is_raised_is_explained(code: str) -> None:
    """A code without a page says nothing: write it into pilewise/cli/errors/."""
    assert code in PAGES, f"add [{code}] to a file of pilewise/cli/errors/ with {RAISED[code]}"
    assert set(PAGES[code].rooms) == RAISED[code]


@pytest.mark.parametrize("code", sorted(PAGES))
def test_an_explanation_is_of_a_code_that_is_raised(code: str) -> None:
    """Meaning, cause and fix are whole sentences, and the code still exists."""
    page = PAGES[code]

    assert code in RAISED
    for text in (page.says, page.cause, page.fix):
        assert len(text) > 10
    assert page.says.endswith(".")


def test_codes_are_found() -> None:
    """The search reaches every room: there are more than a hundred codes."""
    assert len(RAISED) > 100
    assert {room for rooms in RAISED.values() for room in rooms} >= set(ROOMS) - {"city_sim"}
