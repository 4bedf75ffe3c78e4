"""The room's errors, split by what the caller should do.

FirmwareError
├── ConfigError          give up: mend the file (exit 3)
├── BindError            give up: free the port or choose another (exit 3)
├── TapeError            give up: another file, or a place that can be written (exit 3)
├── OpenFilesError       give up: allow more open files or simulate fewer piles (exit 3)
├── BenchError           give up: the request itself is at fault
│   ├── UnknownNameError     no such pile or EVSE
│   ├── BadArgumentError     a field is outside its range
│   ├── NotPossibleNowError  right request, wrong moment
│   └── TooManyError         the bench serves as many as it can
└── LinkLostError        retry: the other side went away
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class FirmwareError(Exception):
    """Base of everything that this room raises on purpose."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong in a configuration file."""

    code: str
    message: str
    path: str
    line: int
    note: str = ""
    hint: str = ""
    # The variable of the environment that set it, where no line did.
    variable: str = ""

    def text(self, file: str) -> str:
        """The finding as people read it, with file and line."""
        at = f"{file}:{self.line}" if self.line else file
        place = f"environment {self.variable}" if self.variable else at
        lines = [f"error[{self.code}]: {self.message}", f"  --> {place}  {self.path}".rstrip()]
        if self.note:
            lines.append(f"  = note: {self.note}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class ConfigError(FirmwareError):
    """The configuration cannot be used; carries every finding at once."""

    def __init__(self, file: str, findings: Sequence[Finding]) -> None:
        self.file = file
        self.findings = tuple(findings)
        super().__init__("\n".join(finding.text(file) for finding in findings))


class BindError(FirmwareError):
    """An address cannot be listened on."""

    def __init__(self, what: str, address: str, reason: str) -> None:
        self.what = what
        self.address = address
        self.reason = reason
        super().__init__(
            f"error[NET-011]: {what} cannot listen on {address}\n"
            f"  = note: {reason}\n"
            f"  hint: use port 0 to let the system choose a free one"
        )


class TapeError(FirmwareError):
    """A tape or a file of intervals that cannot be used; says which and why."""

    def __init__(self, file: str, why: str) -> None:
        self.file = file
        super().__init__(
            f"error[REC-003]: {file} {why}\n"
            f"  hint: tapes are what `pilewise sim record` writes; see docs/scenarios.md"
        )


class OpenFilesError(FirmwareError):
    """The system allows fewer open files than the piles need."""

    def __init__(self, needed: int, allowed: int) -> None:
        self.needed = needed
        self.allowed = allowed
        super().__init__(
            f"error[SYS-001]: these piles need {needed} open files, the system allows {allowed}\n"
            f"  = note: a Modbus pile listens on a port of its own and serves a connection or two\n"
            f"  hint: raise the hard limit (ulimit -Hn), or let piles share ports with `bus`"
        )


class BenchError(FirmwareError):
    """A bench request that cannot be carried out."""


class UnknownNameError(BenchError):
    """There is no such pile or EVSE; carries the name that was asked for."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"no {kind} {name!r} is simulated here; ListPiles tells what is")


class BadArgumentError(BenchError):
    """A value is outside what its field admits; carries the field's name."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(f"{field}: {message}")


class NotPossibleNowError(BenchError):
    """The state of the EVSE does not admit the action."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        super().__init__(f"{name}: {why}")


class TooManyError(BenchError):
    """The bench has as many of something as it serves."""

    def __init__(self, what: str, most: int, hint: str) -> None:
        super().__init__(f"{most} {what} are the most that one bench serves: {hint}")


class LinkLostError(FirmwareError):
    """The other side of a connection went away; connecting again may help."""

    def __init__(self, peer: str, reason: str) -> None:
        self.peer = peer
        super().__init__(f"{peer}: {reason}")
