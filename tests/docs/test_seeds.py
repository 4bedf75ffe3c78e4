"""`docs/seeds.md` is whole and true: every place has a row, every row leads to code and test.

How a docstring cites a place is read by `tests/support/seed_places.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from seed_places import cited, departs, places, words_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "seeds.md"
HEADER = ["Where", "What it says", "Code", "Test", "Note"]
UNBUILT = ("Left out:", "Later:")
TICKED = re.compile(r"`([^`]+)`")

PATENT = {
    *(f"claim {number}" for number in range(1, 21)),
    *(f"step {number}" for number in (310, 320, 330, 340, 350, 410, 420, 510, 520, 530)),
    *(f"step {number}" for number in (610, 620, 630)),
    *(f"FIG. {number}" for number in range(1, 7)),
    *(f"patent Eq. ({number})" for number in (1, 2)),
}
PAPER = {
    *(f"paper {section}" for section in ("1", "2", "2.1", "2.2", "2.2.1", "2.2.2", "2.2.3")),
    *(f"paper {section}" for section in ("2.3", "2.3.1", "2.3.2", "2.3.2.1", "2.3.2.2")),
    *(f"paper {section}" for section in ("2.3.2.3", "2.4", "3", "4")),
    *(f"paper Eq. ({number})" for number in range(1, 9)),
    *(f"Fig. {number}" for number in range(1, 18)),
    "Algorithm 1",
}
# How readings and facts are kept and checked: no rule of either document.
KEEPING = {
    "attempts", "believed", "caller", "fact_order", "geo", "history", "identity", "ownership",
    "pace", "pile_facts", "ranges", "report", "rows", "sequence", "stamps",
}  # fmt: skip
INDEXES = ("point demand", "flow demand", "cost", "equilibrium", "traffic")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, with the heading it stands under."""

    line: int
    document: str
    where: str
    says: str
    code: tuple[str, ...]
    test: tuple[str, ...]
    note: str

    @property
    def at(self) -> str:
        return f"docs/seeds.md:{self.line} ({self.where})"

    @property
    def unbuilt(self) -> bool:
        return self.note.startswith(UNBUILT)


@cache
def rows() -> tuple[Row, ...]:
    """All rows of the page, in order."""
    return tuple(_rows())


def _rows() -> Iterator[Row]:
    document = ""
    for line, text in enumerate(PAGE.read_text().splitlines(), start=1):
        if text.startswith("## "):
            document = "paper" if "aper" in text else "patent"
        if not text.startswith("|"):
            continue
        cells = [cell.strip() for cell in text.strip().strip("|").split("|")]
        if cells == HEADER or set("".join(cells)) <= set("-: "):
            continue
        assert len(cells) == len(HEADER), f"docs/seeds.md:{line} has {len(cells)} cells, not 5"
        where, says, code, test, note = cells
        yield Row(
            line, document, where, says, tuple(TICKED.findall(code)),
            tuple(TICKED.findall(test)), note,
        )  # fmt: skip


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Names of the functions and state machines that a test file defines."""
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tree = ast.parse(path.read_text())
    found = {node.name for node in ast.walk(tree) if isinstance(node, named)}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def test_every_place_of_the_patent_has_a_row() -> None:
    """Claims 1-20, every step, figure and equation stand in a first column."""
    seen = {
        place for row in rows() if row.document == "patent" for place in places(row.where, "patent")
    }

    assert PATENT - seen == set()


def test_every_place_of_the_paper_has_a_row() -> None:
    """Every section, figure, equation, index and the algorithm stand in a first column."""
    own = [row for row in rows() if row.document == "paper"]
    seen = {place for row in own for place in places(row.where, "paper")}

    assert PAPER - seen == set()
    for index in INDEXES:
        assert any(f"index: {index}" in row.where for row in own), index


def test_no_row_says_nothing() -> None:
    """A row has words, and names code with a test, or why there is none."""
    bad = [
        row.at
        for row in rows()
        if not row.where or not row.says or not (row.unbuilt or (row.code and row.test))
    ]

    assert bad == []
    assert len(rows()) >= 100


@pytest.mark.parametrize("name", sorted({name for row in rows() for name in row.code}))
def test_every_name_of_code_exists(name: str) -> None:
    """A dotted name leads from a module of the product to what it names."""
    assert words_of(name) is not None


@pytest.mark.parametrize("name", sorted({name for row in rows() for name in row.test}))
def test_every_named_test_exists(name: str) -> None:
    """A path leads to a file, and the file defines the function."""
    path, _, function = name.partition("::")

    assert path.startswith("tests/")
    assert (ROOT / path).is_file()
    assert function.startswith(("test_", "Test"))
    assert function in functions_of(ROOT / path)


def test_core_cites_the_place_of_its_row() -> None:
    """Each name of `coordinator.core` in a row says `Source:` with a place of that row."""
    bad = []
    for row in rows():
        wanted = places(row.where, row.document)
        for name in row.code:
            if name.startswith("coordinator.core."):
                said = cited(words_of(name) or "")
                if not said & wanted:
                    bad.append(f"{row.at}: {name} cites {sorted(said) or 'nothing'}")

    assert bad == []


def test_every_public_name_of_core_cites_its_place() -> None:
    """A rule says where it comes from, in its own docstring or for its whole module."""
    bad = []
    for path in sorted((ROOT / "coordinator" / "core").rglob("*.py")):
        if path.stem in KEEPING:
            continue
        tree = ast.parse(path.read_text())
        if cited(ast.get_docstring(tree) or ""):
            continue
        for node in tree.body:
            named = isinstance(node, (ast.FunctionDef, ast.ClassDef))
            if named and not node.name.startswith("_"):
                said = ast.get_docstring(node) or ""
                if "Source:" not in said:
                    bad.append(f"{path.relative_to(ROOT)}: {node.name}")

    assert bad == []


def test_a_departure_is_said_in_the_code_too() -> None:
    """Where a note departs from the document, the docstring of a named function says so."""
    bad = [
        row.at
        for row in rows()
        if row.note.startswith("Departs:")
        and any(name.startswith("coordinator.core.") for name in row.code)
        and not any(departs(words_of(name) or "") for name in row.code)
    ]

    assert bad == []


def test_places_are_read_as_they_are_written() -> None:
    """The reader knows lists, ranges, and whose equation it is."""
    patent = "Source: US 12,393,974 B2, steps 310-330, 410, Eq. (2), claims 2, 4"
    text = f"{patent}; paper 2.2, Eq. (5)-(7)."

    assert cited(text) == {
        "step 310", "step 320", "step 330", "step 410", "patent Eq. (2)", "claim 2", "claim 4",
        "paper 2.2", "paper Eq. (5)", "paper Eq. (6)", "paper Eq. (7)",
    }  # fmt: skip
    assert cited("Nothing of step 310 is a source here.") == set()
    assert cited("Source: rules.\n\nSee step 310.") == set()
