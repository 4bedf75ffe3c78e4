"""Places of the two documents, read from tables and docstrings: steps, claims, equations, sections.

What must be cited where is decided in the tests.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from functools import cache
from pathlib import Path

_STEPS = (310, 320, 330, 340, 350, 410, 420, 510, 520, 530, 610, 620, 630)
_SOURCE = re.compile(r"Source:(.*?)(?=Departs:|\n\s*\n|\n\s*>>>|\Z)", re.DOTALL)
_NUMBERS = r"[\s(]*\d[\d.]*\)?(?:\s*(?:,|and|-|–|to)\s*\(?\d[\d.]*\)?)*"
_PLACE = re.compile(
    rf"(?P<patent>US\s+12,393,974|patent)|(?P<word>steps?|claims?|Eqs?\.?|FIGS?\.|Figs?\.|"
    rf"Algorithm|paper|§)(?P<numbers>{_NUMBERS})|(?P<paper>paper)"
)
_ONE = re.compile(r"(\d[\d.]*)\)?(?:\s*(?:-|–|to)\s*\(?(\d[\d.]*))?")


def places(text: str, document: str) -> set[str]:
    """The places that a text names; `document` is whose equations these are until it says so.

    >>> sorted(places("claim 2 · step 410, Eq. (1)", "patent"))
    ['claim 2', 'patent Eq. (1)', 'step 410']
    """
    found: set[str] = set()
    for match in _PLACE.finditer(text):
        if match["patent"]:
            document = "patent"
            continue
        if match["paper"]:
            document = "paper"
            continue
        word = match["word"].rstrip(".sS")
        if word in ("step", "claim", "FIG"):
            document = "patent"
        if word in ("Fig", "Algorithm", "paper", "§"):
            document = "paper"
        for first, last in _ONE.findall(match["numbers"]):
            found |= _named(word, first.rstrip("."), last.rstrip("."), document)
    return found


def _named(word: str, first: str, last: str, document: str) -> set[str]:
    if word in ("paper", "§"):
        return {f"paper {first}"} | ({f"paper {last}"} if last else set())
    numbers = range(int(first), int(last or first) + 1)
    if word == "step":
        return {f"step {number}" for number in numbers if number in _STEPS}
    shapes = {"Eq": f"{document} Eq. ({{}})", "FIG": "FIG. {}", "Fig": "Fig. {}"}
    return {shapes.get(word, f"{word} {{}}").format(number) for number in numbers}


def cited(words: str) -> set[str]:
    """The places that the `Source:` of a docstring names."""
    found: set[str] = set()
    for source in _SOURCE.findall(words):
        found |= places(source, "patent")
    return found


def departs(words: str) -> bool:
    """Whether the docstring says where it departs from its source."""
    return "Departs:" in words


@cache
def words_of(name: str) -> str | None:
    """What is said of a dotted name: docstring, or the lines where a value is set; None if absent.

    A module that needs a library that is not installed is read instead of imported.
    """
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        path = _file_of(".".join(parts[:cut]))
        if path is not None:
            return _within(".".join(parts[:cut]), parts[cut:], path)
    return None


def _file_of(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _within(module: str, rest: list[str], path: Path) -> str | None:
    """The words of what `rest` names within a module."""
    try:
        found: object = importlib.import_module(module)
        for part in rest:
            found = getattr(found, part)
    except AttributeError:
        return None
    except ModuleNotFoundError:
        found = None
    if not rest or inspect.isclass(found) or inspect.isroutine(found):
        return inspect.getdoc(found) or ""
    return _set_in(ast.parse(path.read_text()), rest, path.read_text().splitlines())


def _set_in(tree: ast.Module, rest: list[str], lines: list[str]) -> str | None:
    """The docstring of a definition, or a value's own lines with the comments above them."""
    body: list[ast.stmt] = tree.body
    for depth, part in enumerate(rest):
        node = next((node for node in body if _name(node) == part), None)
        if node is None:
            return None
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if depth == len(rest) - 1:
                return ast.get_docstring(node) or ""
            body = node.body
            continue
        first, last = node.lineno - 1, node.end_lineno or node.lineno
        while first > 0 and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        return "\n".join(lines[first:last])
    return None


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return getattr(node, "name", "")
