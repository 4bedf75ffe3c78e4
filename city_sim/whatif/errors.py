"""What can be wrong with a question about a stored day.

WhatifError
├── StoreUnreadable   WHATIF-001  the folder holds no store of a coordinator, or it is refused
├── DayEmpty          WHATIF-002  no car asked that day
├── ChangeInvalid     WHATIF-003  a pile, station, policy or number that does not exist
└── ModelRefused      WHATIF-004  a bundle of models that cannot be loaded
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar


class WhatifError(Exception):
    """Base of all; `hint` says what to do."""

    code: ClassVar[str] = "WHATIF-000"
    hint: str = ""

    def in_words(self) -> str:
        """The error as people see it."""
        return f"error[{self.code}]: {self}" + (f"\n  hint: {self.hint}" if self.hint else "")


class StoreUnreadable(WhatifError):
    """The folder is no data directory of a coordinator, or its files are refused."""

    code = "WHATIF-001"
    hint = "give the data_dir of a coordinator, as its coordinator.toml names it"

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"{folder}: {why}")


class DayEmpty(WhatifError):
    """No request of that day is stored; `days` has those that are, with their numbers."""

    code = "WHATIF-002"

    def __init__(self, day: str, days: Mapping[str, int]) -> None:
        super().__init__(f"no car's request of {day} is stored")
        known = ", ".join(f"{name} ({count})" for name, count in list(days.items())[-14:])
        self.hint = f"days with requests: {known}" if days else (
            "no requests are stored at all: they come from cars that ask, or from"
            " `pilewise coordinator import --requests FILE`; they are kept for 30 days"
        )  # fmt: skip


class ChangeInvalid(WhatifError):
    """What should be changed does not exist, or leaves nothing to replay."""

    code = "WHATIF-003"

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint

    @classmethod
    def unknown(cls, kind: str, name: str, known: Iterable[str]) -> ChangeInvalid:
        """A name that nothing has, with those that look like it."""
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=3) or names[:5]
        return cls(f"no {kind} {name!r} ({len(names)} are known)", f"e.g. {', '.join(close)}")


class ModelRefused(WhatifError):
    """The bundle is missing or wrong; says what the coordinator would say."""

    code = "WHATIF-004"
