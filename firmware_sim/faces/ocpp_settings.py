"""The settings of a charge point by name: their values, what they take, who may see them.

Which settings an OCPP version has is in that version's face.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["seconds", "count", "bool", "text", "list"]
_MOST: Final = 86_400 * 7


@dataclass(slots=True)
class Setting:
    """One setting; `takes` says more about a value than its kind, `reboot` that it waits for one.

    A `secret` is taken and never shown.
    """

    value: str
    kind: Kind = "text"
    fixed: bool = False
    secret: bool = False
    reboot: bool = False
    takes: Callable[[str], bool] = field(default=lambda _: True)

    def accepts(self, value: str) -> bool:
        """Whether the value is one of its kind."""
        right = True
        if self.kind in ("seconds", "count"):
            right = value.isdecimal() and int(value) <= _MOST
        elif self.kind == "bool":
            right = value in ("true", "false", "True", "False", "TRUE", "FALSE")
        return right and self.takes(value)


class Settings:
    """A table of settings; some have values of their own, or are fixed in this pile alone."""

    def __init__(
        self, table: dict[str, Setting], own: Mapping[str, str], fixed: Sequence[str]
    ) -> None:
        self.table = table
        for name, value in own.items():
            table.setdefault(name, Setting(value)).value = value
        for name in fixed:
            table.setdefault(name, Setting("")).fixed = True

    def write(self, name: str, value: str) -> str:
        """Takes a value; gives Accepted, Rejected, NotSupported or RebootRequired."""
        setting = self.table.get(name)
        if setting is None:
            return "NotSupported"
        if setting.fixed or not setting.accepts(value):
            return "Rejected"
        setting.value = value.lower() if setting.kind == "bool" else value
        return "RebootRequired" if setting.reboot else "Accepted"

    def seconds(self, name: str) -> float:
        """The value of a setting in seconds, 0 where it is switched off."""
        return float(self.table[name].value or 0)

    def count(self, name: str) -> int:
        """The value of a setting that counts."""
        return int(self.table[name].value or 0)

    def is_on(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.table[name].value == "true"

    def words(self, name: str) -> list[str]:
        """The members of a list."""
        return [word.strip() for word in self.table[name].value.split(",") if word.strip()]

    def put(self, name: str, value: str) -> None:
        """Sets a value from inside, whatever it is."""
        self.table[name].value = value
