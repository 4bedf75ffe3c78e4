"""A table of a profile file, read key by key; whatever is wrong is noted with its key path.

What the keys mean belongs to `profile_file.py` and its neighbours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

UNKNOWN_KEY: Final = "PRF-003"
MISSING: Final = "PRF-004"
WRONG_VALUE: Final = "PRF-005"
NOT_THERE: Final = "PRF-006"
UNREADABLE_MAP: Final = "PRF-007"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a profile: a stable code, the key path it stands at, what to change."""

    code: str
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}" if self.key else self.text


class Table:
    """A TOML table at a key path; a value that cannot be used is noted and its default given."""

    def __init__(self, values: Any, key: str, mistakes: list[Mistake]) -> None:
        self.key = key
        self.mistakes = mistakes
        if not isinstance(values, Mapping):
            self.wrong("", "must be a table")
            values = {}
        self.values: Mapping[str, Any] = values

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def wrong(self, name: str, text: str, code: str = WRONG_VALUE) -> None:
        """Notes a mistake at a key of this table; at the table itself with an empty name."""
        self.mistakes.append(Mistake(code, self.path(name), text))

    def path(self, name: str) -> str:
        """The key path of a key of this table."""
        return f"{self.key}.{name}" if self.key and name else self.key or name

    def only(self, known: Sequence[str]) -> None:
        """Notes every key that is not among the known ones."""
        for name in self.values:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}" if near else f"known: {', '.join(known)}"
                self.wrong(name, f'unknown key "{name}"; {hint}', UNKNOWN_KEY)

    def need(self, name: str) -> bool:
        """True where the key is there; its absence is noted."""
        if name not in self.values:
            self.wrong(name, f"{name} is missing", MISSING)
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        value = self.values.get(name, default)
        if isinstance(value, str):
            return value
        self.wrong(name, f"{name} must be a text in quotes, not {value!r}")
        return default

    def word(self, name: str, known: Sequence[str], default: str) -> str:
        """One of the known words."""
        value = self.text(name, default)
        if value in known:
            return value
        self.wrong(name, f'{name} = "{value}" is none of {", ".join(known)}')
        return default

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self.values.get(name, [])
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.wrong(name, f"{name} must be a list of texts")
        return ()

    def whole(self, name: str, default: int, lowest: int = 0, highest: int = 0xFFFF) -> int:
        """A whole number within limits."""
        value = self.values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong(name, f"{name} must be a whole number, not {value!r}")
            return default
        if name in self.values and not lowest <= value <= highest:
            self.wrong(name, f"{name} = {value} is outside {lowest} to {highest}")
            return default
        return value

    def number(self, name: str, default: float, lowest: float = 0.0) -> float:
        """A finite number that is not below `lowest`."""
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(name, f"{name} must be a number, not {value!r}")
            return default
        if not lowest <= value < float("inf"):
            self.wrong(name, f"{name} = {value} must be {lowest:g} or more, and finite")
            return default
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.values.get(name, default)
        if isinstance(value, bool):
            return value
        self.wrong(name, f"{name} must be true or false, not {value!r}")
        return default

    def numbers(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        value = self.values.get(name, [])
        if isinstance(value, list) and all(type(item) is int for item in value):
            return tuple(value)
        self.wrong(name, f"{name} must be a list of whole numbers")
        return ()

    def table(self, name: str) -> Table:
        """A table inside; empty where it is absent."""
        return Table(self.values.get(name, {}), self.path(name), self.mistakes)

    def tables(self, name: str) -> Iterator[Table]:
        """The tables of an array of tables, each at its own key path."""
        value = self.values.get(name, [])
        if not isinstance(value, list):
            self.wrong(name, f"write [[{self.path(name)}]], because there may be several")
            value = []
        for i, item in enumerate(value):
            yield Table(item, f"{self.path(name)}[{i}]", self.mistakes)
