"""What can go wrong in the agent, split by what the caller should do.

AgentError
├── ConfigError            give up: the operator has to change a file (exit 3)
├── PileError              this pile only; the others go on
│   ├── PileSilent         retry: no answer in time, or no connection
│   ├── PileRefused        retry slowly: the pile answered with a Modbus exception
│   ├── ReplyUnusable      retry: the answer was not what was asked for
│   └── WriteForbidden     give up: the operator or the profile does not allow it
├── SpoolError             the disk
│   ├── SpoolFull          retry: no room; telemetry is thinned
│   ├── SpoolBusy          retry: another program holds the file
│   ├── SpoolBroken        reopen: I/O error
│   │   └── SpoolDamaged   salvage: what can be read moves to a new file
│   ├── SpoolVolatile      give up: no disk can be written, so nothing can be durable
│   ├── SpoolTooNew        give up: written by a newer agent
│   └── QueueFull          retry: too much waits for the operator's OCPP system
└── LinkError              retry: the coordinator cannot be reached or refused the stream
    ├── ClockMismatch      retry slowly: both ends live in different domain times
    └── CertificateUnusable  retry slowly: our own files or clock make every try vain
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class AgentError(Exception):
    """Base of everything the agent raises on purpose."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake in a file: a stable code, what is wrong, where, and what to do about it."""

    code: str
    message: str
    file: str
    line: int
    key: str = ""
    note: str = ""
    hint: str = ""

    def __str__(self) -> str:
        # A setting of the environment stands in no line.
        place = f"{self.file}:{self.line}" if self.line else self.file
        lines = [f"error[{self.code}]: {self.message}", f"  --> {place}  {self.key}"]
        if self.note:
            lines.append(f"  = note: {self.note}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(line.rstrip() for line in lines)


class ConfigError(AgentError):
    """The configuration cannot be used; `problems` holds every mistake found, in file order."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.key)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PileError(AgentError):
    """One pile cannot be read now; `reason` is the stable word that travels as the reason."""

    def __init__(self, pile_id: str, reason: str, text: str) -> None:
        self.pile_id = pile_id
        self.reason = reason
        super().__init__(f"{pile_id}: {text}")


class PileSilent(PileError):
    """The pile did not answer in time or cannot be connected."""


class PileRefused(PileError):
    """The pile answered with a Modbus exception; `code` is its number."""

    def __init__(self, pile_id: str, code: int, address: int, count: int) -> None:
        self.code = code
        meaning = MODBUS_EXCEPTIONS.get(code, "unknown exception")
        super().__init__(
            pile_id,
            f"MODBUS_EXCEPTION_{code:02X}",
            f"exception {code} ({meaning}) for registers {address:#06x}+{count}",
        )


class ReplyUnusable(PileError):
    """The pile answered something else than it was asked."""


class WriteForbidden(PileError):
    """A write was held back; nothing left for the device."""

    def __init__(self, pile_id: str, text: str) -> None:
        super().__init__(pile_id, "WRITE_FORBIDDEN", text)


class SpoolError(AgentError):
    """The spool cannot take or give records now."""


class SpoolFull(SpoolError):
    """The disk has no room left; retried once something was acked or thinned."""


class SpoolBroken(SpoolError):
    """The spool file gave an I/O error or is damaged; nothing of the last batch is durable."""


class SpoolBusy(SpoolError):
    """Another program holds the spool file; nothing of the last batch is durable."""


class SpoolDamaged(SpoolBroken):
    """The spool file holds bytes that SQLite did not write there."""


class SpoolVolatile(SpoolError):
    """The data folder cannot be written, so what must be durable is refused."""


class SpoolTooNew(SpoolError):
    """The spool file was written by a newer agent."""

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(
            f"{path} has schema {found}, this agent knows {known}: run the newer agent, "
            "or move the file away after its records were sent"
        )


class QueueFull(SpoolError):
    """The queue to the operator's own system has no room for what may not be given up."""


class LinkError(AgentError):
    """The stream to the coordinator ended or was refused; retried with back-off."""


class CertificateUnusable(LinkError):
    """The agent's own files or clock make a secured link impossible; the text says which."""


class ClockMismatch(LinkError):
    """Agent and coordinator would stamp the same moment differently."""

    def __init__(self, ours_ms: int, theirs_ms: int, our_speed: float, their_speed: float) -> None:
        super().__init__(
            f"domain clocks differ: here {ours_ms} ms at speed {our_speed:g}, there {theirs_ms} ms "
            f"at speed {their_speed:g}; give both processes the same [clock]"
        )


MODBUS_EXCEPTIONS = {
    1: "illegal function: the profile uses a function code that the device lacks",
    2: "illegal data address: the profile names a register that the device lacks",
    3: "illegal data value: the profile reads more registers at once than the device gives",
    4: "server device failure",
    5: "acknowledge: the device needs longer",
    6: "server device busy",
    8: "memory parity error",
    0x0A: "gateway path unavailable",
    0x0B: "gateway target device failed to respond",
}
