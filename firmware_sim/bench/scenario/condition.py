"""A condition as text: subject, comparison, value, joined by `and`; parsed once, checked often.

What a subject is worth is asked of a `Look`; which subjects exist is in `subjects.py`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Value = float | str | bool | None
Look = Callable[[str], Value]
Marks = Mapping[tuple[str, str], Value]

_CLAUSE = re.compile(
    r"(?P<subject>[A-Za-z_][\w.]*(?:\[[^\]]*\])?(?:\.[\w.]+)?)\s*"
    r"(?P<word>==|!=|<=|>=|<|>|\bis not\b|\bis\b|\bnot in\b|\bin\b|\bcontains\b|\bstarts with\b)\s*"
    r"(?P<value>.+)"
)
_MARK = re.compile(r"@(?P<mark>[a-z][a-z0-9_]*)(?:\s*(?P<sign>[-+*])\s*(?P<by>\d+(?:\.\d+)?))?")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SHIFT: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
# Two readings of one thing may differ by rounding; nobody means that by "equal".
_EQUAL_WITHIN = 1e-6


@dataclass(frozen=True, slots=True)
class Mark:
    """A value of an earlier moment, moved by a figure."""

    name: str
    sign: str = "+"
    by: float = 0.0


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison."""

    subject: str
    word: str
    value: Value | Mark | tuple[Value, ...]

    def holds(self, seen: Value, marks: Marks) -> bool:
        """Whether what was seen fits."""
        value = self.value
        if isinstance(value, Mark):
            kept = marks.get((value.name, self.subject))
            numeric = isinstance(kept, int | float) and not isinstance(kept, bool)
            value = (
                _SHIFT[value.sign](float(kept), value.by) if numeric and kept is not None else kept
            )
        if self.word in ("in", "not in"):
            choices = value if isinstance(value, tuple) else (value,)
            return any(_same(seen, one) for one in choices) is (self.word == "in")
        if self.word in ("==", "is"):
            return _same(seen, value)
        if self.word in ("!=", "is not"):
            return not _same(seen, value)
        if self.word == "contains":
            return str(value) in str(seen)
        if self.word == "starts with":
            return str(seen).startswith(str(value))
        if not isinstance(seen, int | float) or not isinstance(value, int | float):
            return False
        return _ORDER[self.word](seen, value)


@dataclass(frozen=True, slots=True)
class Condition:
    """Clauses that must all hold."""

    text: str
    clauses: tuple[Clause, ...]

    def holds(self, look: Look, marks: Marks) -> bool:
        """Whether every clause holds now."""
        return all(clause.holds(look(clause.subject), marks) for clause in self.clauses)

    def seen(self, look: Look) -> str:
        """The values that it looks at, for a report."""
        values = {clause.subject: look(clause.subject) for clause in self.clauses}
        return ", ".join(f"{subject} = {show(value)}" for subject, value in values.items())

    @property
    def marks(self) -> list[tuple[str, str]]:
        """The marks that it needs, each with the subject."""
        return [(c.value.name, c.subject) for c in self.clauses if isinstance(c.value, Mark)]


def parse(text: str) -> Condition:
    """The condition; raises ValueError saying which part is not understood.

    >>> parse("power_kw >= 10 and status is Charging").clauses[1].value
    'Charging'
    """
    clauses = []
    for part in re.split(r"\s+and\s+", text.strip()):
        found = _CLAUSE.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"not a condition: {part!r}; write SUBJECT == VALUE")
        clauses.append(
            Clause(found["subject"], found["word"], _value(found["word"], found["value"]))
        )
    return Condition(text, tuple(clauses))


def show(value: Value) -> str:
    """A value as people read it.

    >>> show(11.040000001)
    '11.04'
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{round(value, 4):.10g}" if isinstance(value, int | float) else repr(value)


def _value(word: str, text: str) -> Value | Mark | tuple[Value, ...]:
    text = text.strip()
    if word in ("contains", "starts with"):
        return text.strip("'\"")
    if word in ("in", "not in"):
        return tuple(_literal(part.strip()) for part in text.split(","))
    if text.startswith("@"):
        mark = _MARK.fullmatch(text)
        if mark is None:
            raise ValueError(f"not a mark: {text!r}; write @name, @name + 5 or @name * 0.5")
        return Mark(mark["mark"], mark["sign"] or "+", float(mark["by"] or 0))
    return _literal(text)


def _literal(text: str) -> Value:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    if text == "none":
        return None
    try:
        return float(int(text, 0)) if text.lower().startswith("0x") else float(text)
    except ValueError:
        return text


def _same(seen: Value, value: object) -> bool:
    if isinstance(seen, bool) or isinstance(value, bool):
        return seen is value
    if isinstance(seen, int | float) and isinstance(value, int | float):
        return abs(seen - value) <= _EQUAL_WITHIN * max(1.0, abs(value))
    return seen == value
