"""What is wrong with how the paper's simulation was asked for.

PaperError
└── OptionInvalid  PAPER-001  an option is out of its range, or two do not fit together
"""

from __future__ import annotations

from typing import ClassVar


class PaperError(Exception):
    """Base of the errors of this simulation; `hint` says what to do."""

    code: ClassVar[str] = "PAPER-000"

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint

    def in_words(self) -> str:
        """The error as people see it."""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"error[{self.code}]: {self}{hint}"


class OptionInvalid(PaperError):
    """An option has a value that makes no simulation."""

    code = "PAPER-001"

    def __init__(self, option: str, seen: object, expected: str, hint: str = "") -> None:
        super().__init__(f"{option} is {seen}, must be {expected}", hint)
