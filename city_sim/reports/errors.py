"""What can go wrong with a report; none of it is worth repeating unchanged.

    ReportError
    ├── FiguresUnavailable  REPORT-001  matplotlib is not installed
    └── ReportRefused       REPORT-002  the report cannot be written there

`in_words` is what people see.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class ReportError(Exception):
    """Base of all errors of reports; `hint` says what to do."""

    code: ClassVar[str] = "REPORT-000"
    hint: str = ""

    def in_words(self) -> str:
        """The error as people see it, over two lines."""
        return f"error[{self.code}]: {self}\n  hint: {self.hint}"


class FiguresUnavailable(ReportError):
    """Figures are drawn with matplotlib, which is not there."""

    code = "REPORT-001"
    hint = 'pip install "pilewise[city]"'

    def __init__(self) -> None:
        super().__init__("figures need matplotlib, which is not installed")


class ReportRefused(ReportError):
    """A report is not written over what is no report, nor where nothing can be written."""

    code = "REPORT-002"

    def __init__(self, path: Path, why: str, hint: str = "give another folder") -> None:
        super().__init__(f"no report at {path}: {why}")
        self.hint = hint
